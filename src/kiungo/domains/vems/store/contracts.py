"""Facilities, master data and contracts, and the versions that say when any of them changed."""

from kiungo.domains.vems.model import Contract, Facility, FacilityBook, Lot, MasterItem, Service, Vendor
from kiungo.domains.vems.wire import (
    KINDS,
    Problems,
    code_of,
    contract_wire,
    facility_wire,
    kind_of,
    master_wire,
    read_contract,
    read_facility,
    read_master,
)
from kiungo.kernel import json
from kiungo.kernel.auth import Call
from kiungo.kernel.database import Unit

Versions = tuple[int, int]


def versions_of(unit: Unit, tenant: int, fr_code: str) -> Versions | None:
    """The versions of a facility's contracts and of the master data, or None when it is not enabled."""
    row = unit.row(
        "SELECT f.version, COALESCE(c.version, 0) FROM vems_facility f LEFT JOIN vems_catalog c ON c.tn = f.tn"
        " WHERE f.tn = ? AND f.fr_code = ? AND f.active = 1",
        (tenant, fr_code),
    )
    return (row[0], row[1]) if row else None


def load_book(unit: Unit, tenant: int, fr_code: str) -> FacilityBook | None:
    """A facility with its contracts and the names they use."""
    facility = find_facility(unit, tenant, fr_code)
    if facility is None:
        return None
    contracts: dict[str, tuple[Contract, ...]] = {}
    for contract in contracts_at(unit, tenant, fr_code):
        contracts[contract.service] = (*contracts.get(contract.service, ()), contract)
    items = [item for kind in ("vendor", "lot", "service") for item in master_items(unit, tenant, kind)]
    return FacilityBook(
        facility=facility,
        contracts=contracts,
        vendors={item.code: item for item in items if isinstance(item, Vendor)},
        lots={item.number: item for item in items if isinstance(item, Lot)},
        services={item.code: item for item in items if isinstance(item, Service)},
    )


def contracts_at(unit: Unit, tenant: int, fr_code: str, service: str | None = None) -> list[Contract]:
    """A facility's contracts, by service and first day."""
    condition, values = ("AND service = ? ", (service,)) if service else ("", ())
    rows = unit.rows(
        f"SELECT body FROM vems_contract WHERE tn = ? AND facility = ? {condition}ORDER BY service, effective_from",
        (tenant, fr_code, *values),
    )
    return [contract_of(row[0]) for row in rows]


def find_contract(unit: Unit, tenant: int, contract_id: str) -> Contract | None:
    """A contract as it now is."""
    body = unit.value("SELECT body FROM vems_contract WHERE tn = ? AND contract_id = ?", (tenant, contract_id))
    return contract_of(body) if body is not None else None


def find_placed(unit: Unit, tenant: int, contract: Contract) -> Contract | None:
    """The contract of the same facility, vendor, lot, service and first day."""
    body = unit.value(
        "SELECT body FROM vems_contract WHERE tn = ? AND facility = ? AND service = ? AND effective_from = ?"
        " AND vendor = ? AND lot = ?",
        (tenant, contract.facility, contract.service, contract.effective_from, contract.vendor, contract.lot),
    )
    return contract_of(body) if body is not None else None


def page_of_contracts(
    unit: Unit, tenant: int, *, facility: str | None, vendor: str | None, after: str, limit: int
) -> list[Contract]:
    """Contracts by id, from after one."""
    conditions, values = ["tn = ?", "contract_id > ?"], [tenant, after]
    for column, value in (("facility", facility), ("vendor", vendor)):
        if value is not None:
            conditions.append(f"{column} = ?")
            values.append(value)
    rows = unit.rows(
        f"SELECT body FROM vems_contract WHERE {' AND '.join(conditions)} ORDER BY contract_id LIMIT ?",
        (*values, limit),
    )
    return [contract_of(row[0]) for row in rows]


def contract_versions(unit: Unit, tenant: int, contract_id: str) -> list[tuple[int, str, Contract]]:
    """Every version: when, by whom, and what it said."""
    rows = unit.rows(
        "SELECT at_us, principal_name, body FROM vems_contract_version WHERE tn = ? AND contract_id = ?"
        " ORDER BY version",
        (tenant, contract_id),
    )
    return [(at_us, by, contract_of(body)) for at_us, by, body in rows]


