"""The review desk and payment runs over HTTP."""

import datetime
import hashlib
from collections.abc import Callable
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response as StarletteResponse

from kiungo.base.errors import Conflict, Incorrect, NotFound
from kiungo.domains.payor import listing, queue
from kiungo.domains.payor.asked import NOTE_CHARACTERS_MAX
from kiungo.domains.payor.errors import PAYMENT_NOTHING, PAYMENT_RUN_NOT_FOUND, VALIDATION_ERROR
from kiungo.domains.payor.payments import CLAIMS_A_RUN_MAX, Run, new_run_id, pay, units_needed
from kiungo.domains.payor.review import ReviewDesk
from kiungo.domains.payor.roles import PAY_CLAIMS, REVIEW_CLAIMS, WRITE_CLAIMS
from kiungo.domains.payor.routes.staff import staff
from kiungo.domains.payor.service import Payor
from kiungo.domains.payor.store import payments
from kiungo.domains.payor.store.claims import ClaimRow
from kiungo.domains.payor.store.payments import Payment
from kiungo.kernel.audit import Reads
from kiungo.kernel.database import Unit
from kiungo.kernel.http import Exchange, Response, as_starlette, secured
from kiungo.kernel.http.etags import etag, required_version
from kiungo.kernel.http.idempotency import hash_of_request, owner_of, read_key

AMOUNT = r"^[0-9]{1,15}(\.[0-9]{1,3})?$"
Amount = Annotated[str, Field(pattern=AMOUNT, examples=["3000.00"])]
Note = Annotated[str, Field(max_length=NOTE_CHARACTERS_MAX)]
Said = Annotated[str, Field(min_length=1, max_length=NOTE_CHARACTERS_MAX)]
Reviewer = Annotated[Exchange, staff(REVIEW_CLAIMS)]
Sender = Annotated[Exchange, secured(WRITE_CLAIMS)]
Cashier = Annotated[Exchange, staff(PAY_CLAIMS)]


class Strict(BaseModel):
    """A body whose every field is known."""

    model_config = ConfigDict(extra="forbid")


class LineAmount(Strict):
    """What a reviewer allows of one line."""

    line: int = Field(ge=1, le=100)
    allowed: Amount


VERSION = Field(None, ge=1, description="The version the reviewer looked at; If-Match says the same")


class Approval(Strict):
    """Approve the whole claim, some amount of it, or some amount of each line."""

    version: int | None = VERSION
    note: Note = ""
    allowed_total: Amount | None = None
    lines: list[LineAmount] = Field(default_factory=list, max_length=100)


class Reason(Strict):
    """Why something is done."""

    reason: Said


class Rejection(Reason):
    """Why a claim is rejected, and at which version."""

    version: int | None = VERSION


class Question(Strict):
    """What the provider is asked."""

    question: Said


class Information(Strict):
    """What the provider answers."""

    text: Said


class Assignment(Strict):
    """Who takes a waiting claim; null gives it back."""

    to: Annotated[str, Field(min_length=1, max_length=200)] | None


class PaymentOrder(Strict):
    """Which claims to pay, when and how. Absent fields mean: all, today, as each plan says."""

    payment_date: datetime.date | None = None
    method: Annotated[str, Field(min_length=1, max_length=40)] | None = None
    provider_id: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    claims_max: int = Field(CLAIMS_A_RUN_MAX, ge=1, le=CLAIMS_A_RUN_MAX)


