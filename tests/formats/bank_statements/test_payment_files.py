"""Payment files and the bank's answers: what is refused before a bank sees it, and what an answer means."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from kiungo.base.errors import Incorrect
from kiungo.base.money import Money
from kiungo.formats.bank_statements import csv_profile, pain001, pain002
from kiungo.formats.bank_statements.model import PaymentFile, Transfer

PROFILE = csv_profile.read_profile((Path(__file__).parent / "samples" / "bank_profile.toml").read_text())
TRANSFER = Transfer("7K3MZQ4X2BHDA", Money(900_050, "KES"), "Mnazi Moja", "0110009999", "11", "002", "VB001")
FILE = PaymentFile("B1", 1_772_000_000_000_000, date(2026, 3, 2), "Kiungo VEMS", "0110001234", "01", (TRANSFER,))


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"end_to_end": ""}, "end_to_end"),
        ({"end_to_end": "x" * 36}, "end_to_end"),
        ({"amount": Money(0, "KES")}, "amount"),
        ({"account": "01 10"}, "account"),
        ({"name": ""}, "name"),
        ({"bank_code": "AB"}, "bank_code"),
        ({"text": "x" * 141}, "text"),
    ],
)
def test_a_transfer_the_bank_would_refuse_is_refused_here(change: dict, field: str) -> None:
    wrong = replace(FILE, transfers=(replace(TRANSFER, **change),))
    (problem,) = pain001.validate(wrong)
    assert problem.field == f"transfers.0.{field}"
    with pytest.raises(Incorrect):
        pain001.render(wrong)


def test_a_reference_used_twice_and_mixed_currencies_are_refused() -> None:
    twice = replace(FILE, transfers=(TRANSFER, TRANSFER))
    assert [problem.code for problem in pain001.validate(twice)] == ["duplicate"]
    mixed = replace(FILE, transfers=(TRANSFER, replace(TRANSFER, end_to_end="B", amount=Money(1, "USD"))))
    assert [problem.code for problem in pain001.validate(mixed)] == ["currency"]


def test_the_control_sum_is_exact() -> None:
    many = replace(FILE, transfers=tuple(replace(TRANSFER, end_to_end=f"R{n}") for n in range(3)))
    assert b"<CtrlSum>27001.50</CtrlSum>" in pain001.render(many)


def test_a_status_nobody_knows_is_pending() -> None:
    body = b"""<Document><CstmrPmtStsRpt><GrpHdr><MsgId>A1</MsgId></GrpHdr>
    <OrgnlGrpInfAndSts><OrgnlMsgId>B1</OrgnlMsgId><GrpSts>NEWX</GrpSts></OrgnlGrpInfAndSts>
    <OrgnlPmtInfAndSts><TxInfAndSts><OrgnlEndToEndId>R1</OrgnlEndToEndId><TxSts>RJCT</TxSts>
    <StsRsnInf><Rsn><Cd>AC04</Cd></Rsn><AddtlInf>Account closed</AddtlInf></StsRsnInf></TxInfAndSts>
    </OrgnlPmtInfAndSts></CstmrPmtStsRpt></Document>"""
    answer = pain002.parse(body)
    assert answer.status == "pending"
    assert (answer.transfers[0].status, answer.transfers[0].reason_code) == ("rejected", "AC04")


def test_a_profile_writes_what_the_bank_reads() -> None:
    body = csv_profile.render_payments(FILE, PROFILE)
    assert body == b"Name,Sort Code,Account,Amount,Reference\r\nMnazi Moja,11002,0110009999,9000.50,7K3MZQ4X2BHDA\r\n"


@pytest.mark.parametrize("name", ["=HYPERLINK(1)", "@x", "A" * 31, "new\nline"])
def test_a_cell_that_is_too_long_or_would_run_is_refused_not_cut(name: str) -> None:
    with pytest.raises(Incorrect):
        csv_profile.render_payments(replace(FILE, transfers=(replace(TRANSFER, name=name),)), PROFILE)


def test_a_csv_statement_has_its_balances_and_sides() -> None:
    body = (
        b"Date,Description,Reference,Bank Ref,Debit,Credit,Balance\n"
        b'02/03/2026,Pay,7K3MZQ4X2BHDA,FT1,"9,000.50",,"490,999.50"\n'
        b"02/03/2026,Return,,FT2,,100.00,491099.50\n"
    )
    statement = csv_profile.parse_statement(body, PROFILE, account="0110001234", currency="KES")
    assert (statement.opening.text(), statement.closing.text()) == ("500000.00", "491099.50")
    assert [entry.direction for entry in statement.entries] == ["debit", "credit"]
    assert statement.entries[0].parts[0].end_to_end == "7K3MZQ4X2BHDA"


def test_a_csv_answer_maps_the_banks_words() -> None:
    body = b"Our Ref,Result,Narration\nR1,OK,\nR2,REJ,No account\nR3,HUH,\n"
    answer = csv_profile.parse_answer(body, PROFILE, message_id="A", original_message_id="B1")
    assert [transfer.status for transfer in answer.transfers] == ["accepted", "rejected", "pending"]


@pytest.mark.parametrize("body", [b"", b"a,b\n1,2\n", b"\xff\xff", b"Our Ref\n1\n"])
def test_a_csv_without_its_columns_is_refused(body: bytes) -> None:
    with pytest.raises(Incorrect):
        csv_profile.parse_statement(body, PROFILE, account="1", currency="KES")


@pytest.mark.parametrize(
    "text",
    ["", "[file", "[file]\nname='x'", "[file]\nname='x'\ndate_format='%d'\n[[column]]\ncontent='{secret}'",
     "[file]\nname='x'\ndate_format='%d'\n[answer_words]\nlovely=['OK']"],
)  # fmt: skip
def test_a_wrong_profile_says_what_is_wrong(text: str) -> None:
    with pytest.raises(Incorrect) as refusal:
        csv_profile.read_profile(text)
    assert refusal.value.code == "BANK_PROFILE_WRONG"
