"""Plans, members and every other kind of reference data over HTTP."""

from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from fastapi import Request as FastApiRequest
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response as StarletteResponse

from kiungo.base.errors import Detail, Incorrect, KiungoError, NotFound
from kiungo.domains.payor import codec
from kiungo.domains.payor.book import Plan
from kiungo.domains.payor.errors import MEMBER_NOT_FOUND, PLAN_NOT_FOUND, REFERENCE_WRONG
from kiungo.domains.payor.imports import csv_file
from kiungo.domains.payor.imports.fields import Fields
from kiungo.domains.payor.imports.kinds import BUILDERS, benefit, build, columns
from kiungo.domains.payor.imports.shown import member_shown, plan_shown
from kiungo.domains.payor.registers import Registers
from kiungo.domains.payor.roles import ADMIN_PLANS
from kiungo.domains.payor.service import Payor
from kiungo.domains.payor.store import members, reference
from kiungo.kernel.audit import Reads
from kiungo.kernel.database import Unit
from kiungo.kernel.http import Exchange, Response, as_starlette, secured

Admin = Annotated[Exchange, secured(ADMIN_PLANS)]
Cell = str | int | bool | None
Kind = Annotated[str, Path(description=f"One of {', '.join(BUILDERS)}")]
LOOSE_KINDS = {
    "fees": "fee",
    "codes": "code",
    "exclusions": "exclusion",
    "limits": "limit",
    "pairs": "pair",
    "unit-limits": "unit_limit",
    "providers": "provider",
}


class Rows(BaseModel):
    """Rows of one kind: an object of column names and values for each. Amounts are texts."""

    model_config = ConfigDict(extra="forbid")
    rows: list[dict[str, Cell]] = Field(min_length=1, max_length=csv_file.ROWS_A_REQUEST_MAX)


class PlanIn(BaseModel):
    """A plan by the columns of its CSV, and its benefits."""

    model_config = ConfigDict(extra="allow")
    name: str = Field(min_length=1, max_length=200)
    currency: str = Field(pattern="^[A-Z]{3}$")
    payor_id: str = Field(min_length=1, max_length=64)
    benefits: list[dict[str, Cell]] = Field(default_factory=list, max_length=100)


