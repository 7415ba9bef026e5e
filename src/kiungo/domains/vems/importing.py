"""Contracts from a CSV file: every row read, every wrong row named, and all of them or none written.

One row is one contract in one payment mode; rows of the same facility, vendor, lot, service and first day are one
contract. Shares are amounts (`vendor_share`, `facility_share`, `service_fee`) or percentages (`vendor_percent`,
`facility_percent`, `fee_percent`, of `total`, or of the whole SHA rate).
"""

import csv
import io
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from kiungo.base.errors import Detail, Incorrect, KiungoError
from kiungo.domains.vems.contracting import ContractDesk
from kiungo.domains.vems.errors import IMPORT_WRONG
from kiungo.domains.vems.model import ANY_MODE, Contract
from kiungo.domains.vems.wire import Problems, read_contract
from kiungo.kernel.auth import Call
from kiungo.kernel.database import Unit

ROWS_MAX: Final = 5_000
PROBLEMS_MAX: Final = 200
REQUIRED: Final = ("facility", "vendor", "lot", "service", "effective_from", "sha_rate")
OPTIONAL: Final = (
    "effective_until", "payment_mode", "vendor_share", "facility_share", "service_fee", "vendor_percent",
    "facility_percent", "fee_percent", "total", "capitated", "vendor_payee", "facility_payee", "contract_id",
)  # fmt: skip
_NAMES: Final = {
    "effectiveFrom": "effective_from", "effectiveUntil": "effective_until", "shaRate": "sha_rate",
    "vendorShare": "vendor_share", "facilityShare": "facility_share", "serviceFee": "service_fee",
    "vendorPercent": "vendor_percent", "facilityPercent": "facility_percent", "feePercent": "fee_percent",
    "isCapitated": "capitated", "contractId": "contract_id",
}  # fmt: skip
_TERMS: Final = {wire: name for wire, name in _NAMES.items() if wire.endswith(("Share", "Percent", "Fee"))} | {
    "total": "total"
}
Key = tuple[str, ...]
_TRUE, _FALSE = ("true", "yes", "1"), ("", "false", "no", "0")


