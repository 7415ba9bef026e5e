"""The authority's twin, in steps."""

from collections.abc import Iterator
from random import Random

import httpx
import pytest

from kiungo.base.time import Clock, TurnedClock
from kiungo.connectors.sha.client import ShaClient
from kiungo.connectors.sha.connector import ShaPayer
from kiungo.connectors.sha.settings import ShaSettings
from kiungo.connectors.sha.twin import ShaTwin
from kiungo.kernel.sandbox import Faults, SteppedTransport


def settings_for(twin: ShaTwin, **changes: object) -> ShaSettings:
    return ShaSettings(
        **{
            "base_url": "http://twin.test",
            "client_id": twin.client_id,
            "client_secret": twin.client_secret,
            **changes,
        }
    )


def stepped_payer(twin: ShaTwin, clock: Clock, http: httpx.Client, **changes: object) -> ShaPayer:
    settings = settings_for(twin, **changes)
    return ShaPayer(ShaClient(http, settings, clock), settings)


@pytest.fixture
def twin(clock: TurnedClock) -> ShaTwin:
    return ShaTwin(clock, Faults(Random(5)))


@pytest.fixture
def payer(twin: ShaTwin, clock: TurnedClock) -> Iterator[ShaPayer]:
    with httpx.Client(transport=SteppedTransport(twin)) as http:
        yield stepped_payer(twin, clock, http)
