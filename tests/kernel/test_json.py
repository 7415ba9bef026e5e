"""JSON: exact digits, hard limits, and whatever comes in is read or refused in words, quickly."""

import json as reference
import time
from decimal import Decimal

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kiungo.base.errors import Incorrect
from kiungo.base.money import Money
from kiungo.kernel import json

TEN_MB = 10_000_000
text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"))
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
)


def code_of(body: bytes | str) -> str:
    with pytest.raises(Incorrect) as refused:
        json.loads(body)
    assert refused.value.hint
    return refused.value.code


@given(values)
def test_values_come_back_and_agree_with_the_standard_library(value: object) -> None:
    assert json.loads(json.dumps(value)) == value
    assert reference.loads(json.dumps(value)) == value
    assert json.loads(reference.dumps(value)) == value


@pytest.mark.parametrize(
    "digits", ["1.10", "15000.00", "0.0", "-0.10", "1E+2", "123456789.123456789012345678901234567890"]
)
def test_a_decimal_keeps_the_digits_it_was_written_with(digits: str) -> None:
    assert json.loads(digits) == Decimal(digits)
    assert json.dumps(json.loads(f'{{"value":{digits}}}')) == f'{{"value":{digits}}}'.encode()


@given(values, st.booleans())
def test_only_what_has_a_member_twice_is_refused_for_it(value: object, ascii_only: bool) -> None:
    for text_of in (
        reference.dumps(value, ensure_ascii=ascii_only).encode(),
        reference.dumps([value], indent=1).encode(),
    ):
        json.refuse_repeats(text_of, json.loads(text_of))
    twice = b'[{"a": %b, "b": 1, "\\u0061": 2}]' % reference.dumps(value, ensure_ascii=ascii_only).encode()
    with pytest.raises(Incorrect, match="twice"):
        json.refuse_repeats(twice, json.loads(twice))


def test_money_is_a_number_with_exactly_its_decimals() -> None:
    assert json.dumps({"amount": Money(1_500_000, "KES")}) == b'{"amount":15000.00}'
    assert json.dumps([Money(-5, "TND"), Money(7, "JPY")]) == b"[-0.005,7]"


def test_whole_numbers_stay_integers_beyond_what_a_double_holds() -> None:
    assert json.loads(b"[9007199254740993, 18446744073709551616]") == [9007199254740993, 18446744073709551616]


@pytest.mark.parametrize(
    "body",
    [
        *(rb'"\u0000"', rb'{"\u0000":1}', rb'"\\\u0000"', rb'"a\\\\\u0000b"'),
        *(rb'"\ud800"', rb'"\uDFFF"', rb'"\ud800x"', rb'"\ud800\ud800"', rb'"\udc00\ud800"', rb'"\uD83D\\\uDE00"'),
        *(rb'{"\ud800":1}', rb'"\ud83d\n\ude00"'),
    ],
)
def test_escaped_nul_and_lone_surrogates_are_refused(body: bytes) -> None:
    assert code_of(body) == "JSON_FORBIDDEN_CHARACTER"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (rb'{"a":"x","patient_name":"J\u0000"}', "patient_name"),
        (rb'{"lines":[{"notes":"x"},{"notes":"\ud800"}]}', "lines[1].notes"),
        (rb'["a","\udc00"]', "[1]"),
        (rb'{"a":{"\u0000":"b"}}', None),
        (rb'{"a":"\u0000"', None),
    ],
)
def test_the_member_that_holds_such_a_character_is_named(body: bytes, field: str | None) -> None:
    with pytest.raises(Incorrect) as refused:
        json.loads(body)
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (rb'"\\u0000"', r"\u0000"),
        (rb'"\\\\ud800"', r"\\ud800"),
        (rb'"\\\\\\ud800"', r"\\\ud800"),
        (rb'"\ud83d\ude00"', "😀"),
        (rb'"\uD83D\uDE00"', "😀"),
        (rb'"\ud7ff\ue000\ud83d\ude00"', "\ud7ff\ue000😀"),
    ],
)
def test_escaped_backslashes_and_paired_surrogates_are_text(body: bytes, value: str) -> None:
    assert json.loads(body) == value


