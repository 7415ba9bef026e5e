"""The whole system in one readable place: every part, made once, in the order it stands on the others."""

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from kiungo.app.background import Background
from kiungo.app.callbacks import Callbacks
from kiungo.app.flows import WEBHOOK_EVENTS, flows
from kiungo.app.housekeeping import TENANT, Housekeeping, Schedule, housekeeping
from kiungo.app.money import SCHEDULES as MONEY_SCHEDULES
from kiungo.app.money import Money, open_money
from kiungo.app.registry import Connected, ConnectorSettings, connect, connector_settings
from kiungo.app.reserved import RESERVED
from kiungo.app.routes import site_of
from kiungo.app.server import own_url
from kiungo.base.money import Money as Amount
from kiungo.domains.payor.registers import Registers
from kiungo.domains.payor.review import ReviewDesk
from kiungo.domains.payor.service import Payor
from kiungo.domains.vems.lookup import BookingLookup
from kiungo.domains.vems.model import CURRENCY
from kiungo.domains.vems.polling import START as START_FOLLOWING
from kiungo.domains.vems.rules.following import FollowPolicy
from kiungo.domains.vems.service import Vems, open_vems
from kiungo.fhir.own_parameters import reindexing
from kiungo.fhir.store import Store
from kiungo.fhir.views import exports
from kiungo.kernel.clients import EgressPolicy
from kiungo.kernel.config import Settings
from kiungo.kernel.database import Database, open_database
from kiungo.kernel.database.migrate import migrate, require_current
from kiungo.kernel.http.front import Front, open_front
from kiungo.kernel.http.site import Site
from kiungo.kernel.outbox import Outbox, Subscriber
from kiungo.kernel.secrets import Keyring, Secrets, open_keyring
from kiungo.kernel.webhooks import SHORTENED, USUAL, Webhooks, WebhookSettings

DEFAULT_PROVIDER_ID = "PROV-001"
VEMS_SCHEDULES: tuple[Schedule, ...] = (("vems.following", "* * * * *", START_FOLLOWING),)
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
    vems: Vems
    money: Money
    outside: Connected
    background: Background
    site: Site

    def close(self) -> None:
        """Let go of the outside and the database, after the site and the background have stopped."""
        self.front.authenticator.close()
        self.vems.people.close()
        self.outside.close()
        self.database.close()


def open_system(settings: Settings, connectors: ConnectorSettings | None = None) -> System:
    """Make every part from the settings; nothing runs yet.

    `connectors` are the outside systems; when None, those of the environment.
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
        reserved=RESERVED,
    )
    egress = _egress(settings, relaxed=relaxed)
    outside = connect(connectors or connector_settings(), database, keyring, egress)
    webhooks = _webhooks(settings, database, secrets, egress)
    # The parts need the outbox and the outbox needs who hears of them: the table is filled when all are there.
    table: dict[str, Sequence[Subscriber]] = {}
    outbox = Outbox(table)
    provider_id = DEFAULT_PROVIDER_ID if relaxed else None
    payor = Payor(database, store.repository, outbox, default_provider_id=provider_id, bookings=BookingLookup())
    desk = ReviewDesk(payor)
    registers = Registers(store.repository)
    vems = _vems(database, store, outbox, outside)
    money = open_money(database, outbox, outside)
    table.update(flows(webhooks, vems, money))
    background = Background(database, webhooks, settings, _by_the_clock(settings, database, store, vems, money))
    doors = Callbacks(database, outside.settings)
    inside = background if settings.workers_inside else None
    site = site_of(front, store, webhooks, payor, desk, registers, vems, money, doors, inside)
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
        vems=vems,
        money=money,
        outside=outside,
        background=background,
        site=site,
    )


def _egress(settings: Settings, *, relaxed: bool) -> EgressPolicy:
    """Whom we may call. On a laptop the platform calls itself, wherever it listens."""
    own = (urlsplit(own_url(settings)).hostname or "",) if relaxed else ()
    return EgressPolicy(allow_loopback=relaxed, allowed=(*settings.outbound_allowed, *own))


def _webhooks(settings: Settings, database: Database, secrets: Secrets, egress: EgressPolicy) -> Webhooks:
    """The webhooks; the demo's receivers are given up on sooner, so that its story sees it."""
    schedule = SHORTENED if settings.mode == "demo" else USUAL
    return Webhooks(database, secrets, WebhookSettings(events=WEBHOOK_EVENTS, egress=egress, schedule=schedule))


def _vems(database: Database, store: Store, outbox: Outbox, outside: Connected) -> Vems:
    """Bookings, on the registry and the payers that are connected."""
    follow = outside.settings.follow
    policy = FollowPolicy(
        interval_s=follow.interval_s,
        tick_s=follow.tick_s,
        backoff_s_max=follow.backoff_s_max,
        deadline_days=follow.deadline_days,
        submit_on=follow.submit_on,
    )
    return open_vems(
        database,
        store.repository,
        outbox,
        registry=outside.registry,
        payers=outside.payers,
        payer_of_mode=outside.payer_of_mode,
        policy=policy,
        alone_max=Amount.parse(outside.settings.settle.alone_max, CURRENCY),
    )


def _by_the_clock(settings: Settings, database: Database, store: Store, vems: Vems, money: Money) -> Housekeeping:
    """The platform's own housekeeping, and what bookings and their money do by themselves."""
    return housekeeping(database, settings).with_more(
        {**vems.jobs(), **money.handlers, **reindexing.jobs(database, store.repository.own), **exports.jobs(database)},
        (*VEMS_SCHEDULES, *MONEY_SCHEDULES, exports.SCHEDULE),
        (
            lambda unit: vems.claims.poller.ensure(unit, TENANT),
            lambda unit: reindexing.ensure_standard(unit, TENANT),
        ),
    )


def _link_key(keyring: Keyring) -> bytes:
    """The key that seals page links: derived, so that links hold across restarts and processes."""
    return hmac.new(keyring.keys[keyring.primary], LINK_KEY_USE, hashlib.sha256).digest()
