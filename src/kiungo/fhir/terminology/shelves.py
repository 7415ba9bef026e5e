"""Where code systems, value sets and concept maps are found: stored by the tenant, imported, or FHIR's own.

What the tenant stored goes first, so that it can publish a newer version of anything.
"""

import gzip
import json
from collections.abc import Callable
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from kiungo.base.errors import Incorrect
from kiungo.fhir.definitions import type_ids
from kiungo.fhir.search.select import find_matches
from kiungo.fhir.terminology.model import VALUE_SET_WRONG, ConceptMap, Filter, Rule, ValueSet
from kiungo.kernel import json as exact_json

if TYPE_CHECKING:
    from kiungo.kernel.database import Unit

VERSIONS_MAX = 50
OPERATORS = ("=", "is-a", "descendent-of", "is-not-a", "regex", "in", "not-in", "generalizes", "exists")
RULES_MAX = 500
MAPS_MAX = 500
# Finds a stored conformance resource: (unit, tenant, type, canonical address) to all its versions.
Shelf = Callable[["Unit", int, str, str], list[dict[str, Any]]]


@cache
def artifact() -> dict[str, Any]:
    """What FHIR R4 itself defines, made by `scripts/build_fhir_terminology.py`."""
    packed = resources.files(__package__).joinpath("r4.json.gz").read_bytes()
    content: dict[str, Any] = json.loads(gzip.decompress(packed))
    return content


def stored(unit: "Unit", tenant: int, type_name: str, url: str) -> list[dict[str, Any]]:
    """The tenant's own resources of this canonical address."""
    written = url.replace("\\", "\\\\").replace(",", "\\,").replace("$", "\\$").replace("|", "\\|")
    found = find_matches(unit, tenant, type_name, [("url", written)], limit=VERSIONS_MAX)
    return [exact_json.loads(item.body) for item in found]


def packaged(unit: "Unit", tenant: int, type_name: str, url: str) -> list[dict[str, Any]]:
    """The resources of this canonical address in the packages the tenant installed, the last installed first."""
    rows = unit.rows(
        "SELECT r.body FROM fhir_package_resource r JOIN fhir_package p ON p.tn = r.tn AND p.name = r.package "
        "AND p.version = r.package_version WHERE r.tn = ? AND r.type = ? AND r.url = ? "
        f"ORDER BY p.installed_us DESC LIMIT {VERSIONS_MAX}",
        (tenant, type_name, url),
    )
    return [exact_json.loads(bytes(row[0])) for row in rows]


def chosen(found: list[dict[str, Any]], version: str | None) -> dict[str, Any] | None:
    """The wanted version; without one the newest that is not retired."""
    if version is not None:
        return next((item for item in found if item.get("version", "") == version), None)
    return max(
        found,
        key=lambda item: (item.get("status") == "active", item.get("status") != "retired", _order(item)),
        default=None,
    )


def _order(item: dict[str, Any]) -> tuple[tuple[int, str], ...]:
    parts = str(item.get("version", "")).replace("-", ".").split(".")
    return tuple((int(p), "") if p.isdecimal() and len(p) < 18 else (-1, p) for p in parts)


def value_set_of(resource: dict[str, Any]) -> ValueSet:
    """A value set's rules from its resource; one with an expansion only is the list of its codes.

    Raises: Incorrect VALUE_SET_WRONG.
    """
    url, version = resource.get("url", ""), resource.get("version", "")
    compose = resource.get("compose") or {}
    if not compose.get("include") and "expansion" in resource:
        return ValueSet(url, version, resource.get("name", ""), _listed(resource["expansion"].get("contains", [])))
    parts = [*compose.get("include", ()), *compose.get("exclude", ())]
    if len(parts) > RULES_MAX:
        raise Incorrect(
            VALUE_SET_WRONG, f"The value set has more than {RULES_MAX} rules", field="compose", hint="Split it"
        )
    return ValueSet(
        url,
        version,
        resource.get("title") or resource.get("name", ""),
        tuple(_rule(part) for part in compose.get("include", ())),
        tuple(_rule(part) for part in compose.get("exclude", ())),
        compose.get("inactive") is not False,
    )


