"""Configuration is tested first: missing, empty, wrong, unknown."""

import os

import pytest

from kiungo.base.errors import Incorrect
from kiungo.kernel.config import Settings, load_settings


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("KIUNGO_")]:
        monkeypatch.delenv(name)


def refusal(**overrides: object) -> Incorrect:
    with pytest.raises(Incorrect) as caught:
        load_settings(**overrides)
    return caught.value


def test_dev_needs_nothing() -> None:
    settings = load_settings()
    assert settings.mode == "dev"
    assert settings.opens_submission
    assert settings.issuer == "http://127.0.0.1:8000"


def test_serve_names_each_missing_key() -> None:
    error = refusal(mode="serve")
    assert [detail.field for detail in error.details] == ["KIUNGO_SIGNING_KEY", "KIUNGO_SECRETS_KEY"]
    assert "openssl" in error.details[0].message


def test_serve_closes_open_submission_unless_told(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = {"signing_key": "x", "secrets_key": "y"}
    assert not load_settings(mode="serve", **keys).opens_submission
    monkeypatch.setenv("KIUNGO_OPEN_SUBMISSION", "true")
    assert load_settings(mode="serve", **keys).opens_submission


def test_cookies_are_for_https_alone_under_serve_unless_its_address_is_stated_as_http() -> None:
    keys = {"signing_key": "x", "secrets_key": "y"}
    assert load_settings(mode="serve", **keys).cookies_need_https
    assert load_settings(mode="serve", public_url="https://claims.example.org", **keys).cookies_need_https
    assert not load_settings(mode="serve", public_url="http://claims.hospital.local", **keys).cookies_need_https
    assert not load_settings(mode="dev").cookies_need_https
    assert load_settings(mode="dev", public_url="https://laptop.example.org").cookies_need_https


def test_an_empty_value_is_refused_where_a_value_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KIUNGO_DATABASE_URL", "  ")
    error = refusal()
    assert error.field == "KIUNGO_DATABASE_URL"
    assert "empty" in error.message


def test_an_empty_optional_value_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KIUNGO_DEV_API_KEY", "")
    assert load_settings().dev_api_key is None


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("KIUNGO_DATABASE_URL", "mysql://x", "sqlite:///"),
        ("KIUNGO_PORT", "eighty", "integer"),
        ("KIUNGO_PORT", "70000", "65535"),
        ("KIUNGO_MODE", "production", "serve"),
        ("KIUNGO_AUDIT_FLUSH_MS", "51", "50"),
        ("KIUNGO_PUBLIC_URL", "claims.example.org", "https://"),
        ("KIUNGO_CORS_ORIGINS", "https://portal.example.org", "JSON"),
        ("KIUNGO_CORS_ORIGINS", '["https://portal.example.org/path"]', "origin"),
        ("KIUNGO_TRUSTED_PROXIES", '["10.0.0.300/8"]', "10.0.0.300"),
        ("KIUNGO_AUDIT_SEAL_KEY", "short", "32"),
    ],
)
def test_a_wrong_value_is_named_with_the_way_out(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, said: str
) -> None:
    monkeypatch.setenv(variable, value)
    error = refusal()
    assert error.field == variable
    assert said in error.message


def test_a_mistyped_variable_is_refused_with_the_right_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KIUNGO_DATABSE_URL", "sqlite:///x")
    assert "did you mean KIUNGO_DATABASE_URL?" in refusal().message


def test_a_secret_is_neither_repeated_nor_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KIUNGO_AUDIT_SEAL_KEY", "hush-hush")
    assert "hush" not in refusal().message
    monkeypatch.setenv("KIUNGO_AUDIT_SEAL_KEY", "hush-hush-" * 4)
    assert "hush" not in repr(load_settings())


def test_every_setting_is_described() -> None:
    assert [name for name, info in Settings.model_fields.items() if not info.description] == []