def put_contract(unit: Unit, call: Call, contract: Contract) -> None:
    """Write a contract and its version, and let every cached book of its facility go."""
    tenant, body = call.tenant, json.dumps(contract_wire(contract))
    unit.execute(
        "INSERT INTO vems_contract (tn, contract_id, version, facility, vendor, lot, service, effective_from,"
        " effective_until, active, body, updated_us) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (tn, contract_id) DO UPDATE SET version = excluded.version, facility = excluded.facility,"
        " vendor = excluded.vendor, lot = excluded.lot, service = excluded.service,"
        " effective_from = excluded.effective_from, effective_until = excluded.effective_until,"
        " active = excluded.active, body = excluded.body, updated_us = excluded.updated_us",
        (
            tenant, contract.contract_id, contract.version, contract.facility, contract.vendor, contract.lot,
            contract.service, contract.effective_from, contract.effective_until, int(contract.active), body,
            unit.now_us,
        ),
    )  # fmt: skip
    unit.execute(
        "INSERT INTO vems_contract_version (tn, contract_id, version, at_us, principal_id, principal_name, body)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            tenant, contract.contract_id, contract.version, unit.now_us, call.principal.id, call.principal.name, body,
        ),
    )  # fmt: skip
    bump_facility(unit, tenant, contract.facility)


def bump_facility(unit: Unit, tenant: int, fr_code: str) -> None:
    """Say that a facility's contracts changed."""
    unit.execute(
        "UPDATE vems_facility SET version = version + 1, updated_us = ? WHERE tn = ? AND fr_code = ?",
        (unit.now_us, tenant, fr_code),
    )


def find_facility(unit: Unit, tenant: int, fr_code: str) -> Facility | None:
    """A facility, enabled or not."""
    body = unit.value("SELECT body FROM vems_facility WHERE tn = ? AND fr_code = ?", (tenant, fr_code))
    return read_facility(json.loads(body), Problems()) if body is not None else None


def facilities(unit: Unit, tenant: int, *, after: str = "", limit: int = 100) -> list[Facility]:
    """Facilities by code, from after one."""
    rows = unit.rows(
        "SELECT body FROM vems_facility WHERE tn = ? AND fr_code > ? ORDER BY fr_code LIMIT ?", (tenant, after, limit)
    )
    return [read_facility(json.loads(row[0]), Problems()) for row in rows]


def put_facility(unit: Unit, tenant: int, facility: Facility) -> None:
    """Write a facility."""
    unit.execute(
        "INSERT INTO vems_facility (tn, fr_code, version, active, body, updated_us) VALUES (?, ?, 1, ?, ?, ?)"
        " ON CONFLICT (tn, fr_code) DO UPDATE SET version = vems_facility.version + 1, active = excluded.active,"
        " body = excluded.body, updated_us = excluded.updated_us",
        (tenant, facility.fr_code, int(facility.active), json.dumps(facility_wire(facility)), unit.now_us),
    )


def master_items(unit: Unit, tenant: int, kind: str | None = None) -> list[MasterItem]:
    """Vendors, lots, services and machines, or those of one kind, by code."""
    condition, values = (" AND kind = ?", (kind,)) if kind else ("", ())
    rows = unit.rows(
        f"SELECT kind, body FROM vems_master WHERE tn = ?{condition} ORDER BY kind, code", (tenant, *values)
    )
    return [read_master(of, json.loads(body), Problems()) for of, body in rows]


def page_of_masters(unit: Unit, tenant: int, kind: str, *, after: str, limit: int) -> list[MasterItem]:
    """Vendors, lots, services or machines by their codes, from after one."""
    rows = unit.rows(
        "SELECT kind, body FROM vems_master WHERE tn = ? AND kind = ? AND code > ? ORDER BY code LIMIT ?",
        (tenant, kind, after, limit),
    )
    return [read_master(of, json.loads(body), Problems()) for of, body in rows]


def has_master(unit: Unit, tenant: int, kind: str, code: str) -> bool:
    """Whether there is a vendor, lot, service or machine of a code."""
    assert kind in KINDS
    found = unit.value("SELECT 1 FROM vems_master WHERE tn = ? AND kind = ? AND code = ?", (tenant, kind, code))
    return found is not None


def put_master(unit: Unit, tenant: int, item: MasterItem) -> None:
    """Write a master item; every cached book is let go, since any may show its name."""
    unit.execute(
        "INSERT INTO vems_master (tn, kind, code, body, updated_us) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (tn, kind, code) DO UPDATE SET body = excluded.body, updated_us = excluded.updated_us",
        (tenant, kind_of(item), code_of(item), json.dumps(master_wire(item)), unit.now_us),
    )
    unit.execute(
        "INSERT INTO vems_catalog (tn, version) VALUES (?, 1)"
        " ON CONFLICT (tn) DO UPDATE SET version = vems_catalog.version + 1",
        (tenant,),
    )


def contract_of(body: bytes) -> Contract:
    """The contract of a stored body."""
    wire = json.loads(body)
    return read_contract(wire, Problems(), contract_id=wire["contractId"], version=wire["version"])
