"""The bank's answers to payment files, as pain.002 XML.

Source: ISO 20022 pain.002.001.10 CustomerPaymentStatusReport; group and transaction status codes.
"""

from kiungo.base.errors import Detail
from kiungo.formats.bank_statements import xml
from kiungo.formats.bank_statements.model import AnswerStatus, FileAnswer, TransferAnswer, malformed
from kiungo.formats.bank_statements.xml import Element, node

STANDARD = "pain.002"
NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:pain.002.001.10"
# A code we do not know is pending: never success, never failure.
STATUSES: dict[str, AnswerStatus] = {
    "RCVD": "received",
    "ACTC": "received",
    "ACCP": "accepted",
    "ACSP": "accepted",
    "ACWC": "accepted",
    "PART": "accepted",
    "ACSC": "booked",
    "ACCC": "booked",
    "RJCT": "rejected",
    "CANC": "rejected",
    "PDNG": "pending",
}
CODES: dict[AnswerStatus, str] = {
    "received": "RCVD",
    "accepted": "ACCP",
    "booked": "ACSC",
    "rejected": "RJCT",
    "pending": "PDNG",
}


def parse(body: bytes) -> FileAnswer:
    """Read a report. Raises: Incorrect BANK_FILE_MALFORMED."""
    report = xml.parse(body, STANDARD).find("CstmrPmtStsRpt")
    group = report.find("OrgnlGrpInfAndSts") if report is not None else None
    if report is None or group is None:
        raise malformed(STANDARD, "it holds no CstmrPmtStsRpt with OrgnlGrpInfAndSts")
    status = group.value("GrpSts")
    return FileAnswer(
        report.value("GrpHdr/MsgId"),
        group.value("OrgnlMsgId"),
        STATUSES.get(status, "pending") if status else None,
        _reason(group),
        tuple(_answer(found) for found in report.all("OrgnlPmtInfAndSts/TxInfAndSts")),
    )


def validate(answer: FileAnswer) -> tuple[Detail, ...]:
    """Problems of an answer: it must name its file and each transfer, and say something. Changes nothing."""
    problems = []
    if not answer.original_message_id:
        problems.append(Detail("original_message_id", "is missing"))
    if answer.status is None and not answer.transfers:
        problems.append(Detail("status", "the answer says nothing of the file or a transfer"))
    problems += [
        Detail(f"transfers.{number}.end_to_end", "is missing")
        for number, transfer in enumerate(answer.transfers)
        if not transfer.end_to_end
    ]
    return tuple(problems)


def render(answer: FileAnswer) -> bytes:
    """Write a report."""
    group = node(
        "OrgnlGrpInfAndSts",
        node("OrgnlMsgId", answer.original_message_id),
        node("OrgnlMsgNmId", "pain.001.001.09"),
        node("GrpSts", CODES[answer.status]) if answer.status is not None else None,
        _reason_node("", answer.reason),
    )
    transactions = node(
        "OrgnlPmtInfAndSts",
        node("OrgnlPmtInfId", answer.original_message_id),
        *(
            node(
                "TxInfAndSts",
                node("OrgnlEndToEndId", transfer.end_to_end),
                node("TxSts", CODES[transfer.status]),
                _reason_node(transfer.reason_code, transfer.reason),
            )
            for transfer in answer.transfers
        ),
    )
    header = node("GrpHdr", node("MsgId", answer.message_id))
    document = node(
        "Document", node("CstmrPmtStsRpt", header, group, transactions if answer.transfers else None)
    )  # fmt: skip
    document.namespace = NAMESPACE
    return xml.render(document)


def _answer(found: Element) -> TransferAnswer:
    return TransferAnswer(
        found.value("OrgnlEndToEndId"),
        STATUSES.get(found.value("TxSts"), "pending"),
        found.value("StsRsnInf/Rsn/Cd") or found.value("StsRsnInf/Rsn/Prtry"),
        _reason(found),
    )


def _reason(found: Element) -> str:
    return " ".join(line.text.strip() for line in found.all("StsRsnInf/AddtlInf"))


def _reason_node(code: str, text: str) -> Element | None:
    if not code and not text:
        return None
    return node(
        "StsRsnInf",
        node("Rsn", node("Cd", code)) if code else None,
        node("AddtlInf", text) if text else None,
    )
