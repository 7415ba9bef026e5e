"""Bank statements as camt.053 XML, any version from 2 on, read by local names.

Source: ISO 20022 camt.053 BankToCustomerStatement; written as version 8 (camt.053.001.08).
"""

from datetime import date, datetime
from decimal import Decimal, InvalidOperation

from kiungo.base.errors import Detail
from kiungo.base.money import Money
from kiungo.formats.bank_statements import balances, xml
from kiungo.formats.bank_statements.model import Direction, Entry, Part, Statement, malformed
from kiungo.formats.bank_statements.xml import Element, node

STANDARD = "camt.053"
NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"
OPENING = ("OPBD", "PRCD")
CLOSING = ("CLBD",)


def parse(body: bytes) -> tuple[Statement, ...]:
    """The statements of a message. Raises: Incorrect BANK_FILE_MALFORMED, AMOUNT_PRECISION."""
    root = xml.parse(body, STANDARD)
    message = root.find("BkToCstmrStmt")
    if root.name != "Document" or message is None:
        raise malformed(STANDARD, "it holds no BkToCstmrStmt")
    statements = tuple(_statement(found) for found in message.all("Stmt"))
    if not statements:
        raise malformed(STANDARD, "it holds no Stmt")
    return statements


def validate(statement: Statement) -> tuple[Detail, ...]:
    """Problems of a statement, such as entries that miss the closing balance. Changes nothing."""
    return balances.validate(statement)


def render(statements: tuple[Statement, ...], *, message_id: str) -> bytes:
    """Write a message with these statements."""
    made = f"{statements[0].closing_on.isoformat()}T00:00:00Z" if statements else ""
    header = node("GrpHdr", node("MsgId", message_id), node("CreDtTm", made))
    document = node("Document", node("BkToCstmrStmt", header, *(_stmt(statement) for statement in statements)))
    document.namespace = NAMESPACE
    return xml.render(document)


def _statement(found: Element) -> Statement:
    opening, opening_on = _balance(found, OPENING)
    closing, closing_on = _balance(found, CLOSING)
    account = found.value("Acct/Id/IBAN") or found.value("Acct/Id/Othr/Id")
    number = found.value("ElctrncSeqNb") or found.value("LglSeqNb") or "0"
    if not number.isdecimal():
        raise malformed(STANDARD, "its sequence number is not a number", field="ElctrncSeqNb")
    return Statement(
        account, found.value("Id"), int(number), opening, opening_on, closing, closing_on,
        tuple(_entry(entry) for entry in found.all("Ntry")),
    )  # fmt: skip


def _balance(found: Element, codes: tuple[str, ...]) -> tuple[Money, date]:
    for code in codes:
        for balance in found.all("Bal"):
            if balance.value("Tp/CdOrPrtry/Cd") == code:
                amount, direction = _amount(balance), _direction(balance)
                return (amount if direction == "credit" else -amount), _day(balance, "Dt")
    raise malformed(STANDARD, f"it has no balance {' or '.join(codes)}", field="Bal")


def _entry(found: Element) -> Entry:
    amount = _amount(found)
    booked_on = _day(found, "BookgDt") if found.find("BookgDt") else _day(found, "ValDt")
    status = found.value("Sts/Cd") or found.value("Sts")
    details = [_part(part, amount.currency) for part in found.all("NtryDtls/TxDtls")]
    if len(details) == 1 and details[0].amount.minor == 0:
        details = [Part(amount, details[0].end_to_end, details[0].party, details[0].text)]
    return Entry(
        booked_on=booked_on,
        value_on=_day(found, "ValDt") if found.find("ValDt") else booked_on,
        amount=amount,
        direction=_direction(found),
        reference=found.value("AcctSvcrRef") or found.value("NtryRef"),
        code=found.value("BkTxCd/Prtry/Cd") or found.value("BkTxCd/Domn/Fmly/SubFmlyCd"),
        is_reversal=found.value("RvslInd") == "true",
        is_pending=status == "PDNG",
        parts=tuple(details),
    )


