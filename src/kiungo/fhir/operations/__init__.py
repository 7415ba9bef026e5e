"""FHIR operations: each module adds what it offers to the registry; importing this package adds them all."""

from kiungo.fhir.operations import (
    converting,
    diff,
    documents,
    everything,
    graph,
    graphql,
    lastn,
    metas,
    paths,
    purging,
    terminology,
    uscdi,
    validating,
    view_exports,
    views,
)

__all__ = [
    "converting",
    "diff",
    "documents",
    "everything",
    "graph",
    "graphql",
    "lastn",
    "metas",
    "paths",
    "purging",
    "terminology",
    "uscdi",
    "validating",
    "view_exports",
    "views",
]
