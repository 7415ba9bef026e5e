"""Secrets at rest: sealed for one tenant and name, re-sealed when the key changes, never in plain sight."""

import base64
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kiungo.base.errors import Fault, Incorrect, NotFound
from kiungo.kernel.database import Database
from kiungo.kernel.secrets import Keyring, Secrets, new_key, open_keyring, parse_keyring

# Fixed, so that parallel test processes name their cases alike.
OLD, NEW = (f"{name}:{base64.b64encode(name.encode() * 11)[:43].decode()}=" for name in ("old", "new"))
KEYRING = parse_keyring(OLD)


@given(value=st.binary(max_size=200), tenant=st.integers(1, 10**6), name=st.text(max_size=40))
def test_what_is_sealed_opens_again_and_hides_its_value(value: bytes, tenant: int, name: str) -> None:
    try:
        name.encode()
    except UnicodeEncodeError:
        return
    envelope = KEYRING.seal(tenant, name, value)
    assert envelope.startswith("v1.old.")
    assert KEYRING.open(tenant, name, envelope) == value
    assert envelope != KEYRING.seal(tenant, name, value)


def test_an_envelope_opens_only_where_it_was_sealed() -> None:
    envelope = KEYRING.seal(1, "webhook/a", b"value")
    other_key = Keyring("old", parse_keyring(new_key("old")).keys)
    altered = envelope[:-6] + ("AAAAAA" if envelope[-6:] != "AAAAAA" else "BBBBBB")
    for keyring, tenant, name, text in (
        (KEYRING, 2, "webhook/a", envelope),
        (KEYRING, 1, "webhook/b", envelope),
        (KEYRING, 1, "webhook/a", altered),
        (KEYRING, 1, "webhook/a", "v1.old."),
        (KEYRING, 1, "webhook/a", "v1.old.!"),
        (KEYRING, 1, "webhook/a", "v2" + envelope[2:]),
        (KEYRING, 1, "webhook/a", ""),
        (other_key, 1, "webhook/a", envelope),
        (parse_keyring(NEW), 1, "webhook/a", envelope),
    ):
        with pytest.raises(Fault) as refusal:
            keyring.open(tenant, name, text)
        assert refusal.value.code == "SECRET_UNREADABLE"
        assert "value" not in refusal.value.message


def test_the_tenant_cannot_run_into_the_name() -> None:
    envelope = KEYRING.seal(1, "2/a", b"value")
    with pytest.raises(Fault):
        KEYRING.open(12, "/a", envelope)


@pytest.mark.parametrize(
    "text",
    ["", "k1", "k1:", "k1:c2hvcnQ=", ":" + OLD.split(":")[1], "K 1:" + OLD.split(":")[1], f"{OLD},{OLD}", f"{OLD},",
     "k1:\u00e9", OLD + "x"],
)  # fmt: skip
def test_a_malformed_keyring_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(Incorrect) as refusal:
        parse_keyring(text)
    assert refusal.value.field == "KIUNGO_SECRETS_KEY"
    assert OLD.split(":")[1][:10] not in refusal.value.message


def test_keys_do_not_show_in_a_repr() -> None:
    assert repr(parse_keyring(f"{NEW}, {OLD}")) == "Keyring(primary='new', 2 keys)"


def test_the_setting_wins_and_serve_makes_no_key(tmp_path: Path) -> None:
    assert open_keyring(NEW, tmp_path, create=True).primary == "new"
    assert list(tmp_path.iterdir()) == []
    for setting in (None, "", "  "):
        with pytest.raises(Incorrect) as refusal:
            open_keyring(setting, tmp_path, create=False)
        assert refusal.value.code == "SECRETS_KEY_MISSING"


def test_dev_makes_one_key_file_for_its_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: open_keyring(None, folder, create=True), range(8)))
    assert all(keyring == made[0] for keyring in made)
    [file] = folder.iterdir()
    assert stat.S_IMODE(os.stat(file).st_mode) == 0o600


def test_secrets_are_kept_by_tenant_and_name(database: Database) -> None:
    secrets = Secrets(KEYRING)
    database.write(lambda unit: secrets.put(unit, 1, "a", b"one"))
    database.write(lambda unit: secrets.put(unit, 2, "a", b"two"))
    database.write(lambda unit: secrets.put(unit, 1, "a", b"three"))
    assert database.read(lambda unit: secrets.get(unit, 1, "a")) == b"three"
    assert database.read(lambda unit: secrets.find(unit, 1, "b")) is None
    assert b"three" not in repr(database.read(lambda unit: unit.rows("SELECT * FROM secret"))).encode()
    assert database.write(lambda unit: secrets.delete(unit, 1, "a")) is True
    assert database.write(lambda unit: secrets.delete(unit, 1, "a")) is False
    with pytest.raises(NotFound):
        database.read(lambda unit: secrets.get(unit, 1, "a"))
    assert database.read(lambda unit: secrets.get(unit, 2, "a")) == b"two"


def test_a_secret_copied_to_another_row_does_not_open(database: Database) -> None:
    secrets = Secrets(KEYRING)
    database.write(lambda unit: secrets.put(unit, 1, "mine", b"one"))
    database.write(lambda unit: unit.execute("UPDATE secret SET name = 'yours'"))
    with pytest.raises(Fault, match="does not open"):
        database.read(lambda unit: secrets.get(unit, 1, "yours"))


def test_rotation_seals_everything_again_and_lets_the_old_key_go(database: Database) -> None:
    old = Secrets(parse_keyring(OLD))
    for number in range(7):
        database.write(lambda unit, n=number: old.put(unit, 1, f"secret-{n}", b"value %d" % n))
    both = Secrets(parse_keyring(f"{NEW},{OLD}"))
    assert database.read(lambda unit: both.get(unit, 1, "secret-3")) == b"value 3"
    counts = []
    while not counts or counts[-1]:
        counts.append(database.write(lambda unit: both.rotate(unit, limit=3)))
    assert counts == [3, 3, 1, 0]
    new = Secrets(parse_keyring(NEW))
    assert database.read(lambda unit: [new.get(unit, 1, f"secret-{n}") for n in range(7)]) == [
        b"value %d" % n for n in range(7)
    ]
