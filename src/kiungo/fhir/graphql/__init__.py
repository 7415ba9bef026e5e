"""GraphQL over FHIR: one question that reads, searches and follows references, within the caller's rights.

The fields of a type are those of its definition; nothing is generated or written by hand for a type.
Source: FHIR R4 3.1.4 (GraphQL).
"""

from kiungo.fhir.graphql.document import GRAPHQL_WRONG, Question, read_question
from kiungo.fhir.graphql.executor import Executor
from kiungo.fhir.graphql.lookups import Lookups

__all__ = ["GRAPHQL_WRONG", "Executor", "Lookups", "Question", "read_question"]
