"""Build the second FHIR R4 artifact: what the specification demands beyond structure, from a public npm package.

    npm pack hl7.fhir.r4.examples@4.0.1
    python -m scripts.build_fhir_rules hl7.fhir.r4.examples-4.0.1.tgz src/kiungo/fhir/definitions/r4rules.json.gz

Invariants (key, severity, expression), targets of references and canonicals, bindings, and the specification's own
profiles and extensions as differentials. No sentence is taken. The same input gives the same bytes.
"""

import gzip
import json
import sys
from pathlib import Path
from typing import Any

from scripts.build_fhir_definitions import FHIR, read_package

Json = dict[str, Any]
# Every element carries these two; the structural validator judges them by itself.
EVERYWHERE = {"ele-1", "ext-1"}
KEPT = ("id", "path", "sliceName", "min", "max", "maxLength", "contentReference", "isModifier", "mustSupport")
KEPT_VALUES = ("fixed", "pattern", "minValue", "maxValue")
TYPE_FACTS = ("code", "profile", "targetProfile", "aggregation", "versioning")


def constraints(element: Json) -> list[list[str]]:
    """Rows [key, severity, expression]; those of every element are left out."""
    return [
        [c["key"], c["severity"], c["expression"]]
        for c in element.get("constraint", [])
        if c.get("expression") and c["key"] not in EVERYWHERE
    ]


def targets(element: Json, code: str) -> list[str]:
    """The resource types a Reference or canonical may point to; none means any."""
    found = [
        profile.removeprefix(FHIR)
        for entry in element.get("type", [])
        if entry["code"] == code
        for profile in entry.get("targetProfile", [])
    ]
    return [] if "Resource" in found else sorted(found)


def element_facts(element: Json) -> Json:
    """What is demanded of one element of a base type: only the facts that are there."""
    binding = element.get("binding", {})
    facts: Json = {
        "targets": targets(element, "Reference"),
        "canonicals": targets(element, "canonical"),
        "constraints": constraints(element),
        "binding": [binding["strength"], binding["valueSet"].split("|")[0]] if binding.get("valueSet") else [],
        "profiles": [p for t in element.get("type", []) if t["code"] != "Reference" for p in t.get("profile", [])],
        "modifier": bool(element.get("isModifier")),
    }
    if binding.get("strength") == "example":
        facts["binding"] = []
    return {name: fact for name, fact in facts.items() if fact}


def base_rules(definition: Json) -> Json:
    """The rules of a base type and of each backbone inside it: by path, its own and its elements'."""
    found: Json = {}
    for element in definition["snapshot"]["element"]:
        path = element["path"]
        if "." not in path:
            found[path] = {"constraints": constraints(element), "elements": {}}
            continue
        parent, name = path.rsplit(".", 1)
        facts = element_facts(element)
        if facts:
            found.setdefault(parent, {"constraints": [], "elements": {}})["elements"][name] = facts
    return found


def compact_element(element: Json) -> Json:
    """The facts of a differential's element, in the shape of ElementDefinition."""
    kept = {name: element[name] for name in KEPT if name in element and element[name] is not False}
    kept |= {name: value for name, value in element.items() if name.startswith(KEPT_VALUES)}
    if "slicing" in element:
        kept["slicing"] = {k: v for k, v in element["slicing"].items() if k in ("discriminator", "rules", "ordered")}
    if "type" in element:
        kept["type"] = [{k: v for k, v in entry.items() if k in TYPE_FACTS} for entry in element["type"]]
    if constraints(element):
        kept["constraint"] = [
            {"key": key, "severity": severity, "expression": text} for key, severity, text in constraints(element)
        ]
    if "valueSet" in element.get("binding", {}):
        kept["binding"] = {k: element["binding"][k] for k in ("strength", "valueSet")}
    return kept


def compact_profile(definition: Json) -> Json:
    """A profile or extension without its sentences."""
    names = ("resourceType", "url", "type", "kind", "derivation", "baseDefinition", "context", "contextInvariant")
    kept = {name: definition[name] for name in names if name in definition}
    kept["differential"] = {"element": [compact_element(e) for e in definition["differential"]["element"]]}
    return kept


def build(examples: str) -> Json:
    """The whole artifact as one JSON value."""
    rules: Json = {}
    profiles: Json = {}
    for item in read_package(examples, ("StructureDefinition-",)):
        if item["kind"] == "logical" or "snapshot" not in item:
            continue
        if item.get("derivation", "specialization") == "constraint":
            if "differential" in item:
                profiles[item["url"]] = compact_profile(item)
        elif item["type"] == item["url"].removeprefix(FHIR):
            rules |= base_rules(item)
    return {
        "version": "4.0.1",
        "rules": dict(sorted(rules.items())),
        "profiles": dict(sorted(profiles.items())),
    }


def main(examples: str, target: str) -> None:
    text = json.dumps(build(examples), separators=(",", ":"), sort_keys=True)
    Path(target).write_bytes(gzip.compress(text.encode(), compresslevel=9, mtime=0))


if __name__ == "__main__":
    main(*sys.argv[1:3])
