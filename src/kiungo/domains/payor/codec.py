"""Reference values as the bytes of a row, and back."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar

import msgspec

from kiungo.base.money import Money
from kiungo.domains.payor.book import Exclusion, Fee, Limit, ListedCode, Pair, Provider, UnitLimit
from kiungo.domains.payor.snapshot import Item

T = TypeVar("T")

KINDS: Mapping[str, type[Item]] = {
    "code": ListedCode,
    "exclusion": Exclusion,
    "fee": Fee,
    "limit": Limit,
    "pair": Pair,
    "provider": Provider,
    "unit_limit": UnitLimit,
}
_NAMES = {kind: name for name, kind in KINDS.items()}


def to_bytes(value: Any) -> bytes:
    """A value of this domain as JSON bytes; money as its minor units and currency."""
    return _encoder.encode(value)


def from_bytes(body: bytes, kind: type[T]) -> T:
    """The value those bytes were made of."""
    return msgspec.json.decode(body, type=kind, dec_hook=_decode)


def shown(item: Item) -> dict[str, Any]:
    """A reference row as the admin API shows it: amounts as texts with their currency beside them."""
    row: dict[str, Any] = {}
    for field in fields(item):
        value = getattr(item, field.name)
        if isinstance(value, Money):
            row[field.name], row["currency"] = value.text(), value.currency
        elif field.name != "fhir_id":
            row[field.name] = list(value) if isinstance(value, tuple) else value
    if isinstance(item, Limit) and item.currency is not None:
        row["most"] = Money(item.most, item.currency).text()
    return row


def _encode(value: object) -> object:
    if isinstance(value, Money):
        return {"minor": value.minor, "currency": value.currency}
    raise TypeError(f"{type(value).__name__} is no reference value")


def _decode(kind: type, value: Any) -> Any:
    if kind is Money:
        return Money(value["minor"], value["currency"])
    raise TypeError(f"{kind.__name__} is no reference value")


_encoder = msgspec.json.Encoder(enc_hook=_encode)


def kind_of(item: Item) -> str:
    """The name of a reference row's kind."""
    return _NAMES[type(item)]


def key_of(item: Item) -> str:
    """What makes a reference row the same row, beside its kind, owner and first day."""
    match item:
        case Fee():
            return f"{item.code}|{item.modifier}"
        case ListedCode() | Exclusion():
            return f"{item.kind}|{item.code if isinstance(item, ListedCode) else item.codes}"
        case Limit():
            return item.limit_id
        case Pair():
            return f"{item.first}|{item.second}"
        case UnitLimit():
            return item.code
        case Provider():
            return item.provider_id
