"""The public doors for callbacks of rails and messengers: the secret in the address is the credential."""

from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl

from kiungo.app.registry import MPESA, TENANT, ConnectorSettings
from kiungo.base.errors import NotFound
from kiungo.connectors.mpesa import webhook as money
from kiungo.connectors.mpesa.webhook import CALLBACK_REFUSED, CallbackAddresses
from kiungo.connectors.sms import webhook as sms
from kiungo.connectors.sms.webhook import SMS_REPORT_REFUSED
from kiungo.domains.vems.notifications.service import apply_report
from kiungo.kernel.database import Database
from kiungo.kernel.http import Request, Response, Route

PUBLIC: Final = (f"POST {money.PATH}", f"POST {sms.PATH}")
FIELDS_MAX: Final = 50
BYTES_MAX: Final = money.BODY_BYTES_MAX
_MONEY: Final = {
    "summary": "A payment rail tells what became of an order",
    "description": "The secret in the path is the credential. Stored before it is understood, each message once.",
    "tags": ["callbacks"],
}
_SMS: Final = {
    "summary": "The SMS aggregator reports the delivery of a message",
    "description": "The secret in the path is the credential. The body is a form.",
    "tags": ["callbacks"],
}


class Callbacks:
    """The handlers. What they take is stored and understood by a job; nobody waits for it."""

    def __init__(self, database: Database, settings: ConnectorSettings) -> None:
        self._database = database
        self._sms = settings.sms
        self._addresses = CallbackAddresses(settings.mpesa) if settings.mpesa else None

    def routes(self) -> list[Route]:
        """Both doors; where nothing is connected behind one, there is nothing at its address."""
        return [
            Route("POST", money.PATH, self.money, public=True, openapi=_MONEY, body_bytes_max=BYTES_MAX),
            Route("POST", sms.PATH, self.report, public=True, openapi=_SMS, body_bytes_max=BYTES_MAX),
        ]

    async def money(self, request: Request) -> Response:
        """POST /callbacks/money/{tenant}/{reference}/{kind}/{secret}"""
        reference, kind, secret = (request.params[name] for name in ("reference", "kind", "secret"))
        if self._addresses is None or request.params["tenant"] != str(TENANT):
            raise NotFound(CALLBACK_REFUSED, "There is nothing at this address")
        self._addresses.check(TENANT, reference, kind, secret, request.call.origin)
        await self._database.write_async(
            lambda unit: money.receive(
                unit, tenant=TENANT, rail=MPESA, reference=reference, kind=kind, body=request.body
            ),
            brief=True,
        )
        return Response.json(money.ACCEPTED)

    async def report(self, request: Request) -> Response:
        """POST /callbacks/sms/{tenant}/{secret}"""
        if self._sms is None or request.params["tenant"] != str(TENANT):
            raise NotFound(SMS_REPORT_REFUSED, "There is nothing at this address")
        sms.check(self._sms, request.params["secret"])
        fields = _form(request.body)
        await self._database.write_async(
            lambda unit: sms.receive(unit, tenant=TENANT, fields=fields, apply=apply_report), brief=True
        )
        return Response.json({"received": True})


def _form(body: bytes) -> Mapping[str, str]:
    """A form's fields. Raises: Incorrect SMS_REPORT_UNREADABLE."""
    try:
        return dict(parse_qsl(body.decode("ascii"), max_num_fields=FIELDS_MAX))
    except ValueError:
        return {}  # an empty report is refused by its reader, with its own words