def value_set_of_rows(url: str, content: dict[str, Any]) -> ValueSet:
    """The same from the artifact, where listed concepts are rows of code and display."""
    compose = {
        key: [
            {**part, "concept": [dict(zip(("code", "display"), row, strict=False)) for row in part["concept"]]}
            if "concept" in part
            else part
            for part in parts
        ]
        for key, parts in content["compose"].items()
    }
    return value_set_of({"url": url, "version": content["version"], "name": content["name"], "compose": compose})


def _rule(part: dict[str, Any]) -> Rule:
    listed = part.get("concept")
    codes = {c["code"]: c.get("display") for c in listed if "code" in c} if listed else None
    filters = tuple(
        Filter(f.get("property", ""), f.get("op", "="), str(f.get("value", ""))) for f in part.get("filter", ())
    )
    for wanted in filters:
        if wanted.op not in OPERATORS:
            raise Incorrect(
                VALUE_SET_WRONG,
                f"The filter {wanted.op[:40]!r} is none of R4",
                field="compose.include.filter.op",
                hint=f"R4 has {', '.join(OPERATORS)}",
            )
    return Rule(part.get("system"), part.get("version"), codes, filters, tuple(part.get("valueSet", ())))


def _listed(contains: list[dict[str, Any]]) -> tuple[Rule, ...]:
    found: dict[str, dict[str, str | None]] = {}
    waiting = list(reversed(contains))
    while waiting:
        entry = waiting.pop()
        if "code" in entry and not entry.get("abstract"):
            found.setdefault(entry.get("system", ""), {})[entry["code"]] = entry.get("display")
        waiting += reversed(entry.get("contains", []))
    return tuple(Rule(system, None, codes) for system, codes in found.items())


def concept_map_of(resource: dict[str, Any]) -> ConceptMap:
    """A concept map from its resource, or from the artifact."""
    return ConceptMap(
        resource.get("url", ""),
        resource.get("version", ""),
        resource.get("sourceUri") or resource.get("sourceCanonical") or "",
        resource.get("targetUri") or resource.get("targetCanonical") or "",
        tuple(resource.get("group", ())),
    )


def implicit_value_set(url: str) -> ValueSet | None:
    """A value set that an address itself says: all of SNOMED CT, what is below a concept, all of LOINC.

    Source: FHIR R4 4.3.1.1 (SNOMED CT implicit value sets), 4.3.2.1 (LOINC).
    """
    if url == "http://loinc.org/vs":
        return ValueSet(url, "", "LOINC", (Rule("http://loinc.org"),))
    base, mark, query = url.partition("?fhir_vs")
    if not mark or not base.startswith("http://snomed.info/sct"):
        return None
    version = base if base != "http://snomed.info/sct" else None
    filters: tuple[Filter, ...] = ()
    if query.startswith("=isa/"):
        filters = (Filter("concept", "is-a", query.removeprefix("=isa/")),)
    elif query:
        return None
    return ValueSet(url, "", "SNOMED CT", (Rule("http://snomed.info/sct", version, None, filters),))


def stored_maps(unit: "Unit", tenant: int) -> list[dict[str, Any]]:
    """The tenant's concept maps, its own and those of its packages, as many as the limit allows."""
    own = unit.rows(
        f"SELECT body FROM fhir_resource WHERE tn = ? AND type = ? AND deleted = 0 ORDER BY rid LIMIT {MAPS_MAX}",
        (tenant, type_ids()["ConceptMap"]),
    )
    installed = unit.rows(
        f"SELECT body FROM fhir_package_resource WHERE tn = ? AND type = 'ConceptMap' ORDER BY url LIMIT {MAPS_MAX}",
        (tenant,),
    )
    return [exact_json.loads(bytes(row[0])) for row in (*own, *installed)]
