"""Values of JSON bodies as the cells a CSV row would have."""

from typing import Any

from starlette.responses import Response as StarletteResponse

from kiungo.base.errors import Incorrect
from kiungo.domains.payor.errors import REFERENCE_WRONG
from kiungo.kernel.http import Response, as_starlette

Cell = str | int | bool | list[str] | None


def text_of(value: Any) -> str | None:
    """A value as the text of a cell; a list as words."""
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return " ".join(str(item) for item in value)
    return str(value)


def wrong(field: str, problem: str) -> Incorrect:
    """The refusal of one field of reference data."""
    return Incorrect(REFERENCE_WRONG, f"{field} {problem}", field=field, hint="Correct it and send it again")


def json_answer(value: Any) -> StarletteResponse:
    """A FastAPI answer with exact amounts."""
    return as_starlette(Response.json(value))
