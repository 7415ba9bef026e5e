"""The evaluator against R4 itself and against its own reference page."""

import gzip
import json
import re
from importlib import resources

from kiungo.base.errors import Incorrect
from kiungo.fhir import definitions
from kiungo.fhir.fhirpath import compile
from kiungo.fhir.fhirpath.functions import FUNCTIONS
from tests.architecture.source import ROOT

# It asks for `name`, which ChargeItemDefinition does not have: a mistake of R4.
WRONG_IN_R4 = {"cid-0"}


def test_every_invariant_of_r4_is_understood_for_its_type() -> None:
    packed = resources.files("kiungo.fhir.definitions").joinpath("r4rules.json.gz").read_bytes()
    refused = {}
    judged = 0
    for type_name, rules in json.loads(gzip.decompress(packed))["rules"].items():
        for key, _, text in rules["constraints"]:
            judged += 1
            try:
                compile(text, type=type_name, strict=True)
            except Incorrect as error:
                refused[key] = error.told
    assert judged > 800
    assert set(refused) == WRONG_IN_R4, refused


def test_every_search_expression_of_r4_is_understood_for_its_type() -> None:
    refused = []
    for parameter in definitions.parameter_rows():
        if parameter.expression:
            try:
                compile(parameter.expression, type=parameter.type, strict=True)
            except Incorrect as error:
                refused.append((parameter.type, parameter.code, error.told))
    assert refused == []


def test_the_reference_page_lists_every_function_and_no_other() -> None:
    page = (ROOT / "docs" / "reference" / "fhirpath.md").read_text()
    table = page[page.index("## Functions") : page.index("Variables:")]
    listed = set(re.findall(r"`(\w+)\(", table))
    # Other parts, such as views, add functions of their own.
    ours = {name for name, one in FUNCTIONS.items() if one.build.__module__.startswith("kiungo.fhir.fhirpath.")}
    assert listed == ours
