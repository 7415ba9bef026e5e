"""FHIRPath: own parser and compiler over the R4 type table.

    from kiungo.fhir.fhirpath import compile
    compile("Patient.name.given")(patient)          # list of Nodes and System values
    compile("name.exists()").is_true(run, node)      # an invariant at an element; run = evaluation(resource)

Source: FHIRPath N1 (2.0.0), with the functions of 3.0.0-ballot that the official R4 suite asks for; FHIR R4 2.9.1.
"""

from kiungo.fhir.fhirpath.expression import Expression, compile, evaluation
from kiungo.fhir.fhirpath.host import Offline
from kiungo.fhir.fhirpath.quantity import Quantity
from kiungo.fhir.fhirpath.run import Host, Limits, Run
from kiungo.fhir.fhirpath.temporal import Temporal
from kiungo.fhir.fhirpath.values import Collection, Node, Value, resource_node

__all__ = [
    "Collection",
    "Expression",
    "Host",
    "Limits",
    "Node",
    "Offline",
    "Quantity",
    "Run",
    "Temporal",
    "Value",
    "compile",
    "evaluation",
    "resource_node",
]
