"""The booking domain of one installation, put together."""

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random

from kiungo.base.money import Money
from kiungo.domains.vems.books import Books
from kiungo.domains.vems.contracting import ContractDesk
from kiungo.domains.vems.desk import BookingDesk
from kiungo.domains.vems.following import ClaimDesk
from kiungo.domains.vems.model import CURRENCY
from kiungo.domains.vems.people import REFRESH_PATIENT, People
from kiungo.domains.vems.rules.following import FollowPolicy
from kiungo.domains.vems.submitting import Submissions
from kiungo.fhir.repository import Repository
from kiungo.kernel.database import Database
from kiungo.kernel.jobs import Handler
from kiungo.kernel.outbox import Outbox
from kiungo.ports.payer import Payer
from kiungo.ports.registry import Registry

NO_PAYERS: Mapping[str, Payer] = {}
NO_MODES: Mapping[str, str] = {}
NOTHING = Money.zero(CURRENCY)


@dataclass(frozen=True, slots=True)
class Vems:
    """The parts that routes, jobs and flows use."""

    database: Database
    desk: BookingDesk
    contracts: ContractDesk
    people: People
    books: Books
    claims: ClaimDesk
    submissions: Submissions
    alone_max: Money

    def jobs(self) -> Mapping[str, Handler]:
        """The handlers of every job this domain enqueues, but for settlement's."""
        return {REFRESH_PATIENT: self.people.refresh, **self.claims.jobs(), **self.submissions.jobs()}


def open_vems(
    database: Database,
    repository: Repository,
    outbox: Outbox,
    *,
    registry: Registry | None = None,
    payers: Mapping[str, Payer] = NO_PAYERS,
    payer_of_mode: Mapping[str, str] = NO_MODES,
    policy: FollowPolicy | None = None,
    alone_max: Money = NOTHING,
    rng: Random | None = None,
) -> Vems:
    """Put the domain together.

    Without a registry, bookings are for patients already known. `payer_of_mode` names, for each payment mode whose
    claims are followed, the payer that decides them; modes left out have no claim. `alone_max` is the most that
    one person may decide by overriding a booking.
    """
    books = Books()
    people = People(database, repository, registry)
    desk = BookingDesk(database, repository, outbox, people, books, rng=rng)
    claims = ClaimDesk(desk, payers, payer_of_mode, policy or FollowPolicy(), rng=rng)
    desk.follower = claims
    contracts, submissions = ContractDesk(outbox, rng=rng), Submissions(desk, claims)
    return Vems(database, desk, contracts, people, books, claims, submissions, alone_max)
