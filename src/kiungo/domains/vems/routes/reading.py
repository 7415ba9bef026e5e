"""Small bodies and queries of the administrators' API, read field by field: every wrong one is told at once."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from kiungo.base.errors import Detail, KiungoError
from kiungo.base.money import Money
from kiungo.base.time import parse_date
from kiungo.domains.vems.errors import invalid
from kiungo.domains.vems.model import CURRENCY
from kiungo.domains.vems.routes.shapes import read_amount
from kiungo.kernel.http import Request

TEXT_MAX: Final = 200
LONG_TEXT_MAX: Final = 2_000
WHOLE_MAX: Final = 1_000_000_000


class Sent:
    """The object a body holds, and what is wrong with it so far; `check` refuses it all."""

    def __init__(self, value: Any) -> None:
        if not isinstance(value, dict):
            raise invalid([Detail("body", "The body must be an object.")])
        self.value: Mapping[str, Any] = value
        self.problems: list[Detail] = []

    @classmethod
    def of(cls, request: Request) -> "Sent":
        """The body of a request. Raises: Incorrect, malformed or no object."""
        return cls(request.json())

    def wrong(self, field: str, sentence: str) -> None:
        """One more wrong field."""
        self.problems.append(Detail(field, sentence))

    def check(self) -> None:
        """Raises: Incorrect BOOKING_INVALID with every wrong field."""
        if self.problems:
            raise invalid(self.problems)

    def text(
        self,
        field: str,
        *,
        most: int = TEXT_MAX,
        required: bool = True,
        lines: bool = False,
        form: re.Pattern[str] | None = None,
        choices: Sequence[str] = (),
    ) -> str:
        """A text; empty when it is missing and may be. `lines` allows line breaks."""
        found = self.value.get(field)
        if found is None or found == "":
            if required:
                self.wrong(field, f"The {field} field is required.")
            return ""
        if not isinstance(found, str):
            self.wrong(field, f"The {field} must be a string.")
            return ""
        text = found.strip()
        shown = text.replace("\n", "").replace("\r", "") if lines else text
        if required and not text:
            self.wrong(field, f"The {field} field is required.")
        elif len(text) > most:
            self.wrong(field, f"The {field} must not be greater than {most} characters.")
        elif not shown.isprintable():
            self.wrong(field, f"The {field} must not hold control characters.")
        elif choices and text not in choices:
            self.wrong(field, f"The selected {field} is invalid. Use one of: {', '.join(choices)}.")
        elif text and form is not None and not form.fullmatch(text):
            self.wrong(field, f"The {field} format is invalid.")
        return text

    def amount(self, field: str, *, least_minor: int = 1) -> Money:
        """A required amount with at most two decimals."""
        if self.value.get(field) is None:
            self.wrong(field, f"The {field} field is required.")
            return Money.zero(CURRENCY)
        amount = read_amount(self.value[field])
        if amount is None:
            self.wrong(field, f"The {field} must be an amount with at most two decimals.")
            return Money.zero(CURRENCY)
        if amount.minor < least_minor:
            least = "more than zero" if least_minor else "zero or more"
            self.wrong(field, f"The {field} must be {least}.")
        return amount


def choice_of(asked: Mapping[str, str], name: str, choices: Sequence[str]) -> str | None:
    """One of some words of a query. Raises: Incorrect BOOKING_INVALID."""
    value = asked.get(name)
    if value is not None and value not in choices:
        raise invalid([Detail(name, f"The selected {name} is invalid. Use one of: {', '.join(choices)}.")])
    return value


def day_of(asked: Mapping[str, str], name: str) -> str | None:
    """A day of a query, YYYY-MM-DD. Raises: Incorrect BOOKING_INVALID."""
    value = asked.get(name)
    if value is None:
        return None
    try:
        return parse_date(value, field=name).isoformat()
    except KiungoError:
        raise invalid([Detail(name, f"The {name} must be a valid date, YYYY-MM-DD.")]) from None


def whole_of(value: str) -> int | None:
    """A whole number of a path or query; None for anything else, and for what no version or id can be."""
    if not (value.isascii() and value.isdigit() and len(value) <= 10):
        return None
    found = int(value)
    return found if found <= WHOLE_MAX else None
