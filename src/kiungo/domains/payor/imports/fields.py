"""Read the cells of one row strictly, each problem with its column."""

import difflib
import re
from collections.abc import Mapping
from typing import TypeVar

from kiungo.base.errors import Detail, Incorrect, KiungoError
from kiungo.base.money import Money
from kiungo.base.time import parse_date
from kiungo.domains.payor.book import code_set
from kiungo.domains.payor.errors import REFERENCE_WRONG

T = TypeVar("T", bound=str)

CELL_CHARACTERS_MAX = 2_000
_PERCENT = re.compile(r"([0-9]{1,3})(?:\.([0-9]{1,2}))?\Z", re.ASCII)
_YES, _NO = frozenset({"true", "yes", "1"}), frozenset({"false", "no", "0"})


class Fields:
    """The cells of a row by column name; an empty cell is absent.

    Problems are collected; `finish` raises them together. A column nobody asked for is a problem too.
    """

    def __init__(self, cells: Mapping[str, str | None]) -> None:
        self._cells = {name: text.strip() for name, text in cells.items() if text is not None and text.strip()}
        self._asked: set[str] = set()
        self._named = set(cells)
        self.problems: list[Detail] = []

    def add(self, name: str, message: str) -> None:
        """Note a problem."""
        self.problems.append(Detail(name, message))

    def optional(self, name: str) -> str | None:
        """A text, or None."""
        self._asked.add(name)
        text = self._cells.get(name)
        if text is not None and (len(text) > CELL_CHARACTERS_MAX or any(c < " " for c in text)):
            self.add(name, f"must be at most {CELL_CHARACTERS_MAX} characters without control characters")
            return None
        return text

    def text(self, name: str) -> str:
        """A text that must be there."""
        text = self.optional(name)
        if text is None:
            self.add(name, "is required")
            return ""
        return text

    def choice(self, name: str, choices: tuple[T, ...], usual: T | None = None) -> T:
        """One of a few words."""
        text = self.optional(name)
        if text is None and usual is not None:
            return usual
        if text not in choices:
            self.add(name, f"must be one of {', '.join(choices)}")
            return choices[0]
        return text

    def day(self, name: str) -> str | None:
        """A date, or None."""
        text = self.optional(name)
        if text is None:
            return None
        try:
            return parse_date(text, field=name).isoformat()
        except Incorrect:
            self.add(name, "must be a date written as YYYY-MM-DD")
            return None

    def required_day(self, name: str) -> str:
        """A date that must be there."""
        day = self.day(name)
        if day is None and name not in self._cells:
            self.add(name, "is required")
        return day or ""

    def count(self, name: str, *, least: int = 0, most: int = 10**9, usual: int | None = None) -> int:
        """A whole number."""
        text = self.optional(name)
        if text is None and usual is not None:
            return usual
        if text is None or not (text.isascii() and text.isdigit()) or not least <= int(text[:12]) <= most:
            self.add(name, f"must be a whole number from {least} to {most}")
            return least
        return int(text)

    def optional_count(self, name: str, *, least: int = 0, most: int = 10**9) -> int | None:
        """A whole number, or None."""
        return self.count(name, least=least, most=most) if self.optional(name) is not None else None

    def yes(self, name: str, *, usual: bool = False) -> bool:
        """true or false."""
        text = self.optional(name)
        if text is None:
            return usual
        if text.lower() not in _YES | _NO:
            self.add(name, "must be true or false")
        return text.lower() in _YES

    def basis_points(self, name: str) -> int | None:
        """A percentage such as 20 or 12.5, as basis points; or None."""
        text = self.optional(name)
        if text is None:
            return None
        match = _PERCENT.match(text)
        points = int(match[1]) * 100 + int((match[2] or "0").ljust(2, "0")) if match else 10_001
        if points > 10_000:
            self.add(name, "must be a percentage from 0 to 100 with at most two decimals")
            return None
        return points

    def money(self, name: str, currency: str) -> Money | None:
        """An amount, not negative; or None."""
        text = self.optional(name)
        if text is None:
            return None
        try:
            amount = Money.parse(text, currency, field=name)
        except KiungoError as error:
            self.add(name, error.message)
            return None
        if amount.minor < 0:
            self.add(name, "must not be negative")
        return amount

    def required_money(self, name: str, currency: str) -> Money:
        """An amount that must be there."""
        amount = self.money(name, currency)
        if amount is None and name not in self._cells:
            self.add(name, "is required")
        return amount or Money.zero("USD")

    def words(self, name: str) -> tuple[str, ...]:
        """Several words, separated by spaces, commas or bars."""
        text = self.optional(name)
        return tuple(word for word in re.split(r"[\s,|]+", text) if word) if text else ()

    def codes(self, name: str, *, required: bool = False) -> tuple[str, ...]:
        """Code patterns: codes, prefixes with a star, ranges."""
        patterns = self.words(name)
        if required and not patterns:
            self.add(name, "is required")
        for pattern in patterns:
            try:
                code_set(pattern)
            except ValueError as error:
                self.add(name, str(error))
        return patterns

    @property
    def asked(self) -> tuple[str, ...]:
        """The columns somebody asked for."""
        return tuple(sorted(self._asked))

    def finish(self) -> None:
        """Raises: Incorrect REFERENCE_WRONG with every problem of the row."""
        for name in sorted(self._named - self._asked):
            near = [column for column in self.asked if column.startswith(name)]
            near = near or difflib.get_close_matches(name[:64], self._asked, n=1)
            hint = f"did you mean {near[0]}?" if near else "see kiungo payor columns"
            self.add(name[:64], f"is not a column of this kind; {hint}")
        if self.problems:
            first = self.problems[0]
            raise Incorrect(
                REFERENCE_WRONG,
                "; ".join(f"{problem.field} {problem.message}" for problem in self.problems[:5]),
                field=first.field,
                hint="Correct the row and send it again",
                details=tuple(self.problems),
            )
