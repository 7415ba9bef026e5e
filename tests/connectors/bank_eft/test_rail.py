"""The bank's rail against a folder and the simulated bank: whole files, each once, answers and statements back."""

from datetime import UTC, date, datetime
from pathlib import Path
from random import Random

import pytest

from kiungo.base.errors import Incorrect
from kiungo.base.money import Money
from kiungo.base.time import TurnedClock
from kiungo.connectors.bank_eft.client import LocalFolder
from kiungo.connectors.bank_eft.connector import BankRail, load_profile
from kiungo.connectors.bank_eft.settings import BankSettings
from kiungo.connectors.bank_eft.twin import BankTwin
from kiungo.formats.bank_statements import pain001
from kiungo.kernel.sandbox import Faults
from kiungo.ports.payment import Batch, Destination, Order

TO = Destination("bank_account", "0110009999", "11", "002")


def order(reference: str = "7K3MZQ4X2BHDA", amount: str = "9000.50", name: str = "Mnazi Moja") -> Order:
    return Order(reference, Money.parse(amount, "KES"), TO, name, "Booking VB1")


def batch(*orders: Order, reference: str = "B1") -> Batch:
    return Batch(reference, orders, date(2026, 3, 2))


@pytest.fixture
def folder(tmp_path: Path) -> LocalFolder:
    return LocalFolder(tmp_path)


def rail_of(folder: LocalFolder, clock, **changes: object) -> BankRail:
    settings = {"account": "0110001234", "account_name": "Kiungo VEMS", "bank_code": "01", "folder": "unused"}
    return BankRail(folder, BankSettings(**{**settings, **changes}), clock)


def test_one_whole_file_for_a_batch_and_no_name_twice(folder, clock, tmp_path) -> None:
    rail = rail_of(folder, clock)
    answers = rail.submit(batch(order("A"), order("B")))
    assert {answer.status for answer in answers.values()} == {"accepted"}
    (name,) = folder.names("out")
    file = pain001.parse(folder.read("out", name))
    assert [transfer.end_to_end for transfer in file.transfers] == ["A", "B"]
    assert list((tmp_path / "out").iterdir()) == [tmp_path / "out" / name]
    assert rail.submit(batch(order("C")))["C"].status == "unknown", "the name was used: nobody knows what the bank has"
    folder.archive("out", name)
    assert rail.submit(batch(order("C")))["C"].status == "unknown"


def test_a_folder_that_cannot_be_written_was_certainly_not_reached(folder, clock, tmp_path) -> None:
    (tmp_path / "out").write_text("a file where the folder should be")
    assert rail_of(folder, clock).submit(batch(order()))["7K3MZQ4X2BHDA"].status == "not_taken"


def test_a_rename_that_fails_leaves_an_unknown(folder, clock, monkeypatch) -> None:
    def fails(self, target):
        raise OSError("the connection broke")

    monkeypatch.setattr(Path, "rename", fails)
    assert rail_of(folder, clock).submit(batch(order()))["7K3MZQ4X2BHDA"].status == "unknown"
    assert folder.names("out") == [], "half a file is no file"


def test_an_order_the_bank_would_refuse_is_left_out(folder, clock) -> None:
    answers = rail_of(folder, clock).submit(batch(order("A"), order("B", name="")))
    assert (answers["A"].status, answers["B"].status, answers["B"].cause) == ("accepted", "failed", "request")


def test_the_simulated_bank_pays_refuses_and_tells(folder, clock) -> None:
    twin = BankTwin(clock, Faults(Random(1)), folder)
    rail = rail_of(folder, clock)
    twin.faults.plan("rejected", after=1)
    rail.submit(batch(order("A"), order("B")))
    twin.step()
    (name,) = folder.names("in")
    good, bad = rail.read_notices(folder.read("in", name), {"name": name})
    assert (good.reference, good.answer.status) == ("A", "accepted")
    assert (bad.reference, bad.answer.status, bad.answer.cause) == ("B", "failed", "payee")
    assert twin.payments == [("A", 900_050)]


@pytest.mark.parametrize("format", ["camt053", "mt940"])
def test_the_banks_statement_reads_the_same_in_both_formats(folder, clock, format) -> None:
    twin = BankTwin(clock, Faults(Random(1)), folder, statement_format=format)
    rail = rail_of(folder, clock, statement_format=format)
    rail.submit(batch(order("7K3MZQ4X2BHDA")))
    twin.step()
    twin.deposit(100_00, "TOPUP F7")
    twin.end_day()
    name = next(name for name in folder.names("in") if name.startswith("STM"))
    (statement,) = rail.read_statements(folder.read("in", name), {})
    assert [line.amount.text() for line in statement.lines] == ["-9000.50", "100.00"]
    assert "7K3MZQ4X2BHDA" in statement.lines[0].references
    assert statement.closing - statement.opening == Money(-890_050, "KES")


def test_the_simulated_banks_day_is_that_of_nairobi(folder, clock) -> None:
    late = TurnedClock(datetime(2026, 11, 23, 22, 30, tzinfo=UTC))
    twin = BankTwin(late, Faults(Random(1)), folder)
    twin.deposit(100_00, "TOPUP F7")
    twin.end_day()
    (name,) = folder.names("in")
    (statement,) = rail_of(folder, clock).read_statements(folder.read("in", name), {})
    assert statement.closed_on == statement.lines[0].booked_on == date(2026, 11, 24)


def test_a_refused_file_speaks_of_all_its_orders(folder, clock) -> None:
    twin = BankTwin(clock, Faults(Random(1)), folder)
    twin.faults.plan("file_rejected")
    rail = rail_of(folder, clock)
    rail.submit(batch(order("A")))
    twin.step()
    (notice,) = rail.read_notices(folder.read("in", folder.names("in")[0]), {})
    assert (notice.reference, notice.answer.status, notice.answer.rail_ids["batch"]) == ("", "failed", "B1")


@pytest.mark.parametrize("profile", ["kenya_eft", "name30_sortcode5"])
def test_csv_profiles_write_files_and_read_answers(folder, clock, profile) -> None:
    rail = rail_of(folder, clock, profile=profile, statement_format="csv")
    assert rail.submit(batch(order("A")))["A"].status == "accepted"
    (name,) = folder.names("out")
    assert b"11002" in folder.read("out", name)
    word = "REJECTED" if profile == "kenya_eft" else "ERR"
    (notice,) = rail.read_notices(f"Reference,Status,Reason\nA,{word},x\n".encode(), {"name": "ACK-B1.csv"})
    assert notice.answer.status == "failed"
    assert notice.answer.rail_ids == {"batch": "B1"}


def test_a_name_too_long_for_the_profile_fails_before_the_bank_sees_it(folder, clock) -> None:
    rail = rail_of(folder, clock, profile="name30_sortcode5")
    answer = rail.submit(batch(order("A", name="N" * 31)))["A"]
    assert (answer.status, answer.cause) == ("failed", "request")


@pytest.mark.parametrize("name", ["../etc", "a/b", "", ".hidden", "x" * 200])
def test_names_that_lead_out_of_the_folder_are_refused(folder, name) -> None:
    with pytest.raises(Incorrect):
        folder.read("in", name)


@pytest.mark.parametrize("name", ["nothing", "../kenya_eft"])
def test_an_unknown_profile_is_refused(name) -> None:
    with pytest.raises(Incorrect):
        load_profile(name)
