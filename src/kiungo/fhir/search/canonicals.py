"""Canonical addresses: what names another resource by its URL, perhaps with a version, instead of by its id.

Source: FHIR R4 2.24.0.1 (canonical), 2.1.27.0.1 (canonical URLs and versions).
"""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from kiungo.fhir.indexing.parameters import parameters_of
from kiungo.fhir.indexing.values import url_target
from kiungo.fhir.model import Stored
from kiungo.fhir.search.select import find_matches

if TYPE_CHECKING:
    from kiungo.fhir.search.matching import Scope
    from kiungo.kernel.database import Unit

ADDRESSES_MAX = 100
VERSIONS_MAX = 50


def is_addressed(type_name: str) -> bool:
    """Whether resources of a type have such an address."""
    return parameters_of(type_name).keys() >= {"url", "version"}


def addresses(tree: Any, targets: set[int]) -> Iterator[str]:
    """The texts inside a resource that are the addresses with these target numbers."""
    if isinstance(tree, str):
        if url_target(tree.partition("|")[0]) in targets:
            yield tree
    else:
        for inner in tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ():
            yield from addresses(inner, targets)


def named_by(unit: "Unit", scope: "Scope", types: Iterable[str], texts: Iterable[str]) -> list[Stored]:
    """The resources with these addresses: of the version named, else the one that changed last."""
    found: list[Stored] = []
    for text in list(texts)[:ADDRESSES_MAX]:
        url, _, version = text.partition("|")
        asked = [("url", _escaped(url)), *([("version", _escaped(version))] if version else [])]
        some: list[Stored] = []
        for type_name in types:
            if is_addressed(type_name):
                some += find_matches(unit, scope.tenant, type_name, asked, limit=VERSIONS_MAX)
        if some:
            found.append(max(some, key=lambda stored: stored.updated_us))
    return found


def names(tree: Any, other: dict[str, Any]) -> bool:
    """Whether a resource names the other one by its address: without a version, or with the other's."""
    url, version = other.get("url"), other.get("version")
    wanted = {url, f"{url}|{version}"}
    return isinstance(url, str) and any(text in wanted for text in addresses(tree, {url_target(url)}))


def _escaped(text: str) -> str:
    return "".join("\\" + letter if letter in "\\,|$" else letter for letter in text)
