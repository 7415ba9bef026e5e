"""What we tell payees, in English and Swahili. An SMS stays within one part where the amounts allow it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

DEFAULT_LANGUAGE: Final = "en"
SMS_LENGTH_MAX = 480


@dataclass(frozen=True, slots=True)
class Template:
    """One message in one language. Shapes: places such as {amount}; `short` is for SMS and the in-app list."""

    subject: str
    short: str
    body: str


@dataclass(frozen=True, slots=True)
class Rendered:
    """A template with its values filled in."""

    subject: str
    short: str
    body: str


TEMPLATES: Final[Mapping[tuple[str, str], Template]] = {
    ("paid", "en"): Template(
        "Payment of {amount} for booking {booking}",
        "You were paid {amount} for booking {booking}. Receipt {receipt}. Reference {reference}.",
        "Dear {name},\n\nwe paid you {amount} for booking {booking}.\n"
        "Receipt: {receipt}\nOur reference: {reference}\n\n"
        "Less than a shilling that was left over is added to your next payment.\n",
    ),
    ("paid", "sw"): Template(
        "Malipo ya {amount} kwa huduma {booking}",
        "Umelipwa {amount} kwa huduma {booking}. Risiti {receipt}. Kumbukumbu {reference}.",
        "Mpendwa {name},\n\ntumekulipa {amount} kwa huduma {booking}.\n"
        "Risiti: {receipt}\nKumbukumbu yetu: {reference}\n\n"
        "Salio chini ya shilingi moja litaongezwa kwenye malipo yako yajayo.\n",
    ),
    ("failed", "en"): Template(
        "Payment for booking {booking} did not go through",
        "Your payment of {amount} for booking {booking} did not go through: {reason}. Check your payment details.",
        "Dear {name},\n\nyour payment of {amount} for booking {booking} did not go through: {reason}.\n"
        "The money is still yours. Please check your payment details; we pay again once they are right.\n"
        "Our reference: {reference}\n",
    ),
    ("failed", "sw"): Template(
        "Malipo ya huduma {booking} hayakufaulu",
        "Malipo yako ya {amount} kwa huduma {booking} hayakufaulu: {reason}. Tafadhali hakiki taarifa zako za malipo.",
        "Mpendwa {name},\n\nmalipo yako ya {amount} kwa huduma {booking} hayakufaulu: {reason}.\n"
        "Pesa hizo bado ni zako. Tafadhali hakiki taarifa zako za malipo; tutalipa tena zikiwa sahihi.\n"
        "Kumbukumbu yetu: {reference}\n",
    ),
    ("returned", "en"): Template(
        "Payment for booking {booking} was returned",
        "Your bank returned {amount} for booking {booking}: {reason}. Please check your payment details.",
        "Dear {name},\n\nyour bank returned our payment of {amount} for booking {booking}: {reason}.\n"
        "The money is still yours. Please check your payment details; we pay again once they are right.\n"
        "Our reference: {reference}\n",
    ),
    ("returned", "sw"): Template(
        "Malipo ya huduma {booking} yamerudishwa",
        "Benki yako imerudisha {amount} ya huduma {booking}: {reason}. Tafadhali hakiki taarifa zako za malipo.",
        "Mpendwa {name},\n\nbenki yako imerudisha malipo yetu ya {amount} kwa huduma {booking}: {reason}.\n"
        "Pesa hizo bado ni zako. Tafadhali hakiki taarifa zako za malipo; tutalipa tena zikiwa sahihi.\n"
        "Kumbukumbu yetu: {reference}\n",
    ),
}
LANGUAGES: Final = tuple(sorted({language for _, language in TEMPLATES}))
NAMES: Final = tuple(sorted({name for name, _ in TEMPLATES}))


def render(template: str, language: str, values: Mapping[str, str]) -> Rendered:
    """Fill a template in; a language we do not have becomes English. Raises: KeyError for a missing value."""
    found = TEMPLATES.get((template, language)) or TEMPLATES[template, DEFAULT_LANGUAGE]
    return Rendered(
        found.subject.format_map(values),
        found.short.format_map(values)[:SMS_LENGTH_MAX],
        found.body.format_map(values),
    )
