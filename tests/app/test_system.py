"""The whole system put together: what is open, what is closed, and what never goes into `serve`."""

from pathlib import Path

import pytest

from kiungo.app.flows import WEBHOOK_EVENTS
from kiungo.app.sample_data import GUIDE_KEYS, KEYS, key_texts, load_sample_data
from kiungo.app.system import open_system
from kiungo.domains.payor.events import TOPICS
from kiungo.domains.vems.events import TOPICS as BOOKING_TOPICS
from kiungo.kernel.auth.keys import find_by_secret
from kiungo.kernel.config import load_settings
from kiungo.kernel.database import migrate


@pytest.fixture
def dev(tmp_path: Path):
    settings = load_settings(mode="dev", data_dir=tmp_path, database_url=f"sqlite:///{tmp_path / 'dev.db'}")
    system = open_system(settings)
    yield system
    system.close()


def test_every_event_has_a_line_in_the_flows(dev) -> None:
    assert {*TOPICS, *BOOKING_TOPICS} <= set(dev.outbox._flows)
    assert {"claim_status_update", "payment_processed", "booking_status_update"} == WEBHOOK_EVENTS


def test_every_route_has_a_scope_or_is_listed_as_public(dev) -> None:
    public = {repr(endpoint) for endpoint in dev.site.endpoints if endpoint.public}
    assert "POST /api/claims/" not in public
    assert all(endpoint.scope for endpoint in dev.site.endpoints if not endpoint.public)
    assert not [name for name in public if name.startswith(("GET /api/claims", "GET /fhir/Patient"))]


def test_sample_keys_open_their_roles_and_are_the_same_after_a_restart(dev) -> None:
    keys = load_sample_data(dev)
    assert keys == key_texts(dev.settings) == load_sample_data(dev)
    for sample in KEYS:
        found = dev.database.read(lambda unit, text=keys[sample.name]: find_by_secret(unit, text.encode()))
        assert found is not None
        assert found.name == sample.name
    assert oct((dev.settings.data_dir / "dev-keys.json").stat().st_mode)[-3:] == "600"


def test_the_admin_key_of_the_setting_wins(dev, monkeypatch) -> None:
    monkeypatch.setenv("KIUNGO_DEV_API_KEY", "kgo_the-administrators-own-key")
    settings = load_settings(mode="dev", data_dir=dev.settings.data_dir)
    assert key_texts(settings)["admin"] == "kgo_the-administrators-own-key"


def test_serve_has_no_sample_keys_and_no_open_submission(serving: None, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'serve.db'}"
    migrate(url)
    system = open_system(load_settings(mode="serve", database_url=url))
    try:
        with pytest.raises(AssertionError, match="never"):
            load_sample_data(system)
        for text in GUIDE_KEYS:
            assert system.database.read(lambda unit, text=text: find_by_secret(unit, text.encode())) is None
        assert not system.settings.opens_submission
    finally:
        system.close()


def test_the_claims_records_are_read_only_over_fhir(dev) -> None:
    assert "/api/claims/" in dev.store.reserved["urn:kiungo:payor:claim"]