@pytest.mark.parametrize("body", [b'"\x00"', b'"\xed\xa0\x80"', '"\ud800"', b'"\xff"', b'"\xc0\x80"', b"\xfe\xff\x00{"])
def test_raw_nul_and_broken_utf8_are_refused(body: bytes | str) -> None:
    assert code_of(body) == "JSON_MALFORMED"


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b" ", b"{", b"}", b"[1,]", b'{"a":}', b"{'a':1}", b"nul", b"[1] 2", b"\xef\xbb\xbf{}", b"// x\n1"),
        *(b"NaN", b"Infinity", b"-Infinity", b"[1e999]", b"1e-999", b"0.0e99999", b"1.5e99999999999999999999999"),
        *(b"01", b".5", b"1.", b"+1", b"0x10", b"1_000", b"1" * 5_000, b"--1", b'"\\x41"', b'"\t"', b'"\\u00"'),
    ],
)
def test_what_is_not_json_is_refused(body: bytes) -> None:
    assert code_of(body) == "JSON_MALFORMED"


def test_nesting_is_limited_and_brackets_in_strings_do_not_nest() -> None:
    assert json.loads(b"[" * 64 + b"]" * 64)
    assert code_of(b"[" * 65 + b"]" * 65) == "JSON_TOO_DEEP"
    assert code_of(b'{"a":[' * 33 + b"]}" * 33) == "JSON_TOO_DEEP"
    assert json.loads(b'["' + b"[{" * 500 + rb'\"[[[\\"]')
    assert code_of(rb'["\\",' + b"[" * 64 + b"]" * 65) == "JSON_TOO_DEEP"
    assert json.loads(b"[" + b"[[]]," * 200 + b"[]]")
    with pytest.raises(Incorrect):
        json.loads(b"[[[]]]", depth_max=2)


@given(values)
def test_the_depth_limit_is_exact(value: object) -> None:
    def depth(of: object) -> int:
        inner = of.values() if isinstance(of, dict) else of if isinstance(of, list) else None
        return 0 if inner is None else 1 + max(map(depth, inner), default=0)

    body, deep = json.dumps(value), depth(value)
    assert json.loads(body, depth_max=deep) == value
    if deep > 1:
        with pytest.raises(Incorrect):
            json.loads(body, depth_max=deep - 1)


@pytest.mark.parametrize(
    "body",
    [
        b"[" * TEN_MB,
        b"]" * TEN_MB,
        b"[{" * (TEN_MB // 4) + b"}]" * (TEN_MB // 4),
        b'"' + b"\\u0000" * (TEN_MB // 6) + b'"',
        b'"' + b"\\" * TEN_MB,
        b"1" * TEN_MB,
        b"1." + b"1" * TEN_MB + b"e",
        b'{"a":' * (TEN_MB // 5),
    ],
    ids=["open", "close", "deep", "nul", "backslashes", "integer", "fraction", "objects"],
)
def test_a_bomb_of_ten_megabytes_is_refused_in_a_moment(body: bytes) -> None:
    begun = time.process_time()
    assert code_of(body).startswith("JSON_")
    assert time.process_time() - begun < 3.0, "the time of a quick refusal, on a busy machine too"


def test_ten_megabytes_of_honest_json_cost_little_more_than_parsing_them() -> None:
    body = b"[" + b"[],{}," * (TEN_MB // 12) + b"[]]"
    begun = time.process_time()
    msgspec.json.decode(body)
    parsed = time.process_time()
    assert len(json.loads(body)) > 1_000_000
    assert time.process_time() - parsed < 8 * (parsed - begun)


@given(st.binary())
@example(b"1e99999999999999999999")
@example(b'"\\ud8')
@example(b'["\\u+123"]')
@example(b'"\\ud83d\\u 123"')
def test_no_bytes_whatever_raise_anything_but_incorrect(body: bytes) -> None:
    try:
        json.loads(body)
    except Incorrect:
        return


json_like = st.lists(
    st.sampled_from(
        [
            "{",
            "}",
            "[",
            "]",
            ",",
            ":",
            '"',
            "\\",
            "\\u",
            "d800",
            "dc00",
            "0000",
            "1",
            "-",
            ".",
            "e",
            "E+",
            "9" * 30,
            "a",
        ]
    ),
    max_size=30,
).map("".join)


@given(json_like)
def test_nothing_that_looks_like_json_raises_anything_but_incorrect_or_holds_what_no_record_may(body: str) -> None:
    try:
        value = json.loads(body)
    except Incorrect:
        return
    again = json.dumps(value).decode()
    assert "\\u0000" not in again.replace("\\\\", "")
    assert json.loads(again) == value