def desk_router(payor: Payor, reads: Reads) -> APIRouter:
    """The routes of the review desk."""
    router = APIRouter(prefix="/api/review/claims", tags=["review desk"])
    desk = ReviewDesk(payor)

    async def decide(exchange: Exchange, work: Callable[[Unit], ClaimRow]) -> StarletteResponse:
        return await exchange.write(lambda unit: _shown(work(unit)))

    _add_queue(router, payor, reads)

    @router.post("/{claim_id}/assign", summary="Give a waiting claim to somebody")
    async def assign(exchange: Reviewer, claim_id: str, body: Assignment) -> StarletteResponse:
        return await decide(exchange, lambda unit: desk.assign(unit, exchange.call, claim_id, to=body.to))

    @router.post("/{claim_id}/approve", summary="Approve a waiting claim, wholly or in part")
    async def approve(exchange: Reviewer, claim_id: str, body: Approval) -> StarletteResponse:
        return await decide(
            exchange,
            lambda unit: desk.approve(
                unit,
                exchange.call,
                claim_id,
                note=body.note,
                allowed=_allowed(body),
                allowed_total=body.allowed_total,
                version=_version(exchange, body.version),
            ),
        )

    @router.post("/{claim_id}/reject", summary="Reject a waiting claim")
    async def reject(exchange: Reviewer, claim_id: str, body: Rejection) -> StarletteResponse:
        version = _version(exchange, body.version)
        return await decide(
            exchange, lambda unit: desk.reject(unit, exchange.call, claim_id, reason=body.reason, version=version)
        )

    @router.post("/{claim_id}/request-information", summary="Ask the provider something")
    async def ask(exchange: Reviewer, claim_id: str, body: Question) -> StarletteResponse:
        return await decide(
            exchange,
            lambda unit: desk.request_information(unit, exchange.call, claim_id, question=body.question),
        )

    @router.post("/{claim_id}/reopen", summary="Take a decision back")
    async def reopen(exchange: Reviewer, claim_id: str, body: Reason) -> StarletteResponse:
        return await decide(exchange, lambda unit: desk.reopen(unit, exchange.call, claim_id, reason=body.reason))

    @router.post("/{claim_id}/void", summary="Take a claim out of force")
    async def void(exchange: Reviewer, claim_id: str, body: Reason) -> StarletteResponse:
        return await decide(exchange, lambda unit: desk.void(unit, exchange.call, claim_id, reason=body.reason))

    @router.post("/{claim_id}/keep", summary="Let a claim stand that somebody asked to void")
    async def keep(exchange: Reviewer, claim_id: str, body: Reason) -> StarletteResponse:
        return await decide(exchange, lambda unit: desk.keep(unit, exchange.call, claim_id, reason=body.reason))

    return router


def _add_queue(router: APIRouter, payor: Payor, reads: Reads) -> None:
    @router.get("", summary="Claims that wait for a person, oldest first")
    async def waiting(
        exchange: Reviewer,
        assigned_to: Annotated[str | None, Query(max_length=200)] = None,
        limit: Annotated[int, Query(ge=1, le=listing.LIMIT_MOST)] = listing.LIMIT_USUAL,
        cursor: Annotated[str | None, Query(max_length=100)] = None,
    ) -> StarletteResponse:
        call = exchange.call
        after = listing.read_cursor(cursor) if cursor else None
        page = await payor.database.read_async(
            lambda unit: queue.waiting(payor, unit, call, assigned_to=assigned_to, limit=limit, after=after)
        )
        for item in page.items:
            reads.note(call, "list", "claim", item.row.claim_id, item.row.patient_fhir)
        return as_starlette(Response.json(queue.shown(page)))


def answers_router(payor: Payor) -> APIRouter:
    """The provider's answer to a reviewer's question."""
    router = APIRouter(prefix="/api/claims", tags=["claims"])
    desk = ReviewDesk(payor)

    @router.post("/{claim_id}/information", summary="Answer a reviewer's question")
    async def answer(exchange: Sender, claim_id: str, body: Information) -> StarletteResponse:
        return await exchange.write(
            lambda unit: _shown(desk.provide_information(unit, exchange.call, claim_id, text=body.text))
        )

    return router


