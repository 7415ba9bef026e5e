"""Fees, codes, exclusions, limits, edits and providers over HTTP: rows as JSON or CSV, all or none."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from fastapi import Request as FastApiRequest
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response as StarletteResponse

from kiungo.base.errors import Detail, Incorrect, KiungoError
from kiungo.domains.payor import codec
from kiungo.domains.payor.errors import REFERENCE_WRONG
from kiungo.domains.payor.imports import csv_file
from kiungo.domains.payor.imports.kinds import BUILDERS, build, columns
from kiungo.domains.payor.registers import Registers
from kiungo.domains.payor.roles import ADMIN_PLANS
from kiungo.domains.payor.routes.cells import Cell, json_answer, text_of, wrong
from kiungo.domains.payor.routes.staff import staff
from kiungo.domains.payor.service import Payor
from kiungo.domains.payor.store import reference
from kiungo.kernel.database import Unit
from kiungo.kernel.http import Exchange, Response

Admin = Annotated[Exchange, staff(ADMIN_PLANS)]
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


def reference_router(payor: Payor) -> APIRouter:
    """The routes under /api/admin/reference and /api/admin/imports."""
    router = APIRouter(prefix="/api/admin", tags=["payor administration"])
    registers = Registers(payor.repository)

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
            raise wrong("kind", f"must be one of {', '.join(LOOSE_KINDS)}")
        found = await payor.database.read_async(
            lambda unit: reference.items(
                unit, exchange.call.tenant, stored, owner, limit=limit, after=(after, after_day)
            )
        )
        shown = [{"key": codec.key_of(item), "row": codec.shown(item)} for item in found]
        return json_answer({"kind": kind, "owner": owner, "rows": shown})

    @router.post("/reference/{kind}", summary="Write rows of one kind, all or none")
    async def put_rows(exchange: Admin, kind: Kind, body: Rows) -> StarletteResponse:
        if kind not in BUILDERS:
            raise wrong("kind", f"must be one of {', '.join(BUILDERS)}")
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
            raise wrong("kind", f"must be one of {', '.join(LOOSE_KINDS)}")
        return await exchange.write(
            lambda unit: Response.json(
                {"removed": registers.remove_item(unit, exchange.call, stored, owner, key=key, valid_from=valid_from)}
            )
        )

    _add_imports(router, registers)
    return router


def _add_imports(router: APIRouter, registers: Registers) -> None:
    @router.get("/imports/{kind}/columns", summary="The columns of a CSV")
    async def import_columns(exchange: Admin, kind: Kind) -> StarletteResponse:
        if kind not in BUILDERS:
            raise wrong("kind", f"must be one of {', '.join(BUILDERS)}")
        return json_answer({"kind": kind, "columns": columns(kind)})

    @router.post(
        "/imports/{kind}",
        summary="Import a CSV, all or none; every wrong row is named",
        openapi_extra={"requestBody": {"required": True, "content": {"text/csv": {"schema": {"type": "string"}}}}},
    )
    async def import_csv(exchange: Admin, kind: Kind, request: FastApiRequest) -> StarletteResponse:
        try:
            text = (await request.body()).decode("utf-8")
        except UnicodeDecodeError:
            raise wrong("body", "must be CSV text in UTF-8") from None
        sheet = csv_file.read(kind, text)
        if sheet.problems:
            raise _refused(sheet.problems)
        if len(sheet.rows) > csv_file.ROWS_A_REQUEST_MAX:
            raise wrong("body", f"has more than {csv_file.ROWS_A_REQUEST_MAX} rows; use kiungo payor import")
        return await _write(exchange, registers, sheet.rows)


def _build(kind: str, number: int, cells: dict[str, Cell]) -> Any:
    try:
        return build(kind, {name: text_of(value) for name, value in cells.items()})
    except KiungoError as error:
        raise wrong(f"rows[{number}].{error.field}", error.message) from error


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