@dataclass(frozen=True, slots=True)
class Row:
    """A contract as one row, or several of one key, said it. Shapes: `number` counts from 2, the header is row 1."""

    number: int
    contract: Contract


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did."""

    rows: int
    contracts: tuple[Contract, ...]


def parse(body: bytes) -> list[Row]:
    """Read a CSV file. Raises: Incorrect IMPORT_WRONG with a detail for each wrong field of each row."""
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _refused([Detail("file", f"is not UTF-8 (byte {error.start})")]) from None
    reader = csv.DictReader(io.StringIO(text), strict=True)
    problems: list[Detail] = []
    rows: dict[Key, Row] = {}
    try:
        _check_header(reader.fieldnames or (), problems)
        for index, cells in enumerate(reader):
            if index >= ROWS_MAX:
                problems.append(Detail("file", f"has more than {ROWS_MAX} rows; split it"))
                break
            _read_row(reader.line_num, cells, rows, problems)
    except csv.Error as error:
        problems.append(Detail(f"line {reader.line_num}", f"is not CSV: {error}"))
    if not rows and not problems:
        problems.append(Detail("file", "has no rows"))
    if problems:
        raise _refused(problems)
    return list(rows.values())


def write(desk: ContractDesk, unit: Unit, call: Call, rows: list[Row]) -> Imported:
    """Write every contract of a file, or none. Raises: Incorrect IMPORT_WRONG naming each row that cannot stand."""
    problems: list[Detail] = []
    written: list[Contract] = []
    for row in rows:
        lost = _lost_modes(desk.known(unit, call.tenant, row.contract), row.contract)
        if lost:
            has = f"has no row for {lost}, which the contract on file has: add it, or remove the mode over the API"
            problems.append(Detail(f"row {row.number}.payment_mode", has))
            continue
        try:
            with unit.savepoint():
                written.append(desk.put(unit, call, row.contract))
        except KiungoError as error:
            where = f"row {row.number}"
            problems += [
                Detail(f"{where}.{_NAMES.get(one.field, one.field)}", one.message) for one in error.details
            ] or [Detail(where, error.message)]
    if problems:
        raise _refused(problems)
    return Imported(len(rows), tuple(written))


def _lost_modes(known: Contract | None, contract: Contract) -> str:
    """Payment modes of a contract on file that the file is silent about: a file adds and changes, it ends nothing."""
    return ", ".join(sorted(set(known.terms) - set(contract.terms))) if known is not None else ""


def _check_header(names: Any, problems: list[Detail]) -> None:
    known = set(names)
    problems += [Detail("file", f"has no column {name}") for name in REQUIRED if name not in known]
    problems += [Detail("file", f"has the column {name} twice") for name, count in Counter(names).items() if count > 1]
    problems += [
        Detail("file", f"has a column {str(name)[:40]!r} that no contract has")
        for name in names
        if name not in (*REQUIRED, *OPTIONAL)
    ]
    if problems:
        raise _refused(problems)


def _read_row(number: int, cells: Mapping[str, Any], rows: dict[Key, Row], problems: list[Detail]) -> None:
    where = f"row {number}"
    if None in cells or None in cells.values():
        problems.append(Detail(where, "has another number of cells than the header"))
        return
    row = {name: str(value).strip() for name, value in cells.items()}
    found = Problems()
    mode = row.get("payment_mode") or ANY_MODE
    capitated = row.get("capitated", "").lower()
    if capitated not in (*_TRUE, *_FALSE):
        found.add("isCapitated", "must be true or false")
    contract = read_contract(
        {
            **{name: row.get(name, "") for name in ("facility", "vendor", "lot", "service")},
            "contractId": row.get("contract_id", ""),
            "effectiveFrom": row["effective_from"],
            "effectiveUntil": row.get("effective_until") or None,
            "shaRate": row["sha_rate"],
            "terms": {mode: _terms(row)},
            "isCapitated": capitated in _TRUE,
            "vendorPayee": row.get("vendor_payee", ""),
            "facilityPayee": row.get("facility_payee", ""),
        },
        found,
    )
    if found.found:
        for detail in found.found:
            name = detail.field.rpartition(".")[2]
            problems.append(Detail(f"{where}.{_NAMES.get(name, name)}", detail.message))
        return
    _join(Row(number, contract), rows, problems)


def _terms(row: Mapping[str, str]) -> dict[str, str]:
    """What the cells that are not empty say: of amounts and percentages, one is refused beside the other."""
    return {wire: row[name] for wire, name in _TERMS.items() if row.get(name)}


def _join(row: Row, rows: dict[Key, Row], problems: list[Detail]) -> None:
    """Add a row's payment mode to the contract an earlier row began, or begin one."""
    new, key = row.contract, _key(row.contract)
    earlier = rows.get(key)
    if earlier is None:
        rows[key] = row
        return
    (mode,) = new.terms
    old = earlier.contract
    if mode in old.terms:
        problems.append(Detail(f"row {row.number}", f"repeats row {earlier.number} for payment mode {mode}"))
    elif replace(new, terms={}) != replace(old, terms={}):
        problems.append(Detail(f"row {row.number}", f"differs from row {earlier.number} of the same contract"))
    else:
        rows[key] = Row(earlier.number, replace(old, terms={**old.terms, **new.terms}))


def _key(contract: Contract) -> Key:
    return (contract.facility, contract.vendor, contract.lot, contract.service, contract.effective_from)


def _refused(problems: list[Detail]) -> Incorrect:
    return Incorrect(
        IMPORT_WRONG,
        f"Nothing was imported: {len(problems)} problem(s), the first: {problems[0].field} {problems[0].message}",
        field=problems[0].field,
        hint="Correct the named rows and send the whole file again",
        details=tuple(problems[:PROBLEMS_MAX]),
    )
