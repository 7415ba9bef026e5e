"""Statements as banks write them, and as nobody should."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from kiungo.base.errors import Incorrect
from kiungo.base.money import Money
from kiungo.formats.bank_statements import camt053, mt940
from kiungo.formats.bank_statements.model import Part

SAMPLES = Path(__file__).parent / "samples"
CAMT = (SAMPLES / "statement.camt053.xml").read_bytes()
MT940 = (SAMPLES / "statement.mt940").read_bytes()


def kes(text: str) -> Money:
    return Money.parse(text, "KES")


def test_a_camt_statement_of_an_older_version_with_a_batch_and_a_return() -> None:
    (statement,) = camt053.parse(CAMT)
    assert (statement.account, statement.number) == ("0110001234", 61)
    assert (statement.opening, statement.closing) == (kes("500000"), kes("482450"))
    batch, returned = statement.entries
    assert batch.parts[0] == Part(kes("9000"), "7K3MZQ4X2BHDA", "Mnazi Moja Health Centre", "Booking VB0011223344AA")
    assert batch.parts[1].end_to_end == "QX4N7P2ZB3KLM"
    assert returned.is_reversal
    assert returned.signed == kes("2000")
    assert returned.parts == (Part(kes("2000"), "", "", "RETURN ACCOUNT CLOSED"),)
    assert camt053.validate(statement) == ()


def test_an_mt940_statement_with_all_three_shapes_of_field_86() -> None:
    (statement,) = mt940.parse(MT940)
    first, second, third = statement.entries
    assert first.parts == (Part(kes("9000"), "7K3MZQ4X2BHDA", "Mnazi Moja Health Centre", "Booking VB0011223344AA"),)
    assert first.reference == "FT26061AAA01"
    assert second.parts[0].end_to_end == "QX4N7P2ZB3KLM"
    assert second.parts[0].party == "Upendo Imaging Ltd"
    assert (third.is_reversal, third.direction, third.booked_on) == (True, "credit", date(2026, 3, 3))
    assert third.parts[0].text == "RETURN ACCOUNT CLOSED"
    assert mt940.validate(statement) == ()


def test_several_statements_in_one_file_and_an_entry_date_over_new_year() -> None:
    text = b":20:A\n:25:1\n:28C:1\n:60F:D251231USD1,\n:61:2512310102C1,00NTRFX\n:62F:C251231USD0,\n-\n"
    first, second = mt940.parse(text + text.replace(b":20:A", b":20:B"))
    assert (first.statement_id, second.statement_id) == ("A", "B")
    assert first.opening == Money(-100, "USD")
    assert first.entries[0].booked_on == date(2026, 1, 2)


@pytest.mark.parametrize("format", [camt053, mt940])
def test_a_statement_that_does_not_add_up_is_read_and_told(format) -> None:
    (statement,) = format.parse(CAMT if format is camt053 else MT940)
    wrong = replace(statement, closing=statement.closing + kes("0.01"))
    (problem,) = format.validate(wrong)
    assert problem.field == "closing"
    assert "1 minor units" in problem.message


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xfe\x00",
        b"<Document/>",
        CAMT[:-40],
        CAMT.replace(b"CRDT", b"XXXX", 1),
        CAMT.replace(b"2026-03-02", b"2026-02-30"),
        CAMT.replace(b"500000.00000", b"12,50"),
        CAMT.replace(b"500000.00000", b"500000.001"),
        CAMT.replace(b"500000.00000", b"1e999999"),
        CAMT.replace(b"OPBD", b"ITBD"),
        CAMT.replace(b'encoding="UTF-8"', b'encoding="nonsense"'),
        b"<Document>" * 100 + b"</Document>" * 100,
    ],
)
def test_camt_that_cannot_be_trusted_is_refused(body: bytes) -> None:
    with pytest.raises(Incorrect):
        camt053.parse(body)


LAUGHS = b"""<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY lol "lol"><!ENTITY lol2 "&lol;&lol;&lol;&lol;&lol;">
<!ENTITY lol3 "&lol2;&lol2;&lol2;&lol2;&lol2;">]><Document>&lol3;</Document>"""
OUTSIDE = b"""<?xml version="1.0"?><!DOCTYPE d [<!ENTITY x SYSTEM "file:///etc/passwd">]><Document>&x;</Document>"""
FOREIGN = b"""<?xml version="1.0"?><!DOCTYPE Document SYSTEM "http://example.org/evil.dtd"><Document/>"""


@pytest.mark.parametrize("body", [LAUGHS, OUTSIDE, FOREIGN])
def test_xml_that_declares_entities_is_refused_before_they_unfold(body: bytes) -> None:
    with pytest.raises(Incorrect) as refusal:
        camt053.parse(body)
    assert "document type or entities" in refusal.value.message


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"hello",
        MT940.replace(b":60F:C260302", b":60F:X260302"),
        MT940.replace(b":61:2603020302D9000,00", b":61:269902"),
        MT940.replace(b"KES500000,", b"KEX500000,"),
        MT940.replace(b":28C:61/1", b":28C:one"),
        b":20:A\n:25:1\n:60F:D251231USD1,\n:61:" + b"/" * 50_000,
    ],
)
def test_mt940_that_cannot_be_trusted_is_refused(body: bytes) -> None:
    with pytest.raises(Incorrect):
        mt940.parse(body)
