"""The booking domain of one installation, put together: desk, contracts, people and books."""

from dataclasses import dataclass
from random import Random

from kiungo.domains.vems.books import Books
from kiungo.domains.vems.contracting import ContractDesk
from kiungo.domains.vems.desk import BookingDesk
from kiungo.domains.vems.people import People
from kiungo.fhir.repository import Repository
from kiungo.kernel.database import Database
from kiungo.kernel.outbox import Outbox
from kiungo.ports.registry import Registry


@dataclass(frozen=True, slots=True)
class Vems:
    """The parts that routes, jobs and flows use."""

    database: Database
    desk: BookingDesk
    contracts: ContractDesk
    people: People
    books: Books


def open_vems(
    database: Database,
    repository: Repository,
    outbox: Outbox,
    *,
    registry: Registry | None = None,
    rng: Random | None = None,
) -> Vems:
    """Put the domain together. Without a registry, bookings are for patients already known."""
    books = Books()
    people = People(database, repository, registry)
    desk = BookingDesk(database, repository, outbox, people, books, rng=rng)
    return Vems(database, desk, ContractDesk(outbox, rng=rng), people, books)
