"""What changes the ledger: open, post, hold, post or void a hold, reverse.

Order inside each: lock the accounts in sorted order, look for the key, decide, then write. Everything that can
be refused is refused before the first row is written, so a caller may catch the refusal and go on in its unit.
"""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import date

from kiungo.base.errors import Conflict, Incorrect
from kiungo.base.money import Money, exponent_of
from kiungo.base.time import date_of
from kiungo.kernel import json
from kiungo.kernel.database import Unit
from kiungo.kernel.ledger.checks import must_be_open, must_be_reversible, repeated
from kiungo.kernel.ledger.model import (
    LEDGER_ACCOUNT_DIFFERS,
    LEDGER_POSTING_WRONG,
    Account,
    AccountKey,
    Balance,
    Journal,
    Phase,
    Posting,
    Rule,
    apply,
    changes_of,
    check_postings,
    merge,
    missing_account,
)
from kiungo.kernel.ledger.reports import account_of, find_journal


def open_account(unit: Unit, tenant: int, id: str, currency: str, rule: Rule = "none") -> Account:
    """Open an account in one currency, or find it open with this rule.

    Raises: Incorrect CURRENCY_UNKNOWN; Conflict LEDGER_ACCOUNT_DIFFERS.
    """
    exponent_of(currency)
    unit.execute(
        "INSERT INTO ledger_account (tn, id, currency, rule, opened_us) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (tn, id, currency) DO NOTHING",
        (tenant, id, currency, rule, unit.now_us),
    )
    account = account_of(unit, tenant, id, currency)
    if account.rule != rule:
        raise Conflict(
            LEDGER_ACCOUNT_DIFFERS,
            f"Account {id} in {currency} is open with the rule {account.rule}, not {rule}",
            field="rule",
            hint="Use another account id; the rule of an account never changes",
        )
    return account


def open_accounts(unit: Unit, tenant: int, currency: str, rules: Mapping[str, Rule]) -> None:
    """Open those of some accounts, each with its rule, that are not open in the currency; mostly all are.

    Raises: as `open_account`.
    """
    known: dict[str, str] = dict(
        unit.rows(
            f"SELECT id, rule FROM ledger_account WHERE tn = ? AND id IN ({_marks(rules)}) AND currency = ?",
            (tenant, *rules, currency),
        )
    )
    for id in sorted(rules):
        if known.get(id) != rules[id]:
            open_account(unit, tenant, id, currency, rules[id])


def lock_accounts(unit: Unit, tenant: int, currency: str, ids: Collection[str]) -> None:
    """Take the accounts that several journals of this unit will move, before the first of them does.

    A journal takes its own accounts in order; two units of several journals could still wait for each other on
    PostgreSQL. Whoever takes all of them first, in that order, cannot. SQLite's writer is alone.
    """
    if unit.engine == "postgresql" and ids:
        unit.rows(
            f"SELECT id FROM ledger_account WHERE tn = ? AND id IN ({_marks(ids)}) AND currency = ?"
            " ORDER BY id FOR UPDATE",
            (tenant, *ids, currency),
        )


def post(
    unit: Unit,
    tenant: int,
    *,
    key: str,
    kind: str,
    postings: Sequence[Posting],
    effective: date,
    memo: str = "",
) -> Journal:
    """Post a journal; the same key and body again returns the first one.

    Raises: Incorrect LEDGER_POSTING_WRONG; NotFound LEDGER_ACCOUNT_NOT_FOUND; Conflict LEDGER_KEY_REUSED,
    LEDGER_BALANCE_TOO_LOW.
    """
    check_postings(postings)
    draft = _draft(unit, key, kind, postings, phase="posted", effective=effective, memo=memo)
    return _write(unit, tenant, draft, _hash("post", draft), changes_of(postings, posted=1))


