"""A simulator of Daraja: tokens, asynchronous results, and everything that goes wrong with them, by seed.

lost_answer      acts, then hangs up             late_result       the result comes hours later
lost_request     hangs up before acting          dropped_result    the result never comes
server_error     500 after acting                duplicate_result  the result comes twice, apart
spike_arrest     500.003.02, not taken           timeout_first     QueueTimeOut now, the result later
token_lost       the token is invalid at once    forged_result     someone claims another amount
reordered        the result waits a random while
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from kiungo.base.time import SECOND_US, Clock, from_us
from kiungo.kernel import json
from kiungo.kernel.sandbox import Callback, Faults, NoAnswer, TwinRequest, TwinResponse

TOKEN_LIFETIME_S = 3_599
PASSWORD_ATTEMPTS_MAX = 3
RESULT_AFTER_S = 2.0
RECEIPT_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ0123456789"
NAIROBI = timedelta(hours=3)


@dataclass(slots=True)
class Payment:
    """A payment that really happened. Units: whole shillings."""

    receipt: str
    originator_id: str
    conversation_id: str
    party: str
    reference: str
    shillings: int
    made_us: int


@dataclass(slots=True)
class MpesaTwin:
    """One organisation's account at the vendor. `payments` is the truth tests compare with. Units: seconds."""

    clock: Clock
    faults: Faults
    shortcode: str = "600100"
    consumer_key: str = "twin-key"
    consumer_secret: str = "twin-secret"  # noqa: S105 - the twin's own, of no use anywhere else
    initiator: str = "kiungo"
    password: str = "Twin#2026"  # noqa: S105 - the same
    balance_shillings: int = 10_000_000
    result_after_s: float = RESULT_AFTER_S
    opening_shillings: int = field(init=False)
    closed_parties: set[str] = field(default_factory=set)
    private_key: rsa.RSAPrivateKey = field(default_factory=lambda: rsa.generate_private_key(65_537, 2_048))
    payments: list[Payment] = field(default_factory=list)
    requests: int = 0
    locked: bool = False
    _token: str = ""
    _token_until_us: int = 0
    _wrong_passwords: int = 0
    _originators: set[str] = field(default_factory=set)
    _outcomes: dict[str, tuple[str, str]] = field(default_factory=dict)
    _waiting: list[Callback] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.opening_shillings = self.balance_shillings

    @property
    def certificate(self) -> str:
        """The public key operators seal their password with, in PEM."""
        key = self.private_key.public_key()
        return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    def handle(self, request: TwinRequest) -> TwinResponse:
        """Answer like the vendor. Raises: NoAnswer."""
        if request.path == "/oauth/v1/generate":
            return self._generate_token(request)
        if request.path == "/portal/statement.csv" and request.method == "GET":
            return TwinResponse(200, self.statement_csv(), {"content-type": "text/csv"})
        handlers = {
            "/mpesa/b2b/v1/paymentrequest": self._b2b,
            "/mpesa/b2c/v3/paymentrequest": self._b2c,
            "/mpesa/transactionstatus/v1/query": self._status,
        }
        handler = handlers.get(request.path)
        if handler is None or request.method != "POST":
            return self._error(404, "404.001.01", "Resource not found")
        if not self._token_is_good(request):
            return self._error(401, "404.001.03", "Invalid Access Token")
        try:
            body = json.loads(request.body)
        except Exception:  # whatever the body is, the vendor's answer is the same
            return self._error(400, "400.002.02", "Bad Request - Invalid Body")
        return handler(body)

    def take_due(self, now_us: int) -> list[Callback]:
        """Callbacks due by now, each once."""
        due = sorted((c for c in self._waiting if c.due_us <= now_us), key=lambda callback: callback.due_us)
        self._waiting = [c for c in self._waiting if c.due_us > now_us]
        return due

    def next_due_us(self) -> int | None:
        """When the next callback is due."""
        return min((callback.due_us for callback in self._waiting), default=None)

    def statement_csv(self) -> bytes:
        """The organisation's statement as the portal exports it: one row for each payment, oldest first."""
        lines = ["Receipt No.,Completion Time,Details,Transaction Status,Paid In,Withdrawn,Balance,A/C No.,Other Party"]
        balance = self.opening_shillings
        for payment in self.payments:
            balance -= payment.shillings
            moment = (from_us(payment.made_us) + NAIROBI).strftime("%d-%m-%Y %H:%M:%S")
            lines.append(
                f"{payment.receipt},{moment},Business Payment to {payment.party},Completed,,-{payment.shillings}.00,"
                f"{balance}.00,{payment.reference},{payment.party}"
            )
        return ("\r\n".join(lines) + "\r\n").encode()

    def _generate_token(self, request: TwinRequest) -> TwinResponse:
        expected = base64.b64encode(f"{self.consumer_key}:{self.consumer_secret}".encode()).decode()
        if request.headers.get("authorization") != f"Basic {expected}":
            return self._error(400, "400.008.01", "Invalid Authentication passed")
        self._token = self._letters(28)
        self._token_until_us = self.clock.now_us() + TOKEN_LIFETIME_S * SECOND_US
        # Seen as a string in some answers and as a number in others.
        lifetime: Any = str(TOKEN_LIFETIME_S) if self.faults.rng.random() < 0.5 else TOKEN_LIFETIME_S
        return TwinResponse.json(200, {"access_token": self._token, "expires_in": lifetime})

    def _token_is_good(self, request: TwinRequest) -> bool:
        if self.faults.strikes("token_lost"):
            self._token = ""
        given = request.headers.get("authorization", "")
        return bool(self._token) and given == f"Bearer {self._token}" and self.clock.now_us() < self._token_until_us

    def _b2b(self, body: Mapping[str, Any]) -> TwinResponse:
        required = (
            "Initiator", "SecurityCredential", "CommandID", "SenderIdentifierType", "RecieverIdentifierType", "Amount",
            "PartyA", "PartyB", "AccountReference", "Remarks", "QueueTimeOutURL", "ResultURL",
        )  # fmt: skip
        reference = str(body.get("AccountReference", ""))
        if len(reference) > 13 or body.get("CommandID") not in ("BusinessPayBill", "BusinessBuyGoods"):
            return self._error(400, "400.002.02", "Bad Request - Invalid AccountReference or CommandID")
        originator = f"{self._number(5)}-{self._number(8)}-1"
        return self._payment(body, required, originator, reference)

    def _b2c(self, body: Mapping[str, Any]) -> TwinResponse:
        required = (
            "OriginatorConversationID", "InitiatorName", "SecurityCredential", "CommandID", "Amount", "PartyA",
            "PartyB", "Remarks", "QueueTimeOutURL", "ResultURL",
        )  # fmt: skip
        originator = str(body.get("OriginatorConversationID", ""))
        if originator in self._originators:
            return self._error(500, "500.002.1001", "Duplicate OriginatorConversationID.")
        if not str(body.get("PartyB", "")).startswith("254") or len(str(body.get("PartyB"))) != 12:
            return self._error(400, "400.002.02", "Bad Request - Invalid PartyB")
        return self._payment(body, required, originator, originator)

    def _payment(
        self, body: Mapping[str, Any], required: tuple[str, ...], originator: str, reference: str
    ) -> TwinResponse:
        self.requests += 1
        if self.faults.strikes("spike_arrest"):
            return self._error(500, "500.003.02", "Error Occurred: Spike Arrest Violation")
        if self.faults.strikes("lost_request"):
            raise NoAnswer
        missing = [name for name in required if name not in body]
        if missing:
            return self._error(400, "400.002.02", f"Bad Request - Invalid {missing[0]}")
        if type(body["Amount"]) is not int or body["Amount"] <= 0 or body["PartyA"] != self.shortcode:
            return self._error(400, "400.002.02", "Bad Request - Invalid Amount or PartyA")
        self._originators.add(originator)
        conversation = f"AG_{from_us(self.clock.now_us()):%Y%m%d}_{self._letters(20).lower()}"
        self._decide(body, originator, conversation, reference)
        if self.faults.strikes("lost_answer"):
            raise NoAnswer
        if self.faults.strikes("server_error"):
            return self._error(500, "500.001.1001", "Internal Server Error")
        return TwinResponse.json(
            200,
            {
                "ConversationID": conversation,
                "OriginatorConversationID": originator,
                "ResponseCode": "0",
                "ResponseDescription": "Accept the service request successfully.",
            },
        )

    def _decide(self, body: Mapping[str, Any], originator: str, conversation: str, reference: str) -> None:
        """Pay or refuse, and let the result fall due."""
        shillings, party = body["Amount"], str(body["PartyB"])
        failure = self._failure(str(body["SecurityCredential"]), party, shillings)
        receipt = "OAK0000000"
        if failure is None:
            receipt = self._letters(10)
            self.balance_shillings -= shillings
            self.payments.append(
                Payment(receipt, originator, conversation, party, reference, shillings, self.clock.now_us())
            )
        self._outcomes[originator] = (conversation, receipt)
        result: dict[str, Any] = {
            "ResultType": 0,
            "ResultCode": failure[0] if failure else 0,
            "ResultDesc": failure[1] if failure else "The service request is processed successfully.",
            "OriginatorConversationID": originator,
            "ConversationID": conversation,
            "TransactionID": receipt,
            "ReferenceData": {"ReferenceItem": [{"Key": "QueueTimeoutURL", "Value": body["QueueTimeOutURL"]}]},
        }
        if "AccountReference" in body:
            result["ReferenceData"]["ReferenceItem"].append({"Key": "BillReferenceNumber", "Value": reference})
        if failure is None:
            result["ResultParameters"] = {"ResultParameter": self._parameters(body, receipt, party, shillings)}
        self._send_result(body, result)

    def _failure(self, credential: str, party: str, shillings: int) -> tuple[Any, str] | None:
        if self.locked or self.faults.strikes("locked_credential"):
            self.locked = True
            return 8006, "The security credential is locked."
        try:
            password = self.private_key.decrypt(base64.b64decode(credential), padding.PKCS1v15()).decode("latin-1")
        except ValueError:
            password = ""
        if password != self.password:
            self._wrong_passwords += 1
            self.locked = self._wrong_passwords >= PASSWORD_ATTEMPTS_MAX
            return "2001", "The initiator information is invalid."
        if party in self.closed_parties:
            return "SFC_IC0003", "The operator does not exist."
        if shillings > self.balance_shillings:
            return 1, "The balance is insufficient for the transaction."
        return None

    def _parameters(self, body: Mapping[str, Any], receipt: str, party: str, shillings: int) -> list[dict[str, Any]]:
        local = from_us(self.clock.now_us()) + NAIROBI
        if "AccountReference" not in body:
            return [
                {"Key": "TransactionAmount", "Value": shillings},
                {"Key": "TransactionReceipt", "Value": receipt},
                {"Key": "ReceiverPartyPublicName", "Value": f"{party} - Twin Payee"},
                {"Key": "TransactionCompletedDateTime", "Value": f"{local:%d.%m.%Y %H:%M:%S}"},
                {"Key": "B2CChargesPaidAccountAvailableFunds"},
            ]
        return [
            {"Key": "DebitPartyName", "Value": f"{self.shortcode} - Kiungo"},
            {"Key": "DebitPartyName", "Value": self.shortcode},
            {"Key": "Amount", "Value": f"{shillings}.00"},
            {"Key": "ReceiverPartyPublicName", "Value": f"{party}– Twin Payee"},
            {"Key": "TransCompletedTime", "Value": f"{local:%Y%m%d%H%M%S}"},
            {"Key": "DebitPartyCharges"},
            {"Key": "Currency", "Value": "KES"},
            {
                "Key": "DebitPartyAffectedAccountBalance",
                "Value": f"Working Account|KES|{self.balance_shillings}.00|{self.balance_shillings}.00|0.00|0.00",
            },
        ]

    def _send_result(self, body: Mapping[str, Any], result: dict[str, Any]) -> None:
        now_us, rng = self.clock.now_us(), self.faults.rng
        after_s = self.result_after_s
        if self.faults.strikes("late_result"):
            after_s = rng.uniform(3_600, 30_000)
        elif self.faults.strikes("reordered"):
            after_s = rng.uniform(0, 120)
        content = json.dumps({"Result": result})
        if self.faults.strikes("timeout_first"):
            late = {"ResultCode": 1, "ResultDesc": "Queue timeout", "OriginatorConversationID": ""}
            self._waiting.append(Callback(now_us + SECOND_US, body["QueueTimeOutURL"], json.dumps({"Result": late})))
            after_s += 60
        if self.faults.strikes("forged_result"):
            self._forge(body, result, now_us)
        if self.faults.strikes("dropped_result"):
            return
        due_us = now_us + int(after_s * SECOND_US)
        self._waiting.append(Callback(due_us, body["ResultURL"], content))
        if self.faults.strikes("duplicate_result"):
            again_us = due_us + int(rng.uniform(1, 300) * SECOND_US)
            self._waiting.append(Callback(again_us, body["ResultURL"], content))
            # The same news in other bytes: deduplication by bytes alone would not notice.
            reworded = json.dumps({"Result": {**result, "ResultDesc": "Processed."}})
            self._waiting.append(Callback(again_us + SECOND_US, body["ResultURL"], reworded))

    def _forge(self, body: Mapping[str, Any], result: Mapping[str, Any], now_us: int) -> None:
        """Somebody who guessed at the address, and somebody who knows it and claims another amount."""
        paid = {**result, "ResultCode": 0, "TransactionID": "FAKE" + self._letters(6)}
        paid["ResultParameters"] = {"ResultParameter": [{"Key": "Amount", "Value": f"{body['Amount'] + 1}.00"}]}
        content = json.dumps({"Result": paid})
        guessed = body["ResultURL"].rsplit("/", 1)[0] + "/" + "A" * 32
        self._waiting.append(Callback(now_us, guessed, content))
        self._waiting.append(Callback(now_us, body["ResultURL"], content))

    def _status(self, body: Mapping[str, Any]) -> TwinResponse:
        if self.faults.strikes("spike_arrest"):
            return self._error(500, "500.003.02", "Error Occurred: Spike Arrest Violation")
        asked = str(body.get("OriginatorConversationID", ""))
        paid = next((payment for payment in self.payments if payment.originator_id == asked), None)
        result: dict[str, Any] = {
            "ResultType": 0,
            "ResultCode": 0,
            "ResultDesc": "The service request is processed successfully.",
            "OriginatorConversationID": f"{self._number(5)}-{self._number(8)}-2",
            "ConversationID": "AG_" + self._letters(20).lower(),
            "TransactionID": "OAK0000000",
        }
        if paid is not None:
            result["ResultParameters"] = {
                "ResultParameter": [
                    {"Key": "ReceiptNo", "Value": paid.receipt},
                    {"Key": "TransactionStatus", "Value": "Completed"},
                    {"Key": "Amount", "Value": f"{paid.shillings}.00"},
                    {"Key": "CreditPartyName", "Value": f"{paid.party} - Twin Payee"},
                    {"Key": "OriginatorConversationID", "Value": paid.originator_id},
                ]
            }
        elif asked in self._outcomes:
            result["ResultParameters"] = {"ResultParameter": {"Key": "TransactionStatus", "Value": "Failed"}}
        else:
            result.update(ResultCode=2032, ResultDesc="The transaction does not exist.")
        due_us = self.clock.now_us() + int(self.result_after_s * SECOND_US)
        self._waiting.append(Callback(due_us, body["ResultURL"], json.dumps({"Result": result})))
        return TwinResponse.json(200, {"ResponseCode": "0", "ResponseDescription": "Accepted"})

    def _error(self, status: int, code: str, message: str) -> TwinResponse:
        return TwinResponse.json(
            status, {"requestId": self._number(12), "errorCode": code, "errorMessage": message}
        )  # fmt: skip

    def _letters(self, count: int) -> str:
        return "".join(self.faults.rng.choices(RECEIPT_LETTERS, k=count))

    def _number(self, digits: int) -> str:
        return str(self.faults.rng.randrange(10 ** (digits - 1), 10**digits))
