"""A submitted form, read once: text fields only, each with a limit."""

from collections.abc import Mapping
from urllib.parse import parse_qsl

from kiungo.base.errors import Incorrect, define

FORM_UNREADABLE = define("FORM_UNREADABLE", Incorrect, "A submitted form is not UTF-8, or has too many fields.")

FIELDS_MAX = 200
VALUE_CHARACTERS_MAX = 10_000


def parse_form(body: bytes) -> dict[str, str]:
    """The fields of a form, surrounding space removed; of a repeated field the last value wins.

    Raises: Incorrect FORM_UNREADABLE.
    """
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=FIELDS_MAX)
    except ValueError as problem:
        raise Incorrect(
            FORM_UNREADABLE, "The form could not be read", hint="Reload the page and send the form again"
        ) from problem
    for name, value in pairs:
        if "\x00" in name + value or len(value) > VALUE_CHARACTERS_MAX:
            raise Incorrect(
                FORM_UNREADABLE,
                "A field holds a NUL character or is too long",
                field=name.replace("\x00", ""),
                hint=f"Keep it under {VALUE_CHARACTERS_MAX} characters",
            )
    return {name: value.strip() for name, value in pairs}


def filled(form: Mapping[str, str], *names: str) -> dict[str, str]:
    """Those of the named fields that hold something."""
    return {name: form[name] for name in names if form.get(name)}