def hold(
    unit: Unit,
    tenant: int,
    *,
    key: str,
    kind: str,
    postings: Sequence[Posting],
    effective: date,
    memo: str = "",
) -> Journal:
    """Reserve amounts: they count as taken from accounts with a rule until posted or voided.

    Raises: as `post`.
    """
    check_postings(postings)
    draft = _draft(unit, key, kind, postings, phase="held", effective=effective, memo=memo)
    return _write(unit, tenant, draft, _hash("hold", draft), changes_of(postings, pending=1))


def post_hold(
    unit: Unit,
    tenant: int,
    journal_id: int,
    key: str,
    *,
    amounts: Sequence[Money] | None = None,
    effective: date | None = None,
    memo: str = "",
) -> Journal:
    """Turn a hold into postings, whole or with smaller amounts; what is not posted is released.

    Shapes: `amounts` has one amount for each posting of the hold, zero to leave it out, at least one above
    zero. `effective` is the hold's own when not given.
    Raises: NotFound; Conflict LEDGER_HOLD_SETTLED, LEDGER_KEY_REUSED; Incorrect LEDGER_POSTING_WRONG.
    """
    held = find_journal(unit, tenant, journal_id)
    postings = held.postings if amounts is None else _reduced(held.postings, amounts)
    draft = replace(
        _draft(unit, key, held.kind, postings, phase="posted", effective=effective or held.effective, memo=memo),
        settles=held.id,
    )
    changes = merge(changes_of(held.postings, pending=-1), changes_of(postings, posted=1))
    return _write(unit, tenant, draft, _hash("post_hold", draft), changes, settled=held)


def void_hold(unit: Unit, tenant: int, journal_id: int, key: str, *, memo: str = "") -> Journal:
    """Release a hold. Raises: NotFound; Conflict LEDGER_HOLD_SETTLED, LEDGER_KEY_REUSED."""
    held = find_journal(unit, tenant, journal_id)
    draft = replace(
        _draft(unit, key, held.kind, (), phase="voided", effective=held.effective, memo=memo), settles=held.id
    )
    changes = merge(changes_of(held.postings, pending=-1))
    return _write(unit, tenant, draft, _hash("void_hold", draft), changes, settled=held)


def reverse(
    unit: Unit, tenant: int, journal_id: int, key: str, *, effective: date | None = None, memo: str = ""
) -> Journal:
    """Undo a posted journal by a new one with every posting turned round; `effective` is today when not given.

    Raises: NotFound; Conflict LEDGER_NOT_REVERSIBLE, LEDGER_KEY_REUSED, LEDGER_BALANCE_TOO_LOW.
    """
    wrong = find_journal(unit, tenant, journal_id)
    postings = tuple(Posting(posting.credit, posting.debit, posting.amount) for posting in wrong.postings)
    day = effective or date_of(unit.now_us)
    draft = replace(
        _draft(unit, key, wrong.kind, postings, phase="posted", effective=day, memo=memo), reverses=wrong.id
    )
    # Without a given day the hash leaves it out: the same call tomorrow is still the same call.
    hashed = _hash("reverse", draft if effective else replace(draft, effective=date.min))
    return _write(unit, tenant, draft, hashed, merge(changes_of(postings, posted=1)), undone=wrong)


