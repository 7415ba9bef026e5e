"""A twin, and a rail that reaches it in steps or over real HTTP."""

import os
from collections.abc import Iterator
from random import Random

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from kiungo.base.time import TurnedClock
from kiungo.connectors.mpesa.client import DarajaClient
from kiungo.connectors.mpesa.connector import MpesaRail
from kiungo.connectors.mpesa.settings import MpesaSettings
from kiungo.connectors.mpesa.twin import MpesaTwin
from kiungo.kernel.database import Database
from kiungo.kernel.sandbox import Faults, SteppedTransport
from kiungo.kernel.secrets import Keyring
from kiungo.kernel.tokens import TokenKeeper

KEYRING = Keyring("k1", {"k1": os.urandom(32)})


def settings_for(twin: MpesaTwin, **changes: object) -> MpesaSettings:
    return MpesaSettings(
        **{
            "base_url": "http://twin.test",
            "consumer_key": twin.consumer_key,
            "consumer_secret": twin.consumer_secret,
            "shortcode": twin.shortcode,
            "initiator": twin.initiator,
            "initiator_password": twin.password,
            "certificate": twin.certificate,
            "callback_url": "http://us.test",
            "callback_key": "k" * 32,
            **changes,
        }
    )


@pytest.fixture(scope="session")
def twin_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65_537, 2_048)


@pytest.fixture
def twin(clock: TurnedClock, twin_key: rsa.RSAPrivateKey) -> MpesaTwin:
    return MpesaTwin(clock, Faults(Random(1)), private_key=twin_key)


@pytest.fixture
def tokens(stepped_database: Database) -> TokenKeeper:
    return TokenKeeper(stepped_database, KEYRING, 1, "mpesa")


@pytest.fixture
def rail(twin: MpesaTwin, tokens: TokenKeeper) -> Iterator[MpesaRail]:
    settings = settings_for(twin)
    with httpx.Client(transport=SteppedTransport(twin)) as http:
        yield MpesaRail(DarajaClient(http, settings, tokens), settings, tenant=1)
