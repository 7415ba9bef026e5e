"""The whole system in one readable place: every part, made once, in the order it stands on the others."""

import hashlib
import hmac
from dataclasses import dataclass

from kiungo.app.background import Background
from kiungo.app.flows import WEBHOOK_EVENTS, flows
from kiungo.app.housekeeping import housekeeping
from kiungo.app.routes import site_of
from kiungo.domains.payor.mapping.terms import CLAIM_ID
from kiungo.domains.payor.registers import Registers
from kiungo.domains.payor.review import ReviewDesk
from kiungo.domains.payor.service import Payor
from kiungo.fhir.store import Store
from kiungo.kernel.clients import EgressPolicy
from kiungo.kernel.config import Settings
from kiungo.kernel.database import Database, open_database
from kiungo.kernel.database.migrate import migrate, require_current
from kiungo.kernel.http.front import Front, open_front
from kiungo.kernel.http.site import Site
from kiungo.kernel.outbox import Outbox
from kiungo.kernel.secrets import Keyring, Secrets, open_keyring
from kiungo.kernel.webhooks import SHORTENED, USUAL, Webhooks, WebhookSettings

DEFAULT_PROVIDER_ID = "PROV-001"
LINK_KEY_USE = b"kiungo fhir page links v1"


@dataclass(frozen=True, slots=True)
class System:
    """One installation. `site` is what is served; `background` is what works without being asked."""

    settings: Settings
    database: Database
    secrets: Secrets
    front: Front
    store: Store
    outbox: Outbox
    webhooks: Webhooks
    payor: Payor
    desk: ReviewDesk
    registers: Registers
    background: Background
    site: Site

    def close(self) -> None:
        """Let go of the database, after the site and the background have stopped."""
        self.front.authenticator.close()
        self.database.close()


def open_system(settings: Settings) -> System:
    """Make every part from the settings; nothing runs yet.

    `dev` and `demo` migrate the database; `serve` refuses one that is not at this program's schema.
    Raises: Incorrect (settings), Conflict SCHEMA_BEHIND or SCHEMA_NEWER, Unavailable.
    """
    relaxed = settings.mode != "serve"
    if relaxed:
        migrate(settings.database_url)
    else:
        require_current(settings.database_url)
    setting = settings.secrets_key.get_secret_value() if settings.secrets_key else None
    keyring = open_keyring(setting, settings.data_dir, create=relaxed)
    database = open_database(settings.database_url)

    secrets = Secrets(keyring)
    front = open_front(settings, database, keyring)
    store = Store(
        database,
        front.reads,
        base_url=f"{settings.issuer}/fhir",
        link_key=_link_key(keyring),
        reserved={CLAIM_ID: "the claims API under /api/claims/"},
    )
    webhooks = Webhooks(
        database,
        secrets,
        WebhookSettings(
            events=WEBHOOK_EVENTS,
            egress=EgressPolicy(allow_loopback=relaxed, allowed=settings.outbound_allowed),
            schedule=SHORTENED if settings.mode == "demo" else USUAL,
        ),
    )
    outbox = Outbox(flows(webhooks))
    payor = Payor(database, store.repository, outbox, default_provider_id=DEFAULT_PROVIDER_ID if relaxed else None)
    desk = ReviewDesk(payor)
    registers = Registers(store.repository)
    background = Background(database, webhooks, settings, housekeeping(database, settings))
    site = site_of(front, store, webhooks, payor, desk, registers, background if settings.workers_inside else None)
    return System(
        settings=settings,
        database=database,
        secrets=secrets,
        front=front,
        store=store,
        outbox=outbox,
        webhooks=webhooks,
        payor=payor,
        desk=desk,
        registers=registers,
        background=background,
        site=site,
    )


def _link_key(keyring: Keyring) -> bytes:
    """The key that seals page links: derived, so that links hold across restarts and processes."""
    return hmac.new(keyring.keys[keyring.primary], LINK_KEY_USE, hashlib.sha256).digest()
