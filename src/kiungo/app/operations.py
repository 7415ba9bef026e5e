"""The operators' API: the ledger's proofs, the audit trail and its proof, and the jobs that died."""

import datetime
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query

from kiungo.app.roles import READ_LEDGER
from kiungo.base.money import Money
from kiungo.base.time import iso_micros, iso_seconds
from kiungo.kernel import audit, jobs, ledger
from kiungo.kernel.database import Database, Unit
from kiungo.kernel.http import Exchange, Response, as_starlette, secured
from kiungo.kernel.ledger import StatementLine, TrialBalanceLine

VERIFY_DEADLINE_MS = 60_000
DEAD_LISTED_MAX = 500
ENTRIES_LISTED_MAX = 1_000
JOB_ID_MAX = 2**63 - 1

LedgerReader = Annotated[Exchange, secured(READ_LEDGER, owners=())]
Auditor = Annotated[Exchange, secured("read:audit", owners=())]
Operator = Annotated[Exchange, secured("read:operations", owners=())]
Mender = Annotated[Exchange, secured("write:operations", owners=())]


def operations_routers(database: Database, reads: audit.Reads, *, audit_key: bytes) -> list[APIRouter]:
    """Every route of this module. `audit_key` is the key seals were made with, empty when they have none."""
    return [_ledger_router(database), _audit_router(database, reads, audit_key), _jobs_router(database)]


def _ledger_router(database: Database) -> APIRouter:
    router = APIRouter(prefix="/api/admin/ledger", tags=["ledger"])

    @router.get("/trial-balance", summary="Debits and credits of every account, and whether they agree")
    async def trial_balance(exchange: LedgerReader) -> Any:
        tenant = exchange.call.tenant

        def read(unit: Unit) -> tuple[list[TrialBalanceLine], list[ledger.Discrepancy]]:
            return ledger.trial_balance(unit, tenant), ledger.verify(unit, tenant)

        lines, discrepancies = await database.read_async(read, deadline_ms=VERIFY_DEADLINE_MS)
        return as_starlette(Response.json(_balance_view(lines, discrepancies)))

    @router.get("/accounts/{account_id}/statement", summary="One account's postings with a running balance")
    async def statement(
        exchange: LedgerReader,
        account_id: str,
        currency: Annotated[str, Query(pattern="^[A-Z]{3}$")],
        since: datetime.date,
        until: datetime.date,
    ) -> Any:
        tenant = exchange.call.tenant
        found = await database.read_async(
            lambda unit: ledger.statement(unit, tenant, account_id, currency, since=since, until=until)
        )
        body = {
            "account": found.account,
            "currency": currency,
            "opening": Money(found.opening_net_dr_minor, currency),
            "closing": Money(found.closing_net_dr_minor, currency),
            "lines": [_line_view(line, currency) for line in found.lines],
        }
        return as_starlette(Response.json(body))

    return router


def _audit_router(database: Database, reads: audit.Reads, key: bytes) -> APIRouter:
    router = APIRouter(prefix="/api/admin/audit", tags=["audit"])

    @router.get("/", summary="Who did what with a person's records, newest first")
    async def entries(
        exchange: Auditor,
        person: Annotated[
            str, Query(min_length=1, max_length=72, description="The id of the Patient, or `Patient/` and the id.")
        ],
        before: Annotated[
            int, Query(ge=1, le=audit.NEWEST, description="Entries before this `seq` only.")
        ] = audit.NEWEST,
        count: Annotated[int, Query(ge=1, le=ENTRIES_LISTED_MAX)] = 100,
    ) -> Any:
        call = exchange.call
        person = person.removeprefix("Patient/")
        found = await database.read_async(
            lambda unit: audit.entries_about(unit, call.tenant, person, before=before, count=count)
        )
        reads.note(call, "read", "audit", person, person)
        more = {"next_before": found[-1][0]} if len(found) == count else {}
        return {"entries": [_entry_view(seq, entry) for seq, entry in found], **more}

    @router.get("/verification", summary="Whether the audit trail is whole; names the first broken entry")
    def verification(exchange: Auditor) -> Any:
        report = audit.verify(database, key)
        return as_starlette(Response.json({"whole": report.is_whole, **asdict(report)}))

    return router


def _jobs_router(database: Database) -> APIRouter:
    router = APIRouter(prefix="/api/admin/jobs", tags=["operations"])

    @router.get("/dead", summary="Jobs that will not run again unless somebody says so")
    async def dead(exchange: Operator, limit: Annotated[int, Query(ge=1, le=DEAD_LISTED_MAX)] = 100) -> Any:
        tenant = exchange.call.tenant
        letters = await database.read_async(lambda unit: jobs.dead_letters(unit, tenant, limit=limit))
        shown = [
            {
                "id": letter.id,
                "kind": letter.kind,
                "attempts": letter.attempt,
                "reason": letter.reason,
                "created": iso_seconds(letter.created_us),
            }
            for letter in letters
        ]
        return as_starlette(Response.json({"dead": shown}))

    @router.post("/{job_id}/requeue", summary="Give a dead letter all its attempts again")
    async def requeue(exchange: Mender, job_id: Annotated[int, Path(ge=1, le=JOB_ID_MAX)]) -> Any:
        def work(unit: Unit) -> Response:
            jobs.requeue(unit, exchange.call.tenant, job_id)
            audit.record(unit, exchange.call, "requeue", kind="job", id=str(job_id))
            return Response.json({"success": True, "job": job_id})

        return await exchange.write(work)

    return router


def _entry_view(seq: int, entry: audit.Entry) -> dict[str, Any]:
    return {
        "seq": seq,
        "at": iso_micros(entry.at_us),
        "who": {"id": entry.principal_id, "kind": entry.principal_kind},
        "action": entry.action,
        "record": {"kind": entry.kind, "id": entry.record_id},
        "origin": entry.origin,
        "request_id": entry.request_id,
        "outcome": entry.outcome,
        "detail": entry.detail,
    }


def _balance_view(lines: list[TrialBalanceLine], discrepancies: list[ledger.Discrepancy]) -> dict[str, Any]:
    currencies = sorted({line.currency for line in lines})
    totals = [
        {
            "currency": currency,
            "debits": Money(sum(line.debit_minor for line in lines if line.currency == currency), currency),
            "credits": Money(sum(line.credit_minor for line in lines if line.currency == currency), currency),
        }
        for currency in currencies
    ]
    return {
        "balanced": not discrepancies and all(total["debits"] == total["credits"] for total in totals),
        "totals": totals,
        "accounts": [
            {
                "account": line.account,
                "currency": line.currency,
                "debits": Money(line.debit_minor, line.currency),
                "credits": Money(line.credit_minor, line.currency),
            }
            for line in lines
        ],
        "discrepancies": [f"{found.account} {found.currency}" for found in discrepancies],
    }


def _line_view(line: StatementLine, currency: str) -> dict[str, Any]:
    return {
        "journal": line.journal_id,
        "kind": line.kind,
        "memo": line.memo,
        "effective": line.effective.isoformat(),
        "side": line.side,
        "other_account": line.other_account,
        "amount": line.amount,
        "balance": Money(line.net_dr_minor, currency),
    }
