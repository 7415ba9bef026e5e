"""The registry's twin, in steps and over real HTTP."""

from collections.abc import Iterator
from random import Random

import httpx
import pytest

from kiungo.base.time import SystemClock, TurnedClock
from kiungo.connectors.afyalink.client import AfyaLinkClient
from kiungo.connectors.afyalink.connector import AfyaLinkRegistry
from kiungo.connectors.afyalink.settings import AfyaLinkSettings
from kiungo.connectors.afyalink.twin import AfyaLinkTwin
from kiungo.kernel.sandbox import Faults, Served, SteppedTransport, serve


def settings_for(twin: AfyaLinkTwin, **changes: object) -> AfyaLinkSettings:
    return AfyaLinkSettings(
        **{
            "base_url": "http://twin.test",
            "username": twin.username,
            "password": twin.password,
            "consumer_key": twin.consumer_key,
            "agent": twin.agent,
            **changes,
        }
    )


@pytest.fixture
def twin(clock: TurnedClock) -> AfyaLinkTwin:
    return AfyaLinkTwin(clock, Faults(Random(7)), pause=lambda seconds: clock.turn(seconds=seconds))


@pytest.fixture
def registry(twin: AfyaLinkTwin) -> Iterator[AfyaLinkRegistry]:
    with httpx.Client(transport=SteppedTransport(twin)) as http:
        yield AfyaLinkRegistry(AfyaLinkClient(http, settings_for(twin)))


@pytest.fixture
def live() -> Iterator[tuple[AfyaLinkTwin, Served]]:
    """The twin on a port, with the machine's clock."""
    clock = SystemClock()
    twin = AfyaLinkTwin(clock, Faults(Random(7)))
    served = serve({"afyalink": twin}, clock)
    yield twin, served
    served.close()
