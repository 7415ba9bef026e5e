"""Between our orders and Daraja's words: request bodies out, answers and callbacks in. Pure.

Source: Daraja 3.0 portal, B2B, B2C, Transaction Status; the shapes accepted beyond it were seen in its own examples.
"""

import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from kiungo.base.errors import Incorrect, KiungoError, define
from kiungo.base.money import Money
from kiungo.connectors.mpesa.client import Reply
from kiungo.connectors.mpesa.settings import MpesaSettings
from kiungo.kernel import json
from kiungo.ports.payment import Answer, Cause, Notice, Order

CALLBACK_UNREADABLE = define("CALLBACK_UNREADABLE", Incorrect, "A rail's callback does not have the documented form.")

B2B_PATH: Final = "/mpesa/b2b/v1/paymentrequest"
B2C_PATH: Final = "/mpesa/b2c/v3/paymentrequest"
STATUS_PATH: Final = "/mpesa/transactionstatus/v1/query"
REMARKS_LENGTH_MAX = 100
SHILLING_MINOR = 100

# Result codes that say, definitely, that no money moved; everything unlisted is unknown.
FAILURES: dict[str, Cause] = {
    "1": "funds", "2": "limit", "3": "limit", "4": "limit", "8": "limit", "11": "payee", "21": "credential",
    "2001": "credential", "2006": "payee", "2028": "request", "2040": "payee", "8006": "credential",
    "SFC_IC0003": "payee",
}  # fmt: skip
NOT_TAKEN: dict[str, tuple[Cause, float]] = {
    "400.003.01": ("credential", 5.0), "404.001.03": ("credential", 5.0),
    "500.003.02": ("busy", 10.0), "500.003.03": ("busy", 60.0), "500.003.1001": ("busy", 30.0),
}  # fmt: skip
WRONG_REQUEST = re.compile(r"40[04]\.\d{3}\.\d{2}\Z")
DUPLICATE_ORIGINATOR = "500.002.1001"
_COMPLETED = "completed"
_NOT_PAID = ("failed", "cancelled", "declined", "expired")


def is_to_phone(order: Order) -> bool:
    """Whether the order goes to a person's wallet (B2C) and not to a business (B2B)."""
    return order.destination.kind == "wallet"


def b2b_body(order: Order, settings: MpesaSettings, credential: str, urls: Mapping[str, str]) -> dict[str, Any]:
    """The body of a payment to a short code or till; our reference travels as AccountReference."""
    till = order.destination.kind == "till"
    return {
        "Initiator": settings.initiator,
        "SecurityCredential": credential,
        "CommandID": "BusinessBuyGoods" if till else "BusinessPayBill",
        "SenderIdentifierType": "4",
        "RecieverIdentifierType": settings.till_identifier_type if till else "4",
        "Amount": shillings(order.amount),
        "PartyA": settings.shortcode,
        "PartyB": order.destination.number,
        "AccountReference": order.reference,
        "Remarks": order.purpose[:REMARKS_LENGTH_MAX] or order.reference,
        "QueueTimeOutURL": urls["timeout"],
        "ResultURL": urls["result"],
        "Occassion": "",
    }


def b2c_body(order: Order, settings: MpesaSettings, credential: str, urls: Mapping[str, str]) -> dict[str, Any]:
    """The body of a payment to a phone; our reference is the id the vendor takes only once."""
    return {
        "OriginatorConversationID": order.reference,
        "InitiatorName": settings.initiator,
        "SecurityCredential": credential,
        "CommandID": settings.b2c_command,
        "Amount": shillings(order.amount),
        "PartyA": settings.shortcode,
        "PartyB": order.destination.number,
        "Remarks": order.purpose[:REMARKS_LENGTH_MAX] or order.reference,
        "QueueTimeOutURL": urls["timeout"],
        "ResultURL": urls["result"],
        "Occassion": "",
    }


def status_body(
    originator_id: str, receipt: str, settings: MpesaSettings, credential: str, urls: Mapping[str, str]
) -> dict[str, Any]:
    """The body of a status query, by receipt where there is one, else by the originator conversation id."""
    return {
        "Initiator": settings.initiator,
        "SecurityCredential": credential,
        "CommandID": "TransactionStatusQuery",
        "TransactionID": receipt,
        "OriginatorConversationID": originator_id,
        "PartyA": settings.shortcode,
        "IdentifierType": "4",
        "ResultURL": urls["status"],
        "QueueTimeOutURL": urls["status_timeout"],
        "Remarks": "status",
        "Occasion": "",
    }


def shillings(amount: Money) -> int:
    """Whole shillings. Raises: ValueError for cents, which the caller must have carried over."""
    if amount.currency != "KES" or amount.minor % SHILLING_MINOR:
        raise ValueError("mobile money pays whole Kenyan shillings")
    return amount.minor // SHILLING_MINOR


