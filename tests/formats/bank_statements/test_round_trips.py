"""parse(render(x)) == x, for every format and every value it can hold."""

from hypothesis import given, settings

from kiungo.formats.bank_statements import camt053, mt940, pain001, pain002
from tests.formats.bank_statements.values import FILE_ANSWERS, SWIFT_TEXTS, XML_TEXTS, payment_files, statements


@given(statements(XML_TEXTS, single_parts=False))
def test_camt053(statement) -> None:
    assert camt053.validate(statement) == ()
    assert camt053.parse(camt053.render((statement,), message_id="M1")) == (statement,)


@settings(max_examples=120)
@given(statements(SWIFT_TEXTS, single_parts=True))
def test_mt940(statement) -> None:
    assert mt940.validate(statement) == ()
    assert mt940.parse(mt940.render((statement,))) == (statement,)


@given(payment_files())
def test_pain001(file) -> None:
    assert pain001.validate(file) == ()
    assert pain001.parse(pain001.render(file)) == file


@given(FILE_ANSWERS)
def test_pain002(answer) -> None:
    assert pain002.parse(pain002.render(answer)) == answer
