"""The contracts editor: what a facility and a vendor agreed for one service, and every version of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlencode

from kiungo.base.errors import Conflict, Detail, Incorrect, KiungoError
from kiungo.console.forms import filled
from kiungo.console.rendering import go_to
from kiungo.console.vems.frame import HOME, show
from kiungo.console.vems.overview import MODES
from kiungo.console.visit import Notice, Visit
from kiungo.domains.vems import importing, looking
from kiungo.domains.vems.contracting import ContractDesk, refuse_master
from kiungo.domains.vems.errors import invalid
from kiungo.domains.vems.looking import Names
from kiungo.domains.vems.model import ANY_MODE, PAYMENT_MODES, Amounts, Contract, contract_day
from kiungo.domains.vems.roles import WRITE_CONTRACTS
from kiungo.domains.vems.routes.reading import whole_of
from kiungo.domains.vems.wire import Problems, contract_wire, read_contract
from kiungo.kernel.database import Database, Unit
from kiungo.kernel.http import Response

ADDRESS: Final = f"{HOME}/contracts"
SHOWN: Final = 25
FILE_BYTES_MAX: Final = 2_000_000
TEXTS: Final = (
    "facility", "vendor", "lot", "service", "effectiveFrom", "effectiveUntil", "shaRate", "vendorPayee",
    "facilityPayee",
)  # fmt: skip
ROWS: Final = ((ANY_MODE, "Every mode"), *((mode, MODES[mode]) for mode in PAYMENT_MODES))
AMOUNTS: Final = ("vendorShare", "facilityShare", "serviceFee")
PERCENTS: Final = ("vendorPercent", "facilityPercent", "feePercent")


@dataclass(frozen=True, slots=True)
class TermsRow:
    """The shares of one payment mode, as the form shows them. Shapes: `kind` is none, amounts or percents."""

    mode: str
    title: str
    kind: str = ""
    values: tuple[str, ...] = field(default=("", "", ""))
    total: str = ""


async def show_list(database: Database, visit: Visit, error: KiungoError | None = None) -> Response:
    """Contracts by facility, and what each pays to whom; after a refused import with what is wrong in the file."""
    query = visit.query
    if error is None and query.get("imported", "").isdecimal():
        visit.notice = Notice("good", f"Contracts in the file: {int(query['imported'][:6])}, all written.")
    facility, vendor = query.get("facility") or None, query.get("vendor") or None

    def read(unit: Unit) -> dict[str, Any]:
        found = looking.find_contracts(
            unit, visit.call, facility=facility, vendor=vendor, after=query.get("after", ""), limit=SHOWN + 1
        )
        return {"contracts": found, "names": looking.names_of(unit, visit.call)}

    context = await database.read_async(read)
    found: list[Contract] = context["contracts"]
    today = contract_day(database.clock.now_us())
    kept = filled(query, "facility", "vendor")
    following = urlencode(kept | {"after": found[SHOWN - 1].contract_id}) if len(found) > SHOWN else ""
    context |= {
        "contracts": [_line(contract, context["names"], today) for contract in found[:SHOWN]],
        "filters": {"facility": facility or "", "vendor": vendor or "", "any": bool(kept)},
        "may_write": visit.can(WRITE_CONTRACTS),
        "wrong_rows": error.details if error else (),
        "first_page": f"{ADDRESS}?{urlencode(kept)}" if query.get("after") else "",
        "next_page": f"{ADDRESS}?{following}" if following else "",
    }
    return show(visit, "contracts", "contracts.html", context, error)


async def import_file(database: Database, desk: ContractDesk, visit: Visit) -> Response:
    """Write every contract of a CSV file, or none and say which rows cannot stand."""
    sent, call = visit.upload(), visit.call
    try:
        if not sent.content:
            raise invalid([Detail("file", "Choose a file first.")])
        rows = importing.parse(sent.content)
        done = await database.write_async(lambda unit: importing.write(desk, unit, call, rows))
    except (Incorrect, Conflict) as error:
        return await show_list(database, visit, error)
    return go_to(f"{ADDRESS}?imported={len(done.contracts)}")


async def show_form(
    database: Database, desk: ContractDesk, visit: Visit, form: Mapping[str, str] | None = None,
    error: KiungoError | None = None,
) -> Response:  # fmt: skip
    """One contract to read and change, or an empty one; after a refusal with what was typed."""
    call, contract_id = visit.call, visit.request.params.get("contract_id", "")

    def read(unit: Unit) -> dict[str, Any]:
        contract = desk.find(unit, call, contract_id) if contract_id else None
        versions = looking.versions_of(unit, call, contract_id) if contract_id else []
        return {"contract": contract, "versions": versions, "names": looking.names_of(unit, call)}

    context = await database.read_async(read)
    values = dict(form) if form is not None else _values_of(context["contract"])
    if form is None and visit.query.get("done") == "1":
        visit.notice = Notice("good", "Saved. Bookings already made keep what they were made by.")
    context |= {
        "values": values,
        "terms": [_typed(values, mode, title) for mode, title in ROWS],
        "wrong": {detail.field: detail.message for detail in error.details} if error else {},
        "may_write": visit.can(WRITE_CONTRACTS),
    }
    return show(visit, "contracts", "contract.html", context, error)


async def save(database: Database, desk: ContractDesk, visit: Visit) -> Response:
    """Write the contract of the form: a new one, or the next version of the one on the page."""
    form, call = visit.form(), visit.call
    contract_id = visit.request.params.get("contract_id", "")
    try:
        contract = _read(form, contract_id)

        def write(unit: Unit) -> Contract:
            if contract_id:
                desk.find(unit, call, contract_id)
            seen = whole_of(form.get("version", "")) if contract_id else None
            return desk.put(unit, call, contract, seen_version=seen)

        written = await database.write_async(write)
    except (Incorrect, Conflict) as error:
        return await show_form(database, desk, visit, form, error)
    return go_to(f"{ADDRESS}/{written.contract_id}?done=1")


def _read(form: Mapping[str, str], contract_id: str) -> Contract:
    problems = Problems()
    sent: dict[str, Any] = {name: form.get(name, "") for name in TEXTS}
    sent["isCapitated"], sent["isActive"] = form.get("isCapitated") == "true", form.get("isActive") == "true"
    sent["terms"] = {mode: _terms(form, mode) for mode, _ in ROWS if form.get(f"kind_{mode}")}
    contract = read_contract(sent, problems, contract_id=contract_id)
    if problems.found:
        raise refuse_master(problems.found)
    return contract


def _terms(form: Mapping[str, str], mode: str) -> dict[str, str]:
    names = PERCENTS if form[f"kind_{mode}"] == "percents" else AMOUNTS
    shares = {name: form.get(f"share{place}_{mode}", "") for place, name in enumerate(names)}
    return shares | ({"total": form.get(f"total_{mode}", "")} if names is PERCENTS else {})


def _values_of(contract: Contract | None) -> dict[str, str]:
    """A contract as the fields of the form."""
    if contract is None:
        return {"isActive": "true", f"kind_{ANY_MODE}": "amounts"}
    wire = contract_wire(contract)
    values = {name: str(wire[name] or "") for name in TEXTS if name != "shaRate"}
    values |= {"shaRate": contract.sha_rate.text(), "version": str(contract.version)}
    values |= {name: "true" if wire[name] else "" for name in ("isCapitated", "isActive")}
    for mode, terms in contract.terms.items():
        if isinstance(terms, Amounts):
            shares = [one.text() for one in (terms.vendor, terms.facility, terms.fee)]
            values[f"kind_{mode}"] = "amounts"
        else:
            shares = [f"{bp / 100:.2f}" for bp in (terms.vendor_bp, terms.facility_bp, terms.fee_bp)]
            values |= {f"kind_{mode}": "percents", f"total_{mode}": terms.total.text() if terms.total else ""}
        values |= {f"share{place}_{mode}": share for place, share in enumerate(shares)}
    return values


def _typed(values: Mapping[str, str], mode: str, title: str) -> TermsRow:
    shares = tuple(values.get(f"share{place}_{mode}", "") for place in range(3))
    return TermsRow(mode, title, values.get(f"kind_{mode}", ""), shares, values.get(f"total_{mode}", ""))


def _line(contract: Contract, names: Names, today: str) -> dict[str, Any]:
    state = "active" if contract.active and contract.holds_on(today) else "suspended"
    if contract.active and not contract.holds_on(today):
        state = "over" if contract.effective_from <= today else "to_come"
    return {
        "contract": contract,
        "service_name": dict(names.services).get(contract.service, ""),
        "vendor_name": dict(names.vendors).get(contract.vendor, contract.vendor),
        "facility_name": dict(names.facilities).get(contract.facility, contract.facility),
        "shares": looking.shares_of(contract, "sha"),
        "state": state,
    }
