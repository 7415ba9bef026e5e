"""Build the artifact of code systems, value sets and concept maps that FHIR R4 itself defines.

    npm pack hl7.fhir.r4.examples@4.0.1 hl7.fhir.r4.expansions@4.0.1
    python scripts/build_fhir_terminology.py \
        hl7.fhir.r4.examples-4.0.1.tgz hl7.fhir.r4.expansions-4.0.1.tgz \
        src/kiungo/fhir/terminology/r4.json.gz

Both packages are CC0-1.0 (HL7). Codes, displays, hierarchy and rules are taken; definitions and prose are not.
Codes of systems that others own and publish under their own terms are left out. The same input gives the same bytes.
"""

import gzip
import json
import sys
import tarfile
from pathlib import Path
from typing import Any

Json = dict[str, Any]
# Their owners publish them, under terms of their own; a hospital imports what it is licensed for.
OWNED = ("http://snomed.info/sct", "http://loinc.org", "http://dicom.nema.org/resources/ontology/DCM")
CURRENCIES = "urn:iso:std:iso:4217"


def read_package(path: str, prefixes: tuple[str, ...]) -> list[Json]:
    """Every JSON file of an npm package whose name starts with one of the prefixes, by name."""
    found = {}
    with tarfile.open(path) as package:
        for member in package:
            name = Path(member.name).name
            if name.startswith(prefixes) and name.endswith(".json") and member.name.count("/") == 1:
                found[name] = json.loads(package.extractfile(member).read())  # type: ignore[union-attr]
    return [found[name] for name in sorted(found)]


def concepts(rows: list[Json], parent: str | None = None) -> list[list[Any]]:
    """Rows [code, display, parent, not selectable], the tail left out where it is empty."""
    found: list[list[Any]] = []
    for row in rows:
        hidden = any(
            p.get("code") in ("notSelectable", "abstract") and p.get("valueBoolean") for p in row.get("property", ())
        )
        entry = [row["code"], row.get("display"), parent, int(hidden)]
        while not entry[-1]:
            entry.pop()
        found.append(entry)
        found += concepts(row.get("concept", []), row["code"])
    return found


def system(item: Json) -> Json:
    """One code system without its prose."""
    return {
        "version": item.get("version", ""),
        "name": item.get("name", ""),
        "content": item["content"],
        "caseSensitive": item.get("caseSensitive", True),
        "concepts": concepts(item.get("concept", [])),
    }


def component(item: Json) -> Json:
    """One include or exclude of a value set."""
    kept = {key: item[key] for key in ("system", "version", "filter", "valueSet") if key in item}
    if "concept" in item:
        owned = item.get("system") in OWNED
        kept["concept"] = [[c["code"]] if owned or "display" not in c else [c["code"], c["display"]]
                           for c in item["concept"]]  # fmt: skip
    return kept


def value_set(item: Json) -> Json:
    """The rules of one value set."""
    compose = item.get("compose", {})
    rules = {key: [component(c) for c in compose[key]] for key in ("include", "exclude") if key in compose}
    return {"version": item.get("version", ""), "name": item.get("name", ""), "compose": rules}


def concept_map(item: Json) -> Json:
    """The groups of one concept map."""
    ends = {key: item[key] for key in ("sourceUri", "sourceCanonical", "targetUri", "targetCanonical") if key in item}
    return {"version": item.get("version", ""), "name": item.get("name", ""), **ends, "group": item.get("group", [])}


def currencies(expansions: list[Json]) -> Json:
    """ISO 4217, which the package has only as an expansion."""
    rows = next(x for x in expansions if x["id"] == "currencies")["expansion"]["contains"]
    listed = sorted([c["code"], c.get("display", "")] for c in rows)
    return {"version": "", "name": "Currencies", "content": "complete", "caseSensitive": True, "concepts": listed}


def build(examples: str, expansions: str) -> Json:
    """The whole artifact as one JSON value."""
    systems = {x["url"]: system(x) for x in read_package(examples, ("CodeSystem-",))}
    systems = {u: s for u, s in systems.items() if s["content"] != "supplement" and s["concepts"] and u not in OWNED}
    systems[CURRENCIES] = currencies(read_package(expansions, ("ValueSet-",)))
    return {
        "systems": systems,
        "value_sets": {x["url"]: value_set(x) for x in read_package(examples, ("ValueSet-",))},
        "maps": {x["url"]: concept_map(x) for x in read_package(examples, ("ConceptMap-",)) if "group" in x},
    }


def main(examples: str, expansions: str, target: str) -> None:
    text = json.dumps(build(examples, expansions), separators=(",", ":"), sort_keys=True)
    Path(target).write_bytes(gzip.compress(text.encode(), compresslevel=9, mtime=0))


if __name__ == "__main__":
    main(*sys.argv[1:4])