def payments_router(payor: Payor) -> APIRouter:
    """Payment runs."""
    router = APIRouter(prefix="/api/payments", tags=["payment runs"])

    @router.post("/runs", summary="Pay approved claims", status_code=201)
    async def run(exchange: Cashier, body: PaymentOrder) -> StarletteResponse:
        kept = await exchange.request.kept()
        if kept is not None:
            return as_starlette(kept)
        run_id, asked = _run_id(payor, exchange), hash_of_request(exchange.request)

        def part(unit: Unit) -> Run:
            return pay(
                payor,
                unit,
                exchange.call,
                payment_date=body.payment_date,
                method=body.method,
                provider_id=body.provider_id,
                claims_max=body.claims_max,
                run_id=run_id,
                asked=asked,
            )

        def last(unit: Unit) -> Response:
            remaining = part(unit).remaining
            made = payments.of_run(unit, exchange.call.tenant, run_id)
            return Response.json(_run(run_id, made) | {"remaining": remaining}, 201)

        units = await payor.database.read_async(
            lambda unit: units_needed(
                payor,
                unit,
                exchange.call,
                payment_date=body.payment_date,
                provider_id=body.provider_id,
                claims_max=body.claims_max,
            )
        )
        for _ in range(units - 1):
            await payor.database.write_async(_unless_nothing(part))
        return await exchange.write(last)

    @router.get("/runs/{run_id}", summary="What a payment run paid")
    async def show(exchange: Cashier, run_id: str) -> StarletteResponse:
        found = await payor.database.read_async(lambda unit: payments.of_run(unit, exchange.call.tenant, run_id))
        if not found:
            raise NotFound(PAYMENT_RUN_NOT_FOUND, "There is no such payment run", field="run_id")
        return as_starlette(Response.json(_run(run_id, found)))

    return router


def _allowed(body: Approval) -> dict[int, str]:
    """The amount for each line. Raises: Incorrect VALIDATION_ERROR for a line named twice."""
    allowed: dict[int, str] = {}
    for index, line in enumerate(body.lines):
        if line.line in allowed:
            raise Incorrect(
                VALIDATION_ERROR,
                f"lines[{index}].line names line {line.line} a second time",
                field=f"lines[{index}].line",
                hint="Name each line once",
            )
        allowed[line.line] = line.allowed
    return allowed


def _shown(row: ClaimRow) -> Response:
    body = b'{"success":true,"claim":%b,"status":"%b","desk":%b}' % (
        row.wire,
        row.state.encode(),
        b'"%b"' % row.desk.encode() if row.desk else b"null",
    )
    return Response(200, body, (etag(row.version),))


def _unless_nothing(part: Callable[[Unit], Run]) -> Callable[[Unit], None]:
    """Pay a part. That nothing is left is for the last part to say, with the run's answer."""

    def work(unit: Unit) -> None:
        try:
            part(unit)
        except Conflict as nothing:
            if nothing.code != PAYMENT_NOTHING:
                raise

    return work


def _run_id(payor: Payor, exchange: Exchange) -> str:
    """The same run for the same Idempotency-Key, so that a run broken off between two units is gone on with."""
    request = exchange.request
    raw = request.raw_headers.get(b"idempotency-key")
    if raw is None:
        return new_run_id(payor)
    name = "\x00".join((str(request.call.tenant), owner_of(request), read_key(raw)))
    return f"RUN-{UUID(bytes=hashlib.sha256(name.encode()).digest()[:16])}"


def _version(exchange: Exchange, said: int | None) -> int | None:
    """The version a decision is for: the body's, else that of If-Match; one that cannot be is never current."""
    asked = required_version(exchange.request)
    if said is not None or asked is None:
        return said
    return int(asked) if asked.isdecimal() and len(asked) < 10 else -1


def _run(run_id: str, made: list[Payment]) -> dict[str, object]:
    return {
        "run_id": run_id,
        "payments": [
            {
                "payment_id": payment.payment_id,
                "provider_id": payment.provider_id,
                "amount": payment.amount,
                **({"recovered_amount": payment.recovered} if payment.recovered_minor else {}),
                "currency": payment.currency,
                "claims": payment.claims,
                "payment_date": payment.payment_date,
                "payment_method": payment.method,
                "payment_reference": payment.reference,
            }
            for payment in made
        ],
    }
