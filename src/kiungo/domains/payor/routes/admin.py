"""Plans and members over HTTP."""

from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response as StarletteResponse

from kiungo.base.errors import KiungoError, NotFound
from kiungo.domains.payor.book import Plan
from kiungo.domains.payor.errors import MEMBER_NOT_FOUND, PLAN_NOT_FOUND
from kiungo.domains.payor.imports.fields import Fields
from kiungo.domains.payor.imports.kinds import benefit, build
from kiungo.domains.payor.imports.shown import member_shown, plan_shown
from kiungo.domains.payor.registers import Registers
from kiungo.domains.payor.roles import ADMIN_PLANS
from kiungo.domains.payor.routes.cells import Cell, json_answer, text_of, wrong
from kiungo.domains.payor.routes.staff import staff
from kiungo.domains.payor.service import Payor
from kiungo.domains.payor.store import members, reference
from kiungo.kernel.audit import Reads
from kiungo.kernel.database import Unit
from kiungo.kernel.http import Exchange, Response

Admin = Annotated[Exchange, staff(ADMIN_PLANS)]


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
        return json_answer({"plans": [plan_shown(plan) for plan in found]})

    @router.get("/plans/{plan_id}", summary="One plan")
    async def plan(exchange: Admin, plan_id: str) -> StarletteResponse:
        found = await payor.database.read_async(lambda unit: reference.find_plan(unit, exchange.call.tenant, plan_id))
        if found is None:
            raise NotFound(PLAN_NOT_FOUND, f"There is no plan {plan_id[:64]}", field="plan_id")
        return json_answer(plan_shown(found))

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
        return json_answer({"members": [member_shown(one) for one in found]})

    @router.get("/members/{insurance_id}", summary="One member, with what was used of each limit")
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
        return json_answer(shown)

    return router


def plan_of(plan_id: str, sent: dict[str, Any]) -> Plan:
    """The plan a body describes. Raises: Incorrect REFERENCE_WRONG."""
    cells = {name: text_of(value) for name, value in sent.items() if name != "benefits"}
    plan = build("plans", {**cells, "plan_id": plan_id})
    if not isinstance(plan, Plan):
        raise TypeError("a plan's row builds a plan")
    read = []
    for index, benefit_cells in enumerate(sent["benefits"]):
        fields = Fields({name: text_of(value) for name, value in benefit_cells.items()})
        read.append(benefit(fields, plan.currency))
        try:
            fields.finish()
        except KiungoError as error:
            raise wrong(f"benefits[{index}].{error.field}", error.message) from error
    return replace(plan, benefits=tuple(read))
