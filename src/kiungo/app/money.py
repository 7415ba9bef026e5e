"""The money of bookings put together: settlement on the connected rails, notices, and the jobs of both.

Its events:

    settlement.leg_paid      a payment reached its payee (`payee`, `amountMinor`, `receipt`)
    settlement.leg_failed    a payment did not happen (`reason`)
    settlement.leg_returned  a payment came back (`reason`)
    settlement.leg_unknown   nobody can say whether a payment happened; it is never sent again on suspicion
    settlement.settled       everything a booking owed was paid
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import structlog

from kiungo.app.registry import BANK, TENANT, Connected
from kiungo.base.errors import Unavailable
from kiungo.connectors.bank_eft.collecting import collect
from kiungo.domains.vems.notifications.jobs import NotificationJobs
from kiungo.domains.vems.notifications.service import Notifications
from kiungo.domains.vems.reconciliation.jobs import ReconciliationJobs
from kiungo.domains.vems.settlement.flows import SettlementFlows
from kiungo.domains.vems.settlement.jobs import SettlementJobs
from kiungo.domains.vems.settlement.model import SettlementPolicy
from kiungo.domains.vems.settlement.service import Settlements
from kiungo.kernel.database import Database
from kiungo.kernel.jobs import Handler, Job
from kiungo.kernel.outbox import Outbox
from kiungo.ports.payment import Rail

COLLECT: Final = "bank.collect"
SCHEDULES: Final = (
    ("settlement-release", "*/15 * * * *", "settlement.release"),
    ("bank-collect", "* * * * *", COLLECT),
)

_log = structlog.get_logger("kiungo.money")


@dataclass(frozen=True, slots=True)
class Money:
    """Settlement of one installation. Without rails every leg waits, and says why."""

    settlements: Settlements
    flows: SettlementFlows
    notifications: Notifications
    rails: Mapping[str, Rail]
    handlers: Mapping[str, Handler]


def open_money(database: Database, outbox: Outbox, outside: Connected) -> Money:
    """Put settlement, reconciliation and notices on what is connected."""
    rails = outside.rails
    capabilities = {name: rail.capabilities for name, rail in rails.items()}
    settlements = Settlements(capabilities, outbox, SettlementPolicy(sha_pays_on=outside.settings.settle.on))
    return Money(
        settlements=settlements,
        flows=SettlementFlows(settlements, collection_rail=BANK),
        notifications=Notifications(database.clock),
        rails=rails,
        handlers={
            **SettlementJobs(database, settlements, rails).handlers(),
            **ReconciliationJobs(database, settlements.legs, rails).handlers(),
            **NotificationJobs(database, outside.messengers).handlers(),
            COLLECT: _collecting(database, outside),
        },
    )


def _collecting(database: Database, outside: Connected) -> Handler:
    """Takes the bank's files in; nothing to do where no bank is connected."""

    def handle(_job: Job) -> None:
        if outside.bank_folder is None:
            return
        try:
            collect(database, outside.bank_folder, tenant=TENANT, rail=BANK)
        except Unavailable as away:
            # The files stay where they are, and the next minute comes by itself.
            _log.warning("bank_away", code=away.code, reason=away.message)

    return handle
