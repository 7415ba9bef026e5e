"""A webhook service on either engine, delivering to loopback with a quick schedule."""

from collections.abc import Callable

import pytest

from kiungo.kernel.clients import EgressPolicy, Timeouts
from kiungo.kernel.database import Database
from kiungo.kernel.secrets import Secrets, new_key, parse_keyring
from kiungo.kernel.webhooks import RetrySchedule, Webhooks, WebhookSettings

EVENTS = frozenset({"claim_status_update", "payment_processed"})
QUICK = RetrySchedule((0.05, 0.1, 0.2), jitter=0.0)


@pytest.fixture
def secrets() -> Secrets:
    return Secrets(parse_keyring(new_key()))


@pytest.fixture
def make_webhooks(secrets: Secrets) -> Callable[..., Webhooks]:
    def make(database: Database, **settings: object) -> Webhooks:
        given = {
            "events": EVENTS,
            "egress": EgressPolicy(allow_loopback=True),
            "schedule": QUICK,
            "timeouts": Timeouts(connect_s=1, read_s=1, total_s=1),
        } | settings
        return Webhooks(database, secrets, WebhookSettings(**given))

    return make
