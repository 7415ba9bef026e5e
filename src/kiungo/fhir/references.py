"""References inside received text: renamed to final addresses, and absolute ones of this server made relative.

Only the texts of references change; everything else stays to the byte as it was received.
Source: FHIR R4 2.3.0.2 (references), 3.1.0.11.2 (references in transactions).
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

from kiungo.fhir.indexing.values import split_reference
from kiungo.fhir.search.asked import AllOf, AnyOf, Chain, Condition, Has, Not, Predicate, Value

_REFERENCE = re.compile(rb'("reference"\s*:\s*")((?:[^"\\]|\\.)*)(")')
_BUNDLE_OWN = ("urn:uuid:", "urn:oid:")


def texts(text: bytes) -> Iterator[str]:
    """Every reference in a resource's text."""
    return (_plain(match[2]) for match in _REFERENCE.finditer(text))


def rewritten(text: bytes, names: Mapping[str, str], base: str = "") -> bytes:
    """The received text with its references renamed, and those under our own `base` address relative."""
    host = base.partition("://")[2].partition("/")[0].encode()
    if not names and not (host and host in text):
        return text

    def rename(match: re.Match[bytes]) -> bytes:
        name, mark, fragment = _plain(match[2]).partition("#")
        found = names.get(name) or (local(name, base) if base else None)
        return match[0] if found is None else match[1] + (found + mark + fragment).encode() + match[3]

    return _REFERENCE.sub(rename, text)


def local(reference: str, base: str) -> str | None:
    """An absolute reference to a resource of this server, relative; None for any other."""
    if not reference.startswith(base + "/"):
        return None
    rest = reference[len(base) + 1 :]
    parts = split_reference(rest)
    return rest if parts is not None and parts[0] is None else None


def dangling(text: bytes) -> str | None:
    """The first reference that only another entry of its bundle could explain; None when there is none."""
    if b"urn:" not in text:
        return None
    return next((name for name in texts(text) if name.startswith(_BUNDLE_OWN)), None)


def localised(condition: Condition, base: str) -> Condition:
    """A search condition whose absolute references to this server match the relative ones that are stored.

    Canonical addresses are stored as written, so where a parameter may hold one both forms are looked for.
    """
    if isinstance(condition, Chain):
        return replace(condition, inner=tuple((name, localised(inner, base)) for name, inner in condition.inner))
    if isinstance(condition, Has):
        return replace(condition, inner=localised(condition.inner, base))
    if isinstance(condition, AllOf | AnyOf):
        return replace(condition, conditions=tuple(localised(inner, base) for inner in condition.conditions))
    if isinstance(condition, Not):
        return Not(localised(condition.condition, base))
    if not isinstance(condition, Predicate) or condition.parameter.kind != "reference" or condition.modifier:
        return condition
    return _relative(condition, base) if any(v.text.startswith(base) for v in condition.values) else condition


def _relative(condition: Predicate, base: str) -> Predicate:
    values: list[Value] = []
    for value in condition.values:
        found = local(value.text, base)
        if found is None or "Patient" not in condition.parameter.targets:
            values.append(value)
        if found is not None:
            values.append(Value("", (found,)))
    return replace(condition, values=tuple(values))


def _plain(raw: bytes) -> str:
    """A reference as it reads: some writers escape every slash."""
    return raw.replace(b"\\/", b"/").decode(errors="replace")
