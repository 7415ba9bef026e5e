"""Payment files as pain.001 XML, with local clearing: account numbers as `Othr/Id`, bank and branch as member ids.

Source: ISO 20022 pain.001.001.09 CustomerCreditTransferInitiation; the debtor and creditor agents are named by
clearing system member id, because Kenyan accounts have no IBAN.
"""

import re
from datetime import date

from kiungo.base.errors import Detail
from kiungo.base.money import Money
from kiungo.base.time import iso_seconds, parse_instant, to_us
from kiungo.formats.bank_statements import xml
from kiungo.formats.bank_statements.model import PaymentFile, Transfer, malformed
from kiungo.formats.bank_statements.xml import Element, node

STANDARD = "pain.001"
NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:pain.001.001.09"
ID_LENGTH_MAX = 35
NAME_LENGTH_MAX = 140
TRANSFERS_MAX = 10_000
_ID = re.compile(r"[A-Za-z0-9/\-?:().,'+ ]{1,35}\Z")
_ACCOUNT = re.compile(r"[A-Za-z0-9]{1,34}\Z")


def validate(file: PaymentFile) -> tuple[Detail, ...]:
    """Problems of a payment file: ids, lengths, amounts, currencies, repeats. Changes nothing."""
    problems: list[Detail] = []
    if not _ID.match(file.message_id):
        problems.append(Detail("message_id", f"is not 1 to {ID_LENGTH_MAX} plain characters"))
    if not _ACCOUNT.match(file.debtor_account):
        problems.append(Detail("debtor_account", "is not 1 to 34 letters and digits"))
    if not 1 <= len(file.transfers) <= TRANSFERS_MAX:
        problems.append(Detail("transfers", f"a file has 1 to {TRANSFERS_MAX} transfers"))
    if len({transfer.amount.currency for transfer in file.transfers}) > 1:
        problems.append(Detail("transfers", "all transfers of a file have one currency", "currency"))
    if len({transfer.end_to_end for transfer in file.transfers}) != len(file.transfers):
        problems.append(Detail("transfers", "two transfers have the same reference", "duplicate"))
    for number, transfer in enumerate(file.transfers):
        problems.extend(_transfer_problems(transfer, f"transfers.{number}"))
    return tuple(problems)


def render(file: PaymentFile) -> bytes:
    """Write the file. Raises: Incorrect BANK_FILE_MALFORMED when `validate` finds a problem."""
    problems = validate(file)
    if problems:
        raise malformed(STANDARD, f"{problems[0].field} {problems[0].message}", field=problems[0].field)
    total = Money(sum(t.amount.minor for t in file.transfers), file.transfers[0].amount.currency).text()
    count = str(len(file.transfers))
    header = node(
        "GrpHdr",
        node("MsgId", file.message_id),
        node("CreDtTm", iso_seconds(file.made_at_us)),
        node("NbOfTxs", count),
        node("CtrlSum", total),
        node("InitgPty", node("Nm", file.debtor_name)),
    )
    payments = node(
        "PmtInf",
        node("PmtInfId", file.message_id),
        node("PmtMtd", "TRF"),
        node("NbOfTxs", count),
        node("CtrlSum", total),
        node("ReqdExctnDt", node("Dt", file.execute_on.isoformat())),
        node("Dbtr", node("Nm", file.debtor_name)),
        node("DbtrAcct", _account(file.debtor_account)),
        node("DbtrAgt", _agent(file.debtor_bank_code)),
        *(_transaction(transfer) for transfer in file.transfers),
    )
    document = node("Document", node("CstmrCdtTrfInitn", header, payments))
    document.namespace = NAMESPACE
    return xml.render(document)


def parse(body: bytes) -> PaymentFile:
    """Read a file written by `render`. Raises: Incorrect BANK_FILE_MALFORMED."""
    message = xml.parse(body, STANDARD).find("CstmrCdtTrfInitn")
    payments = message.find("PmtInf") if message is not None else None
    if message is None or payments is None:
        raise malformed(STANDARD, "it holds no CstmrCdtTrfInitn with a PmtInf")
    transfers = tuple(_transfer(found) for found in payments.all("CdtTrfTxInf"))
    if message.value("GrpHdr/NbOfTxs") != str(len(transfers)):
        raise malformed(STANDARD, "NbOfTxs differs from the transfers there are", field="NbOfTxs")
    try:
        execute_on = date.fromisoformat(payments.value("ReqdExctnDt/Dt"))
    except ValueError:
        raise malformed(STANDARD, "its execution date is not a date", field="ReqdExctnDt") from None
    return PaymentFile(
        message.value("GrpHdr/MsgId"),
        to_us(parse_instant(message.value("GrpHdr/CreDtTm"), field="CreDtTm")),
        execute_on,
        payments.value("Dbtr/Nm"),
        payments.value("DbtrAcct/Id/Othr/Id"),
        payments.value("DbtrAgt/FinInstnId/ClrSysMmbId/MmbId"),
        transfers,
    )


def _transfer_problems(transfer: Transfer, field: str) -> list[Detail]:
    problems = []
    if not _ID.match(transfer.end_to_end):
        problems.append(Detail(f"{field}.end_to_end", f"is not 1 to {ID_LENGTH_MAX} plain characters"))
    if transfer.amount.minor <= 0:
        problems.append(Detail(f"{field}.amount", "is not above zero"))
    if not _ACCOUNT.match(transfer.account):
        problems.append(Detail(f"{field}.account", "is not 1 to 34 letters and digits"))
    if not 1 <= len(transfer.name) <= NAME_LENGTH_MAX:
        problems.append(Detail(f"{field}.name", f"is not 1 to {NAME_LENGTH_MAX} characters"))
    if not transfer.bank_code.isdecimal() or not transfer.branch_code.isdecimal():
        problems.append(Detail(f"{field}.bank_code", "bank and branch codes are digits"))
    if len(transfer.text) > NAME_LENGTH_MAX:
        problems.append(Detail(f"{field}.text", f"has more than {NAME_LENGTH_MAX} characters"))
    return problems


def _transaction(transfer: Transfer) -> Element:
    return node(
        "CdtTrfTxInf",
        node("PmtId", node("EndToEndId", transfer.end_to_end)),
        node("Amt", node("InstdAmt", transfer.amount.text(), currency=transfer.amount.currency)),
        node(
            "CdtrAgt",
            node(
                "FinInstnId",
                node("ClrSysMmbId", node("MmbId", transfer.bank_code)),
            ),
            node("BrnchId", node("Id", transfer.branch_code)),
        ),
        node("Cdtr", node("Nm", transfer.name)),
        node("CdtrAcct", _account(transfer.account)),
        node("RmtInf", node("Ustrd", transfer.text)) if transfer.text else None,
    )


def _transfer(found: Element) -> Transfer:
    amount = found.find("Amt/InstdAmt")
    if amount is None:
        raise malformed(STANDARD, "a transfer has no amount", field="InstdAmt")
    return Transfer(
        found.value("PmtId/EndToEndId"),
        Money.parse(amount.text, amount.attributes.get("Ccy", ""), field="InstdAmt"),
        found.value("Cdtr/Nm"),
        found.value("CdtrAcct/Id/Othr/Id"),
        found.value("CdtrAgt/FinInstnId/ClrSysMmbId/MmbId"),
        found.value("CdtrAgt/BrnchId/Id"),
        found.value("RmtInf/Ustrd"),
    )


def _account(number: str) -> Element:
    return node("Id", node("Othr", node("Id", number)))


def _agent(bank_code: str) -> Element:
    return node("FinInstnId", node("ClrSysMmbId", node("MmbId", bank_code)))