def admin_router(payor: Payor, reads: Reads) -> APIRouter:
    """The routes under /api/admin."""
    router = APIRouter(prefix="/api/admin", tags=["payor administration"])
    registers = Registers(payor.repository)

    @router.get("/plans", summary="All plans")
    async def plans(exchange: Admin) -> StarletteResponse:
        found = await payor.database.read_async(lambda unit: reference.plans(unit, exchange.call.tenant))
        return _json({"plans": [plan_shown(plan) for plan in found]})

    @router.get("/plans/{plan_id}", summary="One plan")
    async def plan(exchange: Admin, plan_id: str) -> StarletteResponse:
        found = await payor.database.read_async(lambda unit: reference.find_plan(unit, exchange.call.tenant, plan_id))
        if found is None:
            raise NotFound(PLAN_NOT_FOUND, f"There is no plan {plan_id[:64]}", field="plan_id")
        return _json(plan_shown(found))

    @router.put("/plans/{plan_id}", summary="Write a plan")
    async def put_plan(exchange: Admin, plan_id: str, body: PlanIn) -> StarletteResponse:
        built = plan_of(plan_id, body.model_dump())
        return await exchange.write(
            lambda unit: Response.json(plan_shown(registers.put_plan(unit, exchange.call, built)))
        )

    @router.get("/members", summary="Members by insurance id")
    async def list_members(
        exchange: Admin,
        after: Annotated[str, Query(max_length=64)] = "",
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
    ) -> StarletteResponse:
        call = exchange.call
        found = await payor.database.read_async(lambda unit: members.page(unit, call.tenant, after=after, limit=limit))
        for one in found:
            reads.note(call, "list", "member", one.fhir_id, one.fhir_id)
        return _json({"members": [member_shown(one) for one in found]})

    @router.get("/members/{insurance_id}", summary="One member, with what was used of each accumulator")
    async def member(exchange: Admin, insurance_id: str) -> StarletteResponse:
        call = exchange.call

        def work(unit: Unit) -> tuple[str, dict[str, Any]]:
            found = members.find(unit, call.tenant, insurance_id)
            if found is None:
                raise NotFound(MEMBER_NOT_FOUND, f"There is no member {insurance_id[:64]}", field="insurance_id")
            used = members.used(unit, call.tenant, found[0].family_id)
            return found[0].fhir_id, member_shown(found[0], used)

        fhir_id, shown = await payor.database.read_async(work)
        reads.note(call, "read", "member", fhir_id, fhir_id)
        return _json(shown)

    @router.get("/reference/{kind}", summary="Rows of one kind")
    async def rows(
        exchange: Admin,
        kind: Kind,
        owner: Annotated[str, Query(max_length=64, description="Plan or fee schedule")] = "",
        after: Annotated[str, Query(max_length=200)] = "",
        after_day: Annotated[str, Query(max_length=10)] = "",
        limit: Annotated[int, Query(ge=1, le=1_000)] = 200,
    ) -> StarletteResponse:
        stored = LOOSE_KINDS.get(kind)
        if stored is None:
            raise _wrong("kind", f"must be one of {', '.join(LOOSE_KINDS)}")
        found = await payor.database.read_async(
            lambda unit: reference.items(
                unit, exchange.call.tenant, stored, owner, limit=limit, after=(after, after_day)
            )
        )
        shown = [{"key": codec.key_of(item), "row": codec.shown(item)} for item in found]
        return _json({"kind": kind, "owner": owner, "rows": shown})

    @router.post("/reference/{kind}", summary="Write rows of one kind, all or none")
    async def put_rows(exchange: Admin, kind: Kind, body: Rows) -> StarletteResponse:
        if kind not in BUILDERS:
            raise _wrong("kind", f"must be one of {', '.join(BUILDERS)}")
        built = tuple((number, _build(kind, number, cells)) for number, cells in enumerate(body.rows))
        return await _write(exchange, registers, built)

    @router.delete("/reference/{kind}", summary="Remove one row")
    async def delete_row(
        exchange: Admin,
        kind: Kind,
        key: Annotated[str, Query(max_length=200)],
        owner: Annotated[str, Query(max_length=64)] = "",
        valid_from: Annotated[str, Query(max_length=10)] = "",
    ) -> StarletteResponse:
        stored = LOOSE_KINDS.get(kind)
        if stored is None:
            raise _wrong("kind", f"must be one of {', '.join(LOOSE_KINDS)}")
        return await exchange.write(
            lambda unit: Response.json(
                {"removed": registers.remove_item(unit, exchange.call, stored, owner, key=key, valid_from=valid_from)}
            )
        )

    @router.get("/imports/{kind}/columns", summary="The columns of a CSV")
    async def import_columns(exchange: Admin, kind: Kind) -> StarletteResponse:
        if kind not in BUILDERS:
            raise _wrong("kind", f"must be one of {', '.join(BUILDERS)}")
        return _json({"kind": kind, "columns": columns(kind)})

    @router.post(
        "/imports/{kind}",
        summary="Import a CSV, all or none; every wrong row is named",
        openapi_extra={"requestBody": {"required": True, "content": {"text/csv": {"schema": {"type": "string"}}}}},
    )
    async def import_csv(exchange: Admin, kind: Kind, request: FastApiRequest) -> StarletteResponse:
        try:
            text = (await request.body()).decode("utf-8")
        except UnicodeDecodeError:
            raise _wrong("body", "must be CSV text in UTF-8") from None
        sheet = csv_file.read(kind, text)
        if sheet.problems:
            raise _refused(sheet.problems)
        if len(sheet.rows) > csv_file.ROWS_A_REQUEST_MAX:
            raise _wrong("body", f"has more than {csv_file.ROWS_A_REQUEST_MAX} rows; use kiungo payor import")
        return await _write(exchange, registers, sheet.rows)

    return router


def plan_of(plan_id: str, sent: dict[str, Any]) -> Plan:
    """The plan a body describes. Raises: Incorrect REFERENCE_WRONG."""
    cells = {name: _cell(value) for name, value in sent.items() if name != "benefits"}
    plan = build("plans", {**cells, "plan_id": plan_id})
    if not isinstance(plan, Plan):
        raise TypeError("a plan's row builds a plan")
    read = []
    for index, benefit_cells in enumerate(sent["benefits"]):
        fields = Fields({name: _cell(value) for name, value in benefit_cells.items()})
        read.append(benefit(fields, plan.currency))
        try:
            fields.finish()
        except KiungoError as error:
            raise _wrong(f"benefits[{index}].{error.field}", error.message) from error
    return replace(plan, benefits=tuple(read))


def _build(kind: str, number: int, cells: dict[str, Cell]) -> Any:
    try:
        return build(kind, {name: _cell(value) for name, value in cells.items()})
    except KiungoError as error:
        raise _wrong(f"rows[{number}].{error.field}", error.message) from error


def _cell(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return " ".join(str(item) for item in value)
    return str(value)


async def _write(exchange: Exchange, registers: Registers, rows: tuple[tuple[int, Any], ...]) -> StarletteResponse:
    def work(unit: Unit) -> Response:
        csv_file.write_rows(registers, unit, exchange.call, rows)
        return Response.json({"written": len(rows)})

    return await exchange.write(work)


def _refused(problems: tuple[csv_file.RowProblem, ...]) -> Incorrect:
    return Incorrect(
        REFERENCE_WRONG,
        f"{len(problems)} problems; nothing was imported",
        field="body",
        hint="Correct the named rows and send the whole file again",
        details=tuple(Detail(f"row {one.row} {one.field}".strip(), one.message) for one in problems[:200]),
    )


def _wrong(field: str, problem: str) -> Incorrect:
    return Incorrect(REFERENCE_WRONG, f"{field} {problem}", field=field, hint="Correct it and send it again")


def _json(value: Any) -> StarletteResponse:
    return as_starlette(Response.json(value))
