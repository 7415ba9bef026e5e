"""Master data and contracts: kept by administrators, versioned, and never reaching a booking already made."""

import random
from dataclasses import replace
from random import Random

from kiungo.base.errors import Conflict, Detail, Incorrect, NotFound
from kiungo.base.ids import human_id
from kiungo.base.time import date_of
from kiungo.domains.vems.errors import (
    CONTRACT_CHANGED,
    CONTRACT_INVALID,
    CONTRACT_NOT_FOUND,
    CONTRACT_OVERLAPS,
    MASTER_DATA_WRONG,
)
from kiungo.domains.vems.model import Contract, Equipment, Facility, MasterItem
from kiungo.domains.vems.roles import WRITE_CONTRACTS
from kiungo.domains.vems.rules.contracts import overlap, problems
from kiungo.domains.vems.store import contracts
from kiungo.domains.vems.wire import code_of, contract_wire, kind_of
from kiungo.kernel import audit
from kiungo.kernel.auth import Call, Thing, require
from kiungo.kernel.database import Unit
from kiungo.kernel.outbox import Outbox

CONTRACT_CHANGED_TOPIC = "contract.changed"


class ContractDesk:
    """Contracts of one installation."""

    def __init__(self, outbox: Outbox, *, rng: Random | None = None) -> None:
        self._outbox = outbox
        self._rng = rng or random.SystemRandom()

    def put_master(self, unit: Unit, call: Call, item: MasterItem) -> None:
        """Write a vendor, lot, service or machine; its new name shows in new bookings only."""
        owners = {"facility": item.facility, "vendor": item.vendor} if isinstance(item, Equipment) else {}
        require(call.principal, WRITE_CONTRACTS, Thing(kind_of(item), code_of(item), call.tenant, bindings=owners))
        contracts.put_master(unit, call.tenant, item)
        audit.record(unit, call, "put", kind=kind_of(item), id=code_of(item))

    def put_facility(self, unit: Unit, call: Call, facility: Facility) -> None:
        """Enable a facility for bookings, or change what is known of it."""
        own = {"facility": facility.fr_code}
        require(call.principal, WRITE_CONTRACTS, Thing("facility", facility.fr_code, call.tenant, bindings=own))
        contracts.put_facility(unit, call.tenant, facility)
        audit.record(unit, call, "put", kind="facility", id=facility.fr_code)

    def find(self, unit: Unit, call: Call, contract_id: str) -> Contract:
        """A contract as it now is. Raises: NotFound CONTRACT_NOT_FOUND, also for another facility's."""
        found = contracts.find_contract(unit, call.tenant, contract_id)
        if found is None or call.principal.bindings.get("facility", found.facility) != found.facility:
            raise NotFound(CONTRACT_NOT_FOUND, f"No contract {contract_id[:64]}", hint="List the contracts")
        return found

    def put(self, unit: Unit, call: Call, contract: Contract, *, seen_version: int | None = None) -> Contract:
        """Write a contract: a new one without id, or the next version of the one it names or takes the place of.

        Raises: Incorrect CONTRACT_INVALID with every problem; Conflict CONTRACT_OVERLAPS, CONTRACT_CHANGED.
        """
        owners = {"facility": contract.facility, "vendor": contract.vendor}
        require(call.principal, WRITE_CONTRACTS, Thing("contract", contract.contract_id, call.tenant, bindings=owners))
        tenant = call.tenant
        unit.lock(f"vems:contracts:{tenant}:{contract.facility}")
        known = self.known(unit, tenant, contract)
        self._check(unit, tenant, contract, known)
        if known is not None and seen_version is not None and seen_version != known.version:
            raise Conflict(
                CONTRACT_CHANGED,
                f"Contract {known.contract_id} is at version {known.version}, not {seen_version}",
                field="version",
                hint="Read it again, then decide",
            )
        contract_id = known.contract_id if known else contract.contract_id or self._new_id(unit)
        written = replace(contract, contract_id=contract_id, version=known.version + 1 if known else 1)
        self._check_alone(unit, tenant, written)
        if known is not None and replace(written, version=known.version) == known:
            return known
        contracts.put_contract(unit, call, written)
        audit.record(unit, call, "put", kind="contract", id=contract_id, detail=f"VERSION_{written.version}")
        self._outbox.publish(
            unit,
            tenant=tenant,
            topic=CONTRACT_CHANGED_TOPIC,
            aggregate=contract_id,
            payload=contract_wire(written) | {"by": call.principal.name},
        )
        return written

    def known(self, unit: Unit, tenant: int, contract: Contract) -> Contract | None:
        """The contract on file that this one is a version of."""
        if contract.contract_id:
            return contracts.find_contract(unit, tenant, contract.contract_id)
        return contracts.find_placed(unit, tenant, contract)

    def _new_id(self, unit: Unit) -> str:
        return human_id("CON", date_of(unit.now_us), self._rng)

    def _check(self, unit: Unit, tenant: int, contract: Contract, known: Contract | None) -> None:
        found = list(problems(contract))
        for kind, code in (("vendor", contract.vendor), ("lot", contract.lot), ("service", contract.service)):
            if not contracts.has_master(unit, tenant, kind, code):
                found.append(Detail(kind, f"{code} is not known; add the {kind} first"))
        if contracts.find_facility(unit, tenant, contract.facility) is None:
            found.append(Detail("facility", f"{contract.facility} is not enabled for bookings; enable it first"))
        if known is not None and (known.facility, known.service) != (contract.facility, contract.service):
            found.append(Detail("service", "a contract stays with its facility and service; end it and make another"))
        if found:
            raise Incorrect(
                CONTRACT_INVALID,
                "; ".join(f"{detail.field} {detail.message}" for detail in found[:5]),
                field=found[0].field,
                hint="Correct the named fields and send the contract again",
                details=tuple(found),
            )

    def _check_alone(self, unit: Unit, tenant: int, contract: Contract) -> None:
        others = contracts.contracts_at(unit, tenant, contract.facility, contract.service)
        other = overlap(contract, others)
        if other is not None:
            until = other.effective_until or "further notice"
            raise Conflict(
                CONTRACT_OVERLAPS,
                f"Contract {other.contract_id} with {other.vendor} covers {other.service} at {other.facility}"
                f" from {other.effective_from} until {until}",
                field="effectiveFrom",
                hint="End that contract the day before this one begins",
            )


def refuse_master(found: list[Detail]) -> Incorrect:
    """The refusal of a wrong master item."""
    return Incorrect(
        MASTER_DATA_WRONG,
        "; ".join(f"{detail.field} {detail.message}" for detail in found[:5]),
        field=found[0].field,
        hint="Correct the named fields and send it again",
        details=tuple(found),
    )
