"""The language by what its texts give, as literals: precedence, three-valued logic, units, dates, variables, order."""

from typing import Any

import pytest

from kiungo.base.errors import Incorrect
from kiungo.fhir.fhirpath import compile
from kiungo.fhir.fhirpath.functions.conversion import to_text
from kiungo.fhir.fhirpath.values import unwrap

PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "active": True,
    "name": [
        {"use": "official", "family": "Otieno", "given": ["Amina", "Zawadi"]},
        {"use": "usual", "given": ["Zawadi"]},
        {"use": "maiden", "family": "Wanjiru", "given": ["Amina"], "period": {"end": "2002"}},
    ],
    "birthDate": "1980-02-29",
    "gender": "female",
    "deceasedDateTime": "2020-01-02T03:04:05+03:00",
    "multipleBirthInteger": 2,
    "extension": [{"url": "urn:age", "valueAge": {"value": 40, "system": "http://unitsofmeasure.org", "code": "a"}}],
}


def _texts(text: str) -> list[str]:
    return [str(to_text(unwrap(item))) for item in compile(text, type="Patient", strict=True)(PATIENT)]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("1 + 2 * 3 - 4 / 2", "5"),
        ("-2.power(2)", "-4"),
        ("(1 | 2) = (1 | 2) and 3 in (1 | 3) or false", "true"),
        ("true or {} implies false", "false"),
        ("false and {} or {}", ""),
        ("{} implies true", "true"),
        ("5.5 div 0.7", "7"),
        ("5.5 mod 0.7", "0.6"),
        ("(-7) mod 3", "-1"),
        ("1 / 3 = 0.33", "false"),
        ("1 / 3 ~ 0.33", "true"),
        ("2147483647 + 1", ""),
        ("'a' & {} & 'b'", "ab"),
        ("'ABC' + {}", ""),
        ("'a  b' ~ 'A\\tB'", "false"),
        ("'a b' ~ 'A\\tB'", "true"),
        ("name.count() > 2 'g'.value", "true"),
        ("'abcdefg'.substring(3, -1)", ""),
        ("'0123'.lastIndexOf('')", "4"),
        ("'\\uD83D\\uDD25b'.length()", "2"),
        ("'11/30/1972'.replaceMatches('(?<m>\\\\d+)/(?<d>\\\\d+)/(?<y>\\\\d+)', '${d}-$1-${y}')", "30-11-1972"),
        ("'first\\nsecond'.matches('^SECOND', 'im')", "true"),
        ("'A&B'.escape('html')", "A&amp;B"),
        ("(1 | 2 | 3).sum() = 6 and (1.5 | 2.5).avg() = 2", "true"),
        ("(4 'g' | 3000 'mg').min()", "3000 'mg'"),
        ("(3 | 1 | 2).sort($this desc).first()", "3"),
        ("name.sort(family).first().use", "usual"),
        ("name.sort(family desc).last().use", "usual"),
        ("name.sort(given.first(), use desc).use.join()", "officialmaidenusual"),
        ("iif(name.family = {}, 1, 2)", "2"),
        ("name.aggregate($total & use, '')", "officialusualmaiden"),
        ("name.select($index).join()", None),
        ("coalesce(name.where(use = 'nick'), name.first()).use", "official"),
        ("name[2].period.end.pathname()", "Patient.name[2].period[0].end[0]"),
    ],
)
def test_values(text: str, wanted: str | None) -> None:
    if wanted is None:
        with pytest.raises(Incorrect):
            _texts(text)
    else:
        assert "".join(_texts(text)) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("@2026-01-31 + 1 month", "2026-02-28"),
        ("@2024-02-29 + 1 year", "2025-02-28"),
        ("@2014 + 23 months", "2015"),
        ("@2014 - 1 month", "2014"),
        ("@2016 + 365 days", "2017"),
        ("@2026-02 + 5 weeks", "2026-03"),
        ("@2026-02 - 1 day", "2026-02"),
        ("@2019-03-01 - 24 months", "2017-03-01"),
        ("@1973-12-25T00:00:00.000+10:00 + 42.53 seconds", "1973-12-25T00:00:42.530+10:00"),
        ("@1973-12-25T00:00:00 - 1 second", "1973-12-24T23:59:59"),
        ("@T23:30:00 + 1 hour", "00:30:00"),
        ("@T01:00:00 - 2 hours", "23:00:00"),
        ("@9999-12-31 + 1 day", ""),
        ("birthDate + 1 year", "1981-02-28"),
        ("@2025-01-02.duration(@2025-01-07, 'week')", "0"),
        ("@2025-01-02.difference(@2025-01-07, 'week')", "1"),
        ("@2024-12-01.duration(@2025-09-01, 'years')", "0"),
        ("@2025-09-01.difference(@2024-12-01, 'year')", "-1"),
        ("birthDate.duration(@2026-02-28, 'year')", "45"),
        ("deceased.hourOf() + deceased.monthOf()", "4"),
        ("deceased.timezoneOffsetOf()", "3"),
        ("deceased.timeOf()", "03:04:05"),
        ("@2012.monthOf()", ""),
        ("@2014.lowBoundary()", "2014-01-01"),
        ("@2014-02.highBoundary(8)", "2014-02-28"),
        ("@2012 = @2012-01", ""),
        ("@2012 = @2013-01", "false"),
        ("@2012-01-01T10:30:31.0 = @2012-01-01T10:30:31", "true"),
        ("@2020-01-02T00:04:05Z = deceased", "true"),
        ("@2020-01-01 < @2020-01-02T10:00:00Z", ""),
        ("@2020-01-01 < @2020-01-05T20:00:00Z", "true"),
        ("'2015-02-04T14:34:28Z'.toDateTime().toDate()", "2015-02-04"),
    ],
)
def test_dates_and_times(text: str, wanted: str) -> None:
    assert "".join(_texts(text)) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("1 'cm' = 10.0 'mm'", "true"),
        ("1 'cm' = 1 's'", ""),
        ("1 'cm' ~ 1 's'", "false"),
        ("2.1 'cm' ~ 2 'cm'", "true"),
        ("21 'mm' ~ 2 'cm'", "true"),
        ("1 year = 1 'a'", ""),
        ("1 year ~ 1 'a'", "true"),
        ("1 year = 12 months", "true"),
        ("1 week = 7 'd'", "true"),
        ("23 = 23 '1'", "true"),
        ("52 'cm'.toQuantity('m')", "0.52 'm'"),
        ("45.toQuantity('m')", "45 'm'"),
        ("24 'm'.toQuantity('kg')", ""),
        ("1 'wk'.toQuantity('d')", "7 'd'"),
        ("7 days.toQuantity('wk')", "1 'wk'"),
        ("37 'Cel' > 98 '[degF]'", "true"),
        ("1 'h' + 30 'min'", "1.5 'h'"),
        ("3 'm' * 2 'm'", "6 'm.m'"),
        ("6 'g' / 2 'mL'", "3 'g/mL'"),
        ("extension.value.ofType(Quantity)", "40 'a'"),
        ("extension.value > 39 'a'", "true"),
        ("(-5.5 'mg').abs()", "5.5 'mg'"),
    ],
)
def test_quantities(text: str, wanted: str) -> None:
    assert "".join(_texts(text)) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("defineVariable('v', 'x').select(%v)", ["x"]),
        ("defineVariable('n', name.first()).select(%n.given)", ["Amina", "Zawadi"]),
        ("name.defineVariable('n', first()).select(%n.use)", ["official"] * 3),
        ("defineVariable('v', 1).select(%v) | defineVariable('v', 2).select(%v)", ["1", "2"]),
        ("defineVariable('r', 'r-').select(defineVariable('v', 'v').select(%v)).select(%r & $this)", ["r-v"]),
        ("'aa'.replace(defineVariable('p', 'a').select(%p), defineVariable('p', 'b').select(%p))", ["bb"]),
        ("defineVariable('v', 1).select(id) | select(%v)", None),
        ("defineVariable('v', 1).defineVariable('v', 2)", None),
        ("defineVariable('context', 1)", None),
        ("select(%unknown)", None),
    ],
)
def test_variables_live_in_their_own_path(text: str, wanted: list[str] | None) -> None:
    if wanted is None:
        with pytest.raises(Incorrect):
            _texts(text)
    else:
        assert _texts(text) == wanted


