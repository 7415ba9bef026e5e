"""A simulated SMS aggregator: takes messages, reports their delivery, refuses numbers, loses answers, by seed.

lost_answer   takes the message, then hangs up     busy        503 before taking it
undelivered   the phone cannot be reached          no_report   the report never comes
"""

from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlencode

from kiungo.base.time import SECOND_US, Clock
from kiungo.kernel.sandbox import Callback, Faults, NoAnswer, TwinRequest, TwinResponse


@dataclass(slots=True)
class SmsTwin:
    """One account. `messages` is what phones would have received: number and text."""

    clock: Clock
    faults: Faults
    username: str = "sandbox"
    api_key: str = "twin-sms-key"
    report_url: str = ""
    report_after_s: float = 2.0
    blacklisted: set[str] = field(default_factory=set)
    messages: list[tuple[str, str]] = field(default_factory=list)
    _waiting: list[Callback] = field(default_factory=list)

    def handle(self, request: TwinRequest) -> TwinResponse:
        """Answer like the aggregator. Raises: NoAnswer."""
        if request.path != "/version1/messaging" or request.method != "POST":
            return TwinResponse.json(404, {})
        if request.headers.get("apikey") != self.api_key:
            return TwinResponse(401, b"The supplied authentication is invalid", {"content-type": "text/plain"})
        if self.faults.strikes("busy"):
            return TwinResponse(503, b"busy", {"content-type": "text/plain"})
        fields = dict(parse_qsl(request.body.decode("utf-8", "replace")))
        number, text = fields.get("to", ""), fields.get("message", "")
        if fields.get("username") != self.username or not text:
            return TwinResponse.json(201, {"SMSMessageData": {"Message": "InvalidRequest", "Recipients": []}})
        if number in self.blacklisted:
            return self._one(number, 406, "UserInBlacklist", "None")
        self.messages.append((number, text))
        message_id = f"ATXid_{len(self.messages):08d}"
        self._report(message_id, number)
        if self.faults.strikes("lost_answer"):
            raise NoAnswer
        return self._one(number, 101, "Success", message_id)

    def take_due(self, now_us: int) -> list[Callback]:
        """Delivery reports due by now."""
        due = [callback for callback in self._waiting if callback.due_us <= now_us]
        self._waiting = [callback for callback in self._waiting if callback.due_us > now_us]
        return due

    def _report(self, message_id: str, number: str) -> None:
        if not self.report_url or self.faults.strikes("no_report"):
            return
        failed = self.faults.strikes("undelivered")
        fields = {"id": message_id, "status": "Failed" if failed else "Success", "phoneNumber": number}
        if failed:
            fields["failureReason"] = "DeliveryFailure"
        headers = {"content-type": "application/x-www-form-urlencoded"}
        due_us = self.clock.now_us() + int(self.report_after_s * SECOND_US)
        self._waiting.append(Callback(due_us, self.report_url, urlencode(fields).encode(), headers))

    def _one(self, number: str, code: int, status: str, message_id: str) -> TwinResponse:
        recipient = {
            "statusCode": code, "number": number, "status": status, "cost": "KES 0.8000", "messageId": message_id,
        }  # fmt: skip
        data = {"Message": "Sent to 1/1 Total Cost: KES 0.8000", "Recipients": [recipient]}
        return TwinResponse.json(201, {"SMSMessageData": data})
