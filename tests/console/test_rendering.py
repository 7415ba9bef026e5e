"""What people read: amounts, times, statuses; and that nothing in them can become markup or script."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import UndefinedError

from kiungo.base.money import Money
from kiungo.console import rendering
from kiungo.console.assets import ASSETS, asset_address
from kiungo.console.rendering import ENVIRONMENT, badge, html, moment, money

TEMPLATES = Path(rendering.__file__).parent / "templates"
NAMES = sorted(path.relative_to(TEMPLATES).as_posix() for path in TEMPLATES.rglob("*.html"))


@pytest.mark.parametrize(
    ("amount", "currency", "shown"),
    [
        ("1250.00", "USD", "1,250.00"),
        ("0.00", "USD", "0.00"),
        ("-1250.50", "USD", "\N{MINUS SIGN}1,250.50"),
        ("-0.50", "USD", "\N{MINUS SIGN}0.50"),
        ("15000", "JPY", "15,000"),
        ("1.250", "KWD", "1.250"),
    ],
)
def test_money_is_grouped_and_keeps_its_decimals(amount: str, currency: str, shown: str) -> None:
    assert f">{shown}<" in money(Money.parse(amount, currency))
    assert f'title="{currency}"' in money(Money.parse(amount, currency))


def test_a_missing_amount_is_a_dash_not_a_zero() -> None:
    assert "&ndash;" in money(None)
    assert "0" not in money(None)


def test_a_moment_is_in_utc_and_readable_by_machines() -> None:
    shown = moment(1_727_951_400_000_000)
    assert "3 Oct 2024, 10:30 UTC" in shown
    assert 'datetime="2024-10-03T10:30:00Z"' in shown


def test_a_status_is_a_word_and_not_only_a_colour() -> None:
    assert badge("under_review") == '<span class="badge wait">Under review</span>'
    assert badge("something_new") == '<span class="badge ">Something new</span>'


@given(st.text(min_size=1))
def test_nothing_a_person_typed_becomes_markup(text: str) -> None:
    page = ENVIRONMENT.from_string('<p title="{{ text }}">{{ text }}</p>').render(text=text)
    assert page.count("<") == 2
    assert page.count('"') == 2
    assert badge(text).count("<") == 2


def test_a_forgotten_value_is_an_error_and_not_an_empty_page() -> None:
    with pytest.raises(UndefinedError):
        html("sign_in.html", {})


@pytest.mark.parametrize("template", NAMES)
def test_templates_need_no_inline_script_or_style(template: str) -> None:
    text = (TEMPLATES / template).read_text()
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:|<script(?![^>]*src=)|\|\s*safe\b", text)
    assert not re.search(r'(src|href|action)="(https?:)?//', text), "everything is served by us"


@pytest.mark.parametrize("template", NAMES)
def test_every_form_that_writes_carries_a_token(template: str) -> None:
    text = (TEMPLATES / template).read_text()
    for form in re.findall(r'<form[^>]*method="post".*?</form>', text, re.S):
        assert "csrf" in form


@pytest.mark.parametrize("template", NAMES)
def test_every_field_has_a_label(template: str) -> None:
    text = (TEMPLATES / template).read_text()
    for tag, attributes in re.findall(r"<(input|select|textarea)\b([^>]*)", text):
        if 'type="hidden"' in attributes:
            continue
        name = re.search(r'id="([^"]+)"', attributes)
        wrapped = re.search(r'<label class="check"><input\b[^>]*type="checkbox"', text)
        assert (name and f'for="{name[1]}"' in text) or (tag == "input" and wrapped), attributes


def test_the_policy_allows_our_own_files_only() -> None:
    response = html("error.html", dict.fromkeys(("heading", "message", "hint", "details", "code", "request_id"), ""))
    policy = dict(response.headers)[b"content-security-policy"].decode()
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy


def test_assets_have_an_address_that_changes_with_them() -> None:
    assert asset_address("console.css").endswith(ASSETS["console.css"].fingerprint)
    assert {"console.css", "htmx.min.js", "icon.svg", "htmx.LICENSE.txt"} <= ASSETS.keys()


def test_the_style_sheet_asks_nobody_for_anything() -> None:
    assert not re.search(rb"url\(|@import", ASSETS["console.css"].body)
