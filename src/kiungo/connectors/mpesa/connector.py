"""M-Pesa as a payment rail: one order at a time, accepted is not paid, and nothing is ever sent again."""

from collections.abc import Mapping

from kiungo.connectors.mpesa import mapping, statement
from kiungo.connectors.mpesa.client import DarajaClient
from kiungo.connectors.mpesa.settings import MpesaSettings
from kiungo.connectors.mpesa.webhook import CallbackAddresses
from kiungo.ports.payment import AccountStatement, Answer, Batch, Capabilities, Notice, Order


class MpesaRail:
    """The rail of one short code, for one tenant."""

    def __init__(self, client: DarajaClient, settings: MpesaSettings, *, tenant: int, rail: str = "mpesa") -> None:
        self._client = client
        self._settings = settings
        self._tenant = tenant
        self._addresses = CallbackAddresses(settings)
        self._capabilities = Capabilities(
            rail=rail,
            currency="KES",
            destinations=frozenset({"wallet", "shortcode", "till"}),
            amount_max_minor=settings.b2b_shillings_max * mapping.SHILLING_MINOR,
            amount_max_by_kind={"wallet": settings.b2c_shillings_max * mapping.SHILLING_MINOR},
            whole_units=True,
        )

    @property
    def capabilities(self) -> Capabilities:
        """Whole shillings, one order at a time."""
        return self._capabilities

    def submit(self, batch: Batch) -> Mapping[str, Answer]:
        """Submit each order once."""
        return {order.reference: self._submit(order) for order in batch.orders}

    def query(self, order: Order, rail_ids: Mapping[str, str]) -> Answer:
        """Ask by the ids we hold. A payment to a business whose answer was lost has none: then nobody can be asked."""
        originator = rail_ids.get("originator_conversation_id", "")
        if not originator and mapping.is_to_phone(order):
            originator = order.reference
        if not originator:
            return Answer("unknown", "the answer with the rail's id was lost; only a callback or statement can tell")
        urls = self._addresses.urls(self._tenant, order.reference)
        body = mapping.status_body(originator, "", self._settings, self._client.security_credential(), urls)
        return mapping.read_query_acceptance(self._client.post(mapping.STATUS_PATH, body))

    def read_statements(self, body: bytes, context: Mapping[str, str]) -> tuple[AccountStatement, ...]:
        """The organisation's statement as the portal exports it. Raises: Incorrect."""
        return (statement.read(body, self._settings.shortcode),)

    def read_notices(self, body: bytes, context: Mapping[str, str]) -> tuple[Notice, ...]:
        """A callback in our words. Raises: Incorrect CALLBACK_UNREADABLE."""
        return (mapping.read_callback(body, context["reference"], context["kind"]),)

    def _submit(self, order: Order) -> Answer:
        credential = self._client.security_credential()
        urls = self._addresses.urls(self._tenant, order.reference)
        if mapping.is_to_phone(order):
            reply = self._client.post(mapping.B2C_PATH, mapping.b2c_body(order, self._settings, credential, urls))
            return mapping.read_submission(reply, repeated_is_known=True)
        reply = self._client.post(mapping.B2B_PATH, mapping.b2b_body(order, self._settings, credential, urls))
        return mapping.read_submission(reply, repeated_is_known=False)