def _write(
    unit: Unit,
    tenant: int,
    draft: Journal,
    body_hash: bytes,
    changes: Mapping[AccountKey, Balance],
    *,
    settled: Journal | None = None,
    undone: Journal | None = None,
) -> Journal:
    """Lock, look, decide, write; see the module's text."""
    accounts = _lock(unit, tenant, changes)
    first = repeated(unit, tenant, draft.key, body_hash)
    if first is not None:
        return first
    if settled is not None:
        must_be_open(unit, tenant, settled)
    if undone is not None:
        must_be_reversible(unit, tenant, undone)
    for key, change in changes.items():
        if key not in accounts:
            raise missing_account(key)
        apply(accounts[key], change)
    new_id = unit.value(
        "INSERT INTO ledger_journal"
        " (tn, key, body_hash, kind, phase, effective, posted_us, memo, settles, reverses)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (tn, key) DO NOTHING RETURNING id",
        (
            tenant, draft.key, body_hash, draft.kind, draft.phase, draft.effective.isoformat(),
            unit.now_us, draft.memo, draft.settles, draft.reverses,
        ),
    )  # fmt: skip
    if new_id is None:  # a neighbour on other accounts used the key between our look and our write
        first = repeated(unit, tenant, draft.key, body_hash)
        if first is None:
            raise AssertionError("a key that conflicts has a journal")
        return first
    unit.many(
        "INSERT INTO ledger_posting (tn, journal, seq, phase, effective, debit, credit, currency, amount_minor)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                tenant, new_id, seq, draft.phase, draft.effective.isoformat(),
                posting.debit, posting.credit, posting.amount.currency, posting.amount.minor,
            )
            for seq, posting in enumerate(draft.postings)
        ],
    )  # fmt: skip
    unit.many(
        "UPDATE ledger_account SET posted_dr = posted_dr + ?, posted_cr = posted_cr + ?,"
        " pending_dr = pending_dr + ?, pending_cr = pending_cr + ? WHERE tn = ? AND id = ? AND currency = ?",
        [
            (change.posted_dr, change.posted_cr, change.pending_dr, change.pending_cr, tenant, *key)
            for key, change in changes.items()
        ],
    )
    return replace(draft, id=new_id)


def _lock(unit: Unit, tenant: int, keys: Mapping[AccountKey, Balance]) -> dict[AccountKey, Account]:
    """Read the accounts, on PostgreSQL holding their rows until the unit ends; every unit in the same order."""
    for_update = " FOR UPDATE" if unit.engine == "postgresql" else ""
    accounts = {}
    for currency in sorted({currency for _, currency in keys}):
        ids = sorted(id for id, of in keys if of == currency)
        rows = unit.rows(
            "SELECT id, rule, posted_dr, posted_cr, pending_dr, pending_cr FROM ledger_account"
            f" WHERE tn = ? AND id IN ({_marks(ids)}) AND currency = ? ORDER BY id{for_update}",
            (tenant, *ids, currency),
        )
        for id, rule, *amounts in rows:
            accounts[id, currency] = Account(id, currency, rule, Balance(*amounts))
    return accounts


def _marks(values: Collection[str]) -> str:
    return ", ".join("?" * len(values))


def _reduced(held: Sequence[Posting], amounts: Sequence[Money]) -> tuple[Posting, ...]:
    """The postings of a hold with the amounts finally due."""
    fits = len(amounts) == len(held) and all(
        amount.currency == posting.amount.currency and 0 <= amount.minor <= posting.amount.minor
        for amount, posting in zip(amounts, held, strict=True)
    )
    postings = tuple(
        replace(posting, amount=amount) for posting, amount in zip(held, amounts, strict=False) if amount.minor > 0
    )
    if not fits or not postings:
        raise Incorrect(
            LEDGER_POSTING_WRONG,
            "The amounts do not fit the hold: one for each posting, none above what is held, not all zero",
            field="amounts",
            hint="Void the hold when nothing is due",
        )
    return postings


def _draft(
    unit: Unit,
    key: str,
    kind: str,
    postings: Sequence[Posting],
    *,
    phase: Phase,
    effective: date,
    memo: str,
) -> Journal:
    return Journal(0, key, kind, phase, effective, unit.now_us, memo, None, None, tuple(postings))


def _hash(verb: str, draft: Journal) -> bytes:
    """What a key stands for, apart from when it was said."""
    postings = [[p.debit, p.credit, p.amount.currency, p.amount.minor] for p in draft.postings]
    body = [
        verb, draft.kind, draft.effective.isoformat(), draft.memo, draft.settles, draft.reverses, postings
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(body)).digest()
