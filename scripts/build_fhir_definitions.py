"""Build the compact FHIR R4 definitions artifact from two public npm packages.

    npm pack hl7.fhir.r4.examples@4.0.1 hl7.fhir.r4.expansions@4.0.1
    python scripts/build_fhir_definitions.py \
        hl7.fhir.r4.examples-4.0.1.tgz hl7.fhir.r4.expansions-4.0.1.tgz \
        src/kiungo/fhir/definitions/r4.json.gz

Both packages are CC0-1.0 (HL7). Only facts are taken: element names, types, cardinalities, codes of
required bindings, search-parameter expressions and compartments; no prose. The same input gives the
same bytes: everything is sorted and the gzip header carries no time.
"""

import gzip
import json
import re
import sys
import tarfile
from pathlib import Path
from typing import Any

FHIR = "http://hl7.org/fhir/StructureDefinition/"
SYSTEM_TYPE = "http://hl7.org/fhirpath/System."
# Open code systems: the expansion is only a sample, so membership would refuse valid codes.
OPEN_VALUE_SETS = {"mimetypes", "ucum-units", "all-languages", "languages"}
Json = dict[str, Any]


def read_package(path: str, prefixes: tuple[str, ...]) -> list[Json]:
    """Every JSON file of an npm package whose name starts with one of the prefixes, by name."""
    found = {}
    with tarfile.open(path) as package:
        for member in package:
            name = Path(member.name).name
            if name.startswith(prefixes) and name.endswith(".json") and member.name.count("/") == 1:
                found[name] = json.loads(package.extractfile(member).read())  # type: ignore[union-attr]
    return [found[name] for name in sorted(found)]


def type_of(element: Json, kind: str, choice: bool) -> list[str]:
    """The type codes of one element; a backbone element is its own type, named by its path."""
    names = []
    for entry in element.get("type", []):
        code = entry["code"]
        if code.startswith(SYSTEM_TYPE):
            hint = [x["valueUrl"] for x in entry.get("extension", []) if x["url"].endswith("-fhir-type")]
            code = hint[0] if hint else code.removeprefix(SYSTEM_TYPE).lower()
            if kind == "resource" and element["path"].count(".") == 1 and element["path"].endswith(".id"):
                code = "id"  # the package says string; the id of a resource is an id
        if code in {"BackboneElement", "Element"} and element["path"].count("."):
            code = element["path"]
        if not choice and [p.removeprefix(FHIR) for p in entry.get("profile", [])] == ["SimpleQuantity"]:
            code = "SimpleQuantity"
        names.append(code)
    return names


def bound_value_set(element: Json) -> str | None:
    binding = element.get("binding", {})
    if binding.get("strength") != "required" or "valueSet" not in binding:
        return None
    return str(binding["valueSet"].split("|")[0])


def elements_by_type(definition: Json) -> dict[str, list[list[Any]]]:
    """Rows [name, min, max, types, value set, in summary] for the type and each backbone inside it."""
    rows: dict[str, list[list[Any]]] = {definition["type"]: []}
    for element in definition["snapshot"]["element"][1:]:
        parent, name = element["path"].rsplit(".", 1)
        types = (
            [element["contentReference"].removeprefix("#")]
            if "contentReference" in element
            else type_of(element, definition["kind"], name.endswith("[x]"))
        )
        rows.setdefault(parent, []).append(
            [
                name,
                element["min"],
                -1 if element["max"] == "*" else int(element["max"]),
                types,
                bound_value_set(element),
                int(bool(element.get("isSummary"))),
            ]
        )
    return rows


def expansion_codes(value_set: Json) -> dict[str, list[str]]:
    """The codes of an expansion by system."""
    found: dict[str, set[str]] = {}

    def walk(entries: list[Json]) -> None:
        for entry in entries:
            if "code" in entry and not entry.get("abstract"):
                found.setdefault(entry.get("system", ""), set()).add(entry["code"])
            walk(entry.get("contains", []))

    walk(value_set.get("expansion", {}).get("contains", []))
    return {system: sorted(codes) for system, codes in sorted(found.items())}


def parameters(definitions: list[Json]) -> list[list[Any]]:
    """Rows [type, code, kind, expression, targets, url] of every standard search parameter."""
    rows = []
    for item in definitions:
        if re.search(r"^example|-extensions-|-genetic-", item["id"]):
            continue
        for base in item.get("base", []):
            parts = item.get("expression", "").split("|") if item["type"] != "composite" else []
            mine = [p.strip() for p in parts if re.match(rf"[\s(]*({base}|Resource|DomainResource)\b", p)]
            if item["type"] == "composite" or mine:
                rows.append(
                    [base, item["code"], item["type"], " | ".join(mine), sorted(item.get("target", [])), item["url"]]
                )
    return sorted(rows)


def compartments(definitions: list[Json]) -> dict[str, dict[str, list[str]]]:
    return {
        item["code"]: {r["code"]: sorted(r["param"]) for r in item["resource"] if r.get("param")}
        for item in definitions
        if item["id"] != "example"
    }


def build(examples: str, expansions: str) -> Json:
    """The whole artifact as one JSON value."""
    types: dict[str, Json] = {}
    wanted: set[str] = set()
    for item in read_package(examples, ("StructureDefinition-",)):
        base = item.get("derivation", "specialization") == "specialization" and item["kind"] != "logical"
        if not base or item["type"] != item["url"].removeprefix(FHIR):
            continue
        for name, rows in elements_by_type(item).items():
            kind = {"resource": "R", "complex-type": "C", "primitive-type": "P"}[item["kind"]]
            kind = "B" if "." in name else ("A" + kind if item["abstract"] else kind)
            types[name] = {"kind": kind, "elements": rows}
            wanted.update(row[4] for row in rows if row[4])
    quantity = types["Quantity"]["elements"]
    types["SimpleQuantity"] = {"kind": "C", "elements": [r for r in quantity if r[0] != "comparator"]}
    value_sets = {}
    for item in read_package(expansions, ("ValueSet-",)):
        if item["url"] in wanted and item["url"].rsplit("/", 1)[1] not in OPEN_VALUE_SETS:
            codes = expansion_codes(item)
            if codes:
                value_sets[item["url"]] = codes
    return {
        "version": "4.0.1",
        "types": dict(sorted(types.items())),
        "value_sets": dict(sorted(value_sets.items())),
        "parameters": parameters(read_package(examples, ("SearchParameter-",))),
        "compartments": compartments(read_package(examples, ("CompartmentDefinition-",))),
    }


def main(examples: str, expansions: str, target: str) -> None:
    text = json.dumps(build(examples, expansions), separators=(",", ":"), sort_keys=True)
    Path(target).write_bytes(gzip.compress(text.encode(), compresslevel=9, mtime=0))


if __name__ == "__main__":
    main(*sys.argv[1:4])