def _part(found: Element, currency: str) -> Part:
    amount = found.find("Amt") or found.find("AmtDtls/TxAmt/Amt")
    party = next((name for path in ("Cdtr", "Dbtr") if (name := found.value(f"RltdPties/{path}/Nm"))), "") or next(
        (name for path in ("Cdtr", "Dbtr") if (name := found.value(f"RltdPties/{path}/Pty/Nm"))), ""
    )
    lines = [line.text.strip() for line in found.all("RmtInf/Ustrd")] or [found.value("AddtlTxInf")]
    end_to_end = found.value("Refs/EndToEndId")
    return Part(
        _money(amount, currency) if amount is not None else Money.zero(currency),
        "" if end_to_end == "NOTPROVIDED" else end_to_end,
        party,
        " ".join(line for line in lines if line),
    )


def _amount(found: Element) -> Money:
    amount = found.find("Amt")
    if amount is None:
        raise malformed(STANDARD, "an entry or balance has no amount", field="Amt")
    return _money(amount, "")


def _money(amount: Element, currency: str) -> Money:
    text = amount.text.strip()
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise malformed(STANDARD, f"{text[:20]!r} is not an amount", field="Amt") from None
    return Money.parse(value, amount.attributes.get("Ccy", currency), field="Amt")


def _direction(found: Element) -> Direction:
    indicator = found.value("CdtDbtInd")
    if indicator not in ("CRDT", "DBIT"):
        raise malformed(STANDARD, f"{indicator[:10]!r} is neither CRDT nor DBIT", field="CdtDbtInd")
    return "credit" if indicator == "CRDT" else "debit"


def _day(found: Element, path: str) -> date:
    text = found.value(f"{path}/Dt") or found.value(f"{path}/DtTm")
    try:
        return date.fromisoformat(text) if len(text) == 10 else datetime.fromisoformat(text).date()
    except ValueError:
        raise malformed(STANDARD, f"{text[:20]!r} is not a date", field=path) from None


def _stmt(statement: Statement) -> Element:
    return node(
        "Stmt",
        node("Id", statement.statement_id),
        node("ElctrncSeqNb", str(statement.number)),
        node("Acct", node("Id", node("Othr", node("Id", statement.account))), node("Ccy", statement.opening.currency)),
        _bal("OPBD", statement.opening, statement.opening_on),
        _bal("CLBD", statement.closing, statement.closing_on),
        *(_ntry(entry) for entry in statement.entries),
    )


def _bal(code: str, amount: Money, day: date) -> Element:
    return node(
        "Bal",
        node("Tp", node("CdOrPrtry", node("Cd", code))),
        _amt(amount if amount.minor >= 0 else -amount),
        node("CdtDbtInd", "CRDT" if amount.minor >= 0 else "DBIT"),
        node("Dt", node("Dt", day.isoformat())),
    )


def _ntry(entry: Entry) -> Element:
    return node(
        "Ntry",
        _amt(entry.amount),
        node("CdtDbtInd", "CRDT" if entry.direction == "credit" else "DBIT"),
        node("RvslInd", "true") if entry.is_reversal else None,
        node("Sts", node("Cd", "PDNG" if entry.is_pending else "BOOK")),
        node("BookgDt", node("Dt", entry.booked_on.isoformat())),
        node("ValDt", node("Dt", entry.value_on.isoformat())),
        node("AcctSvcrRef", entry.reference) if entry.reference else None,
        node("BkTxCd", node("Prtry", node("Cd", entry.code))) if entry.code else None,
        node("NtryDtls", *(_tx_dtls(part, entry) for part in entry.parts)) if entry.parts else None,
    )


def _tx_dtls(part: Part, entry: Entry) -> Element:
    party = "Dbtr" if entry.direction == "credit" else "Cdtr"
    return node(
        "TxDtls",
        node("Refs", node("EndToEndId", part.end_to_end or "NOTPROVIDED")),
        _amt(part.amount),
        node("RltdPties", node(party, node("Pty", node("Nm", part.party)))) if part.party else None,
        node("RmtInf", node("Ustrd", part.text)) if part.text else None,
    )


def _amt(amount: Money) -> Element:
    return node("Amt", amount.text(), currency=amount.currency)
