"""Templates into pages: escaping always on, a missing value is an error, and the words people read."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from kiungo.base.money import Money
from kiungo.base.time import from_us, iso_seconds
from kiungo.console.assets import asset_address
from kiungo.kernel.http import HeaderPairs, Response

HTML = b"text/html; charset=utf-8"
# No inline script or style, nothing from elsewhere, no framing, forms only to us. The pipeline adds the headers
# every page of the platform has; of two policies a browser obeys both.
POLICY = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self';"
    b" form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
SECURITY_HEADERS: HeaderPairs = (
    (b"content-security-policy", POLICY),
    (b"cross-origin-opener-policy", b"same-origin"),
)
TONES = {
    "approved": "good",
    "paid": "good",
    "delivered": "good",
    "active": "good",
    "under_review": "wait",
    "information_requested": "wait",
    "due": "wait",
    "held": "wait",
    "paused": "wait",
    "submitted": "info",
    "rejected": "bad",
    "dead": "bad",
    "disabled": "bad",
    "void": "bad",
    "settled": "good",
    "posted": "good",
    "completed": "good",
    "confirmed": "info",
    "partially_paid": "wait",
    "waiting": "wait",
    "proposed": "wait",
    "to_come": "wait",
    "suspended": "wait",
    "paying": "info",
    "submitting": "info",
    "decided": "info",
    "attention": "bad",
    "unknown": "bad",
    "failed": "bad",
    "returned": "bad",
    "overdue": "bad",
    "refused": "bad",
    "urgent": "bad",
    "high": "wait",
}


def money(amount: Money | None, *, named: bool = False) -> Markup:
    """1,250.00, with the currency for those who hover or listen, and behind it where it is `named`."""
    if amount is None:
        return Markup('<span class="quiet">&ndash;</span>')
    whole, point, cents = amount.text().partition(".")
    sign = "\N{MINUS SIGN}" if amount.minor < 0 else ""
    digits = f"{sign}{int(whole.lstrip('-')):,}{point}{cents}"
    shown = Markup('<data value="{}" title="{}">{}</data>').format(amount.text(), amount.currency, digits)
    return shown + Markup(" <small>{}</small>").format(amount.currency) if named else shown


def moment(at_us: int | None) -> Markup:
    """3 Oct 2024, 10:30 UTC."""
    if at_us is None:
        return Markup('<span class="quiet">&ndash;</span>')
    at = from_us(at_us)
    return Markup('<time datetime="{}" title="{}">{}</time>').format(
        iso_seconds(at_us), iso_seconds(at_us), f"{at.day} {at:%b %Y, %H:%M} UTC"
    )


def words(name: str) -> str:
    """under_review -> Under review"""
    return name.replace("_", " ").replace(".", " ").capitalize()


def badge(name: str) -> Markup:
    """A status as a coloured word; the word alone carries the meaning."""
    return Markup('<span class="badge {}">{}</span>').format(TONES.get(name, ""), words(name))


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters.update(money=money, moment=moment, words=words, badge=badge)
    environment.globals["asset"] = asset_address
    return environment


ENVIRONMENT = _environment()


def html(template: str, values: Mapping[str, Any], status: int = 200, headers: HeaderPairs = ()) -> Response:
    """A page, with the headers that keep a browser from doing more than it should."""
    body = ENVIRONMENT.get_template(template).render(values).encode()
    return Response(status, body, (*SECURITY_HEADERS, *headers), media_type=HTML)


def go_to(address: str, headers: HeaderPairs = ()) -> Response:
    """Send the browser on with a GET, so that reloading repeats nothing."""
    return Response(303, b"", (*SECURITY_HEADERS, (b"location", address.encode()), *headers), media_type=HTML)