def read_submission(reply: Reply, *, repeated_is_known: bool) -> Answer:
    """What the answer to a payment request means. `repeated_is_known`: the vendor refuses our id a second time."""
    if reply.kind == "not_sent":
        return Answer("not_taken", reply.why or "the rail was not reached", "busy", retry_after_s=5.0)
    if reply.kind == "no_answer":
        return Answer("unknown", f"no answer came ({reply.why})")
    if reply.status == 200 and str(reply.body.get("ResponseCode")) == "0":
        return Answer(
            "accepted",
            rail_ids={
                "conversation_id": str(reply.body.get("ConversationID", "")),
                "originator_conversation_id": str(reply.body.get("OriginatorConversationID", "")),
            },
        )
    return _refusal(reply, repeated_is_known=repeated_is_known)


def read_query_acceptance(reply: Reply) -> Answer:
    """What the answer to a status query means: the outcome itself comes as a callback."""
    if reply.kind == "answered" and reply.status == 200 and str(reply.body.get("ResponseCode")) == "0":
        return Answer("accepted")
    error = str(reply.body.get("errorCode", "")) or reply.why
    return Answer("unknown", f"the status query was not taken: {error}", retry_after_s=30.0)


def read_callback(body: bytes, reference: str, kind: str) -> Notice:
    """A result, timeout or status callback as a notice. Raises: Incorrect CALLBACK_UNREADABLE."""
    try:
        result = json.loads(body)["Result"]
        code, description = str(result["ResultCode"]), str(result.get("ResultDesc", ""))[:200]
    except (KiungoError, KeyError, TypeError):
        raise Incorrect(
            CALLBACK_UNREADABLE, "The callback has no Result with a ResultCode", field="Result", hint="Nothing was kept"
        ) from None
    if kind in ("timeout", "status_timeout"):
        return Notice(reference, Answer("unknown", "the rail's queue timed out; the outcome is not known"))
    values = _pairs(result.get("ResultParameters"), "ResultParameter")
    items = _pairs(result.get("ReferenceData"), "ReferenceItem")
    ids = {
        "conversation_id": str(result.get("ConversationID", "")),
        "originator_conversation_id": str(result.get("OriginatorConversationID", "")),
    }
    said = items.get("BillReferenceNumber", "")
    if kind == "status":
        # The ids of a status answer are those of the question; those of the payment are among its values.
        ids = {"originator_conversation_id": values.get("OriginatorConversationID", "")}
        answer = _status_answer(code, description, values, ids)
    elif code == "0":
        receipt = values.get("TransactionReceipt") or str(result.get("TransactionID", ""))
        answer = Answer("paid", receipt=receipt, rail_ids=ids)
    elif code in FAILURES:
        answer = Answer("failed", f"{code} {description}", FAILURES[code], rail_ids=ids)
    else:
        answer = Answer("unknown", f"{code} {description}", rail_ids=ids)
    paid = answer.status == "paid"
    return Notice(
        said or reference, answer, _amount(values) if paid else None, _party(values) if paid else None
    )  # fmt: skip


def _refusal(reply: Reply, *, repeated_is_known: bool) -> Answer:
    error = str(reply.body.get("errorCode", ""))
    message = str(reply.body.get("errorMessage", ""))[:200]
    if error in NOT_TAKEN:
        cause, after_s = NOT_TAKEN[error]
        return Answer("not_taken", f"{error} {message}", cause, retry_after_s=after_s)
    if error == DUPLICATE_ORIGINATOR and "duplicate" in message.lower():
        why = "the rail has this order already" if repeated_is_known else "the rail calls it a duplicate"
        return Answer("unknown", why)
    if WRONG_REQUEST.match(error):
        return Answer("failed", f"{error} {message}", "request")
    return Answer("unknown", f"status {reply.status} {error} {message}".strip())


def _status_answer(code: str, description: str, values: Mapping[str, str], ids: Mapping[str, str]) -> Answer:
    state = values.get("TransactionStatus", "").lower()
    if code == "0" and state == _COMPLETED and values.get("ReceiptNo"):
        return Answer("paid", receipt=values["ReceiptNo"], rail_ids=ids)
    if code == "0" and state in _NOT_PAID:
        return Answer("failed", f"the rail says {state}", rail_ids=ids)
    return Answer("unknown", f"status query: {code} {description} {state}".strip(), rail_ids=ids)


def _pairs(holder: Any, name: str) -> dict[str, str]:
    """Key and value pairs, given as one object or a list, with values missing or keys repeated (the first counts)."""
    found = holder.get(name) if isinstance(holder, dict) else None
    pairs: dict[str, str] = {}
    for item in found if isinstance(found, list) else [found]:
        if isinstance(item, dict) and "Key" in item:
            pairs.setdefault(str(item["Key"]), str(item.get("Value", "")))
    return pairs


def _amount(values: Mapping[str, str]) -> Money | None:
    text = values.get("TransactionAmount") or values.get("Amount") or ""
    try:
        return Money.parse(Decimal(text), "KES") if text else None
    except (InvalidOperation, Incorrect):
        return None


def _party(values: Mapping[str, str]) -> str | None:
    """The receiver's number: what stands before the dash in "600000 - Upendo Imaging"."""
    text = values.get("ReceiverPartyPublicName") or values.get("CreditPartyName") or ""
    match = re.match(r"\s*([0-9]{5,15})\s*[-–]", text)
    return match.group(1) if match else None
