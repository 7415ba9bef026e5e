"""The bank's folder over SFTP, against a real OpenSSH server."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from random import Random
from typing import Any

import pytest
from pydantic import ValidationError

from kiungo.base.errors import Incorrect, Unavailable
from kiungo.base.money import Money
from kiungo.base.time import TurnedClock
from kiungo.connectors.bank_eft.client import LocalFolder
from kiungo.connectors.bank_eft.collecting import collect
from kiungo.connectors.bank_eft.connector import BankRail, open_folder
from kiungo.connectors.bank_eft.settings import BankSettings
from kiungo.connectors.bank_eft.sftp import SftpFolder
from kiungo.connectors.bank_eft.twin import BankTwin
from kiungo.kernel.database import Database
from kiungo.kernel.sandbox import Faults
from kiungo.ports.payment import Batch, Destination, Order
from tests.connectors.bank_eft.sshd import Sshd, Wire

ACCOUNT = {"account": "0110001234", "account_name": "Kiungo VEMS", "bank_code": "01"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    sshd = Sshd(tmp_path_factory.mktemp("sshd")).start()
    yield sshd
    sshd.stop()


@pytest.fixture
def wire(server: Sshd) -> Iterator[Wire]:
    wire = Wire(server.port)
    yield wire
    wire.close()


def settings_for(server: Sshd, **changes: Any) -> BankSettings:
    values = {
        **ACCOUNT, "sftp_host": "127.0.0.1", "sftp_port": server.port, "sftp_user": server.user,
        "sftp_private_key": server.key("ours"), "sftp_host_key": server.key("host.pub"), "sftp_timeout_s": 5,
    }  # fmt: skip
    return BankSettings.model_validate(values | changes)


@pytest.fixture
def folder(server: Sshd) -> Iterator[SftpFolder]:
    with SftpFolder(settings_for(server)) as folder:
        yield folder


def test_a_file_is_put_whole_and_its_name_is_used_once(server: Sshd, folder: SftpFolder) -> None:
    body = b"payment," * 100_000
    assert folder.put("out", "ONCE.xml", body) == "put"
    assert (server.folder / "out" / "ONCE.xml").read_bytes() == body
    assert folder.put("out", "ONCE.xml", b"another") == "exists"
    assert (server.folder / "out" / "ONCE.xml").read_bytes() == body
    (server.folder / "out" / "HALF.xml.part").write_bytes(b"half")
    assert folder.names("out") == ["ONCE.xml"]


def test_what_is_taken_is_gone_or_in_the_folder_for_it(server: Sshd, folder: SftpFolder) -> None:
    (server.folder / "in" / "STM-1.xml").write_bytes(b"statement")
    assert folder.names("in") == ["STM-1.xml"]
    assert folder.read("in", "STM-1.xml") == b"statement"
    folder.archive("in", "STM-1.xml")
    assert folder.names("in") == []
    with SftpFolder(settings_for(server, sftp_done="done")) as moving:
        for body in (b"one", b"two"):  # a bank may use a name twice
            (server.folder / "in" / "STM-2.xml").write_bytes(body)
            moving.archive("in", "STM-2.xml")
    assert (server.folder / "done" / "STM-2.xml").read_bytes() == b"two"


def test_a_server_with_another_key_is_told_nothing(server: Sshd) -> None:
    with SftpFolder(settings_for(server, sftp_host_key=server.key("other.pub"))) as folder:
        with pytest.raises(Unavailable, match="another host key"):
            folder.names("in")
        assert folder.put("out", "SECRET.xml", b"x") == "not_put"
    assert not list((server.folder / "out").glob("SECRET*"))


def test_our_key_must_be_the_agreed_one(server: Sshd) -> None:
    folder = SftpFolder(settings_for(server, sftp_private_key=server.key("other")))
    with folder, pytest.raises(Unavailable, match="cannot be entered"):
        folder.names("in")


def test_a_connection_lost_over_the_rename_leaves_nobody_knowing(server: Sshd, wire: Wire) -> None:
    target = server.folder / "out" / "LOST.xml"
    wire.cut_when = target.exists
    with SftpFolder(settings_for(server, sftp_port=wire.port)) as folder:
        assert folder.put("out", "LOST.xml", b"orders") == "unknown"
        assert wire.cuts == 1
        assert target.read_bytes() == b"orders"
        wire.cut_when = lambda: False
        assert folder.put("out", "LOST.xml", b"orders") == "exists"


def test_a_connection_lost_before_the_rename_put_nothing(server: Sshd, wire: Wire) -> None:
    wire.cut_when = (server.folder / "out" / "EARLY.xml.part").exists
    with SftpFolder(settings_for(server, sftp_port=wire.port)) as folder:
        assert folder.put("out", "EARLY.xml", b"orders") == "not_put"
        assert not (server.folder / "out" / "EARLY.xml").exists()
        wire.cut_when = lambda: False
        assert folder.put("out", "EARLY.xml", b"orders") == "put"


def test_a_dead_connection_is_made_anew(server: Sshd, wire: Wire) -> None:
    with SftpFolder(settings_for(server, sftp_port=wire.port)) as folder:
        assert "NEVER.xml" not in folder.names("in")
        wire.cut_when = lambda: wire.cuts == 0
        assert "NEVER.xml" not in folder.names("in")
        assert wire.cuts == 1


def test_a_server_that_is_away_takes_nothing_and_is_found_again(tmp_path: Path) -> None:
    server = Sshd(tmp_path).start()
    with SftpFolder(settings_for(server)) as folder:
        try:
            assert folder.put("out", "BEFORE.xml", b"x") == "put"
            server.stop()
            assert folder.put("out", "DURING.xml", b"x") == "not_put"
            with pytest.raises(Unavailable):
                folder.names("in")
            server.start()
            assert folder.put("out", "AFTER.xml", b"x") == "put"
            assert folder.names("out") == ["AFTER.xml", "BEFORE.xml"]
        finally:
            server.stop()


def test_orders_go_out_and_answers_and_statements_come_in_once(
    server: Sshd, clock: TurnedClock, stepped_database: Database
) -> None:
    box = LocalFolder(server.folder)
    for old in (*box.names("in"), *box.names("out")):
        (server.folder / ("in" if old in box.names("in") else "out") / old).unlink()
    bank = BankTwin(clock, Faults(Random(1)), box)
    settings = settings_for(server)
    order = Order(
        "ABCDEFGHJKLMN",
        Money(900_000, "KES"),
        Destination("bank_account", "0110009999", "11", "002"),
        "Mnazi Moja",
        "b",
    )
    with open_folder(settings) as folder:
        rail = BankRail(folder, settings, clock)
        answers = rail.submit(Batch("ABCDEFGHJKLMNA1", (order,), date(2026, 3, 2)))
        assert answers[order.reference].status == "accepted"
        assert "not taken the file yet" in rail.query(order, {"batch": "ABCDEFGHJKLMNA1"}).reason
        bank.step()
        bank.end_day()
        assert [minor for _, minor in bank.payments] == [900_000]
        assert collect(stepped_database, folder, tenant=1, rail="bank") == 2
        assert collect(stepped_database, folder, tenant=1, rail="bank") == 0
        kinds = stepped_database.read(lambda unit: unit.rows("SELECT kind FROM job ORDER BY kind"))
        assert [kind for (kind,) in kinds] == ["reconciliation.statement", "settlement.notice"]


@pytest.mark.parametrize(
    "changes", [{"sftp_user": ""}, {"sftp_host_key": ""}, {"sftp_private_key": ""}, {"sftp_port": 0}]
)
def test_settings_are_whole(changes: dict[str, Any]) -> None:
    values = {**ACCOUNT, "sftp_host": "h", "sftp_user": "u", "sftp_private_key": "k", "sftp_host_key": "ssh-rsa AAAA"}
    with pytest.raises(ValidationError):
        BankSettings.model_validate(values | changes)


@pytest.mark.parametrize("changes", [{"sftp_host_key": "ssh-ed25519 AAAAnonsense"}, {"sftp_private_key": "nonsense"}])
def test_keys_that_cannot_be_read_say_which_setting(server: Sshd, changes: dict[str, Any]) -> None:
    with pytest.raises(Incorrect) as refused:
        SftpFolder(settings_for(server, **changes))
    assert refused.value.code == "BANK_KEY_WRONG"
    assert refused.value.field == "KIUNGO_BANK_" + next(iter(changes)).upper()
