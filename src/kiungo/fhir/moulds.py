"""Prepares resources of our own that are alike but for a few values, such as the orders of one contract.

What the index gets of such a resource is found by the extractor once, with made-up values. A row that holds none of
them is every such resource's; one that holds some says where they go. From then on no element is looked at.
"""

from collections.abc import Callable, Collection, Hashable, Sequence
from operator import itemgetter
from typing import Any, Final

from kiungo.fhir.indexing.extraction import Rows
from kiungo.fhir.indexing.values import TIME_MAX, TIME_MIN, identifier_hash, target_of
from kiungo.fhir.model import Prepared
from kiungo.fhir.prepare import prepare_made
from kiungo.fhir.search.words import words_of

IDENTIFIER: Final = "identifier"
MOMENT: Final = "moment"
SECOND: Final = "second"
MOULDS_MAX: Final = 2_000
Resource = dict[str, Any]
_TABLES: Final = ("token", "reference", "date", "compartment")
_MILLISECOND_US: Final = 1_000
_SECOND_US: Final = 1_000_000
_MADE_UP_US: Final = 1_000_000_000_000_000


class Mould:
    """What the index gets of the resources that `make` makes, whatever the values.

    Shapes: `kinds` says what each value is: IDENTIFIER, an identifier's value; MOMENT or SECOND, microseconds that are
    written to the millisecond or second; or a resource type, whose id it is in a reference. `make` takes one of each.
    Raises: ValueError when a value goes into the index in another way than its kind says.
    """

    __slots__ = (
        *("_alike", "_compartment", "_constants", "_date", "_kinds"),
        *("_person", "_reference", "_sort", "_token", "_words"),
    )

    def __init__(self, make: Callable[[Sequence[Any]], Resource], kinds: Sequence[str]) -> None:
        self._kinds = tuple(kinds)
        one, other = self._made_up(1), self._made_up(2)
        found, other_found = (prepare_made(make(values), id="made-up").rows for values in (one, other))
        self._alike = _alike(found, other_found)
        self._constants: list[int] = []
        numbers = self._numbers(one)
        self._token, self._reference, self._date, self._compartment = (
            [self._getter(row, numbers) for row in getattr(found, name) - getattr(self._alike, name)]
            for name in _TABLES
        )
        self._words = [(key, one.index(word)) for key, word in found.word - self._alike.word if word in one]
        self._sort = self._place(found.sort_ms, numbers)
        self._person = one.index(found.person) if found.person is not None else None
        if self.rows(one) != found or self.rows(other) != other_found:
            raise ValueError(f"A {make(one)['resourceType']} is not alike but for these values: give each its kind")

    def prepare(self, resource: Resource, values: Sequence[Any], *, id: str) -> Prepared:
        """A resource that was made of these values; the same as `prepare_made` of it, for a third of the cost."""
        return prepare_made(resource, id=id, rows=self.rows(values))

    def rows(self, values: Sequence[Any]) -> Rows:
        """What the index gets of the resource of these values."""
        cells = self._numbers(values) + self._constants
        alike = self._alike
        word = alike.word
        if self._words:
            word = word.union([(key, text) for key, place in self._words for text in _words(values[place])])
        return Rows(
            token=alike.token.union([getter(cells) for getter in self._token]),
            reference=alike.reference.union([getter(cells) for getter in self._reference]),
            date=alike.date.union([getter(cells) for getter in self._date]),
            compartment=alike.compartment.union([getter(cells) for getter in self._compartment]),
            number=alike.number,
            string=alike.string,
            uri=alike.uri,
            composite=alike.composite,
            position=alike.position,
            word=word,
            sort_ms=cells[self._sort],
            person=None if self._person is None else values[self._person],
        )

    def _made_up(self, seed: int) -> list[Any]:
        return [
            _MADE_UP_US * seed + number * _SECOND_US if kind in (MOMENT, SECOND) else f"madeup{seed}x{number}"
            for number, kind in enumerate(self._kinds)
        ]

    def _numbers(self, values: Sequence[Any]) -> list[int]:
        """Each value as the index has it, then the ends of those that are not one millisecond alone."""
        numbers = [_number(kind, value) for kind, value in zip(self._kinds, values, strict=True)]
        if SECOND in self._kinds:
            numbers += [
                min(number + _SECOND_US // _MILLISECOND_US - 1, TIME_MAX)
                for kind, number in zip(self._kinds, numbers, strict=True)
                if kind == SECOND
            ]
        return numbers

    def _getter(self, row: Collection[int], numbers: list[int]) -> "itemgetter[Any]":
        return itemgetter(*[self._place(cell, numbers) for cell in row])

    def _place(self, cell: int, numbers: list[int]) -> int:
        """Where a number is among the cells: a value's, or one of the constants behind them."""
        if cell in numbers:
            return numbers.index(cell)
        if cell not in self._constants:
            self._constants.append(cell)
        return len(numbers) + self._constants.index(cell)


class Moulds:
    """Keeps moulds by what their resources have in common. Safe from any thread: one made twice is the same."""

    def __init__(self) -> None:
        self._met: dict[Hashable, Mould | None] = {}

    def prepare(
        self,
        alike: Hashable,
        resource: Resource,
        values: Sequence[Any],
        kinds: Sequence[str],
        make: Callable[[Sequence[Any]], Resource],
        *,
        id: str,
    ) -> Prepared:
        """A resource that `make` would make of these values, with all in `alike` that goes into the index beside them.

        The mould is made when a resource like it comes again: some never have another.
        """
        mould = self._met.get(alike)
        if mould is None:
            if alike not in self._met:
                if len(self._met) >= MOULDS_MAX:
                    self._met.clear()
                self._met[alike] = None
                return prepare_made(resource, id=id)
            mould = self._met[alike] = Mould(make, kinds)
        return mould.prepare(resource, values, id=id)


def _alike(one: Rows, other: Rows) -> Rows:
    """What two resources have both, and of the tables that no value goes into all that the first has."""
    return Rows(
        token=one.token & other.token,
        reference=one.reference & other.reference,
        date=one.date & other.date,
        compartment=one.compartment & other.compartment,
        word=one.word & other.word,
        number=one.number,
        string=one.string,
        uri=one.uri,
        composite=one.composite,
        position=one.position,
    )


def _number(kind: str, value: Any) -> int:
    if kind == IDENTIFIER:
        return identifier_hash(value)
    if kind == MOMENT:
        return int(min(max(value // _MILLISECOND_US, TIME_MIN), TIME_MAX))
    if kind == SECOND:
        return int(min(max(value // _SECOND_US * (_SECOND_US // _MILLISECOND_US), TIME_MIN), TIME_MAX))
    return target_of(kind, value)


def _words(text: str) -> set[str]:
    """The words of an identifier that is not among a resource's own, where words are not looked for."""
    return words_of({"value": text})[1]
