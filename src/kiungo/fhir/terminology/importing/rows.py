"""What every release is read into: what one line says about one concept."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

TERM_LENGTH_MAX = 600
CODE_LENGTH_MAX = 200


class LineWrong(ValueError):
    """A line cannot be read; the text says why."""


@dataclass(frozen=True, slots=True)
class Said:
    """What a line says about a concept: it is there (`display`), it has terms, properties or parents.

    Shapes: `terms` are (kind, language, term); `parents` are codes. Without a `display` the concept must exist.
    `only_if_new` keeps the display that an earlier line gave.
    """

    code: str
    display: str | None = None
    active: bool = True
    terms: tuple[tuple[str, str, str], ...] = ()
    properties: tuple[tuple[str, str], ...] = ()
    parents: tuple[str, ...] = ()
    only_if_new: bool = False


# Each record of an open file with the line it ended on.
Records = Callable[[Iterable[str]], Iterator[tuple[int, list[str]]]]
# What a record says; None when it says nothing we keep. Raises LineWrong.
Reader = Callable[[list[str]], Said | None]


@dataclass(frozen=True, slots=True)
class Stage:
    """One file of a release: `pattern` finds it, `records` splits it, `reader` makes a reader for its header line."""

    pattern: str
    records: Records
    reader: Callable[[list[str]], Reader]
    has_header: bool = True


def by_name(header: list[str], needed: tuple[str, ...]) -> dict[str, int]:
    """Where each column is. Raises: LineWrong when one is missing."""
    places = {name.strip().strip("\ufeff"): number for number, name in enumerate(header)}
    missing = [name for name in needed if name not in places]
    if missing:
        raise LineWrong(f"the file has no column {', '.join(missing)}")
    return places


def checked_code(text: str) -> str:
    """A code that can be stored. Raises: LineWrong."""
    code = text.strip()
    if not code or len(code) > CODE_LENGTH_MAX:
        raise LineWrong("the line has no code")
    return code