@pytest.mark.parametrize(
    "text",
    [
        "nmae",
        "name.valueString",
        "Observation.status",
        "name.given.first().family",
        "(deceased as dateTime).end",
        "children().first()",
        "gender + 1",
        "birthDate + 1",
        "identifier.startsWith('a')",
        "iif(1, 2, 3)",
        "name.where(famly = 'x')",
        "name.select(period.strat)",
        "deceasedDateTime",
        "name.as(HumanName)",
        "gender is Gender",
    ],
)
def test_what_a_type_cannot_mean_is_refused_before_it_runs(text: str) -> None:
    with pytest.raises(Incorrect):
        _texts(text)


def test_lenient_evaluation_is_empty_where_strict_refuses() -> None:
    for text in ("nmae", "Observation.status", "deceasedDateTime", "name.where(famly = 'x')"):
        assert compile(text)(PATIENT) == []
    assert len(compile("descendants().as(string)")(PATIENT)) == 6


def test_unknown_modifiers_are_an_error() -> None:
    patient = {**PATIENT, "modifierExtension": [{"url": "urn:not", "valueBoolean": True}]}
    assert compile("checkModifiers('urn:not').id.empty()")(patient) == [True]
    with pytest.raises(Incorrect):
        compile("checkModifiers('urn:other')")(patient)
