"""What can be wrong with a patch: it cannot be read, or it does not fit the resource."""

from typing import Any

from kiungo.base.errors import Incorrect, define

PATCH_MALFORMED = define("PATCH_MALFORMED", Incorrect, "The patch document is not one, or an operation lacks a part.")
PATCH_NOT_APPLICABLE = define(
    "PATCH_NOT_APPLICABLE", Incorrect, "An operation of the patch does not fit the resource as it is.", http=422
)
PATCH_TEST_FAILED = define(
    "PATCH_TEST_FAILED", Incorrect, "A test operation of the patch found another value than it expected.", http=422
)
OPERATIONS_MAX = 1_000
ADDED_VALUES_MAX = 200_000


def malformed(place: str, problem: str, hint: str | None = None) -> Incorrect:
    """The patch itself is wrong."""
    return Incorrect(PATCH_MALFORMED, f"{place}: {problem}", field=place, hint=hint)


def unfit(place: str, problem: str, hint: str | None = None) -> Incorrect:
    """The patch does not fit this resource."""
    return Incorrect(PATCH_NOT_APPLICABLE, f"{place}: {problem}", field=place, hint=hint)


def copied(value: Any) -> Any:
    """A JSON value that shares no object or list with the one given."""
    if isinstance(value, dict):
        return {name: copied(one) for name, one in value.items()}
    return [copied(one) for one in value] if isinstance(value, list) else value


def size_of(value: Any) -> int:
    """How many values a JSON value holds, itself included."""
    if isinstance(value, dict):
        return 1 + sum(size_of(one) for one in value.values())
    return 1 + sum(size_of(one) for one in value) if isinstance(value, list) else 1
