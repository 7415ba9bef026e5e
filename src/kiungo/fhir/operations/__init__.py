"""FHIR operations: each module adds what it offers to the registry; importing this package adds them all."""

from kiungo.fhir.operations import terminology, validating, views

__all__ = ["terminology", "validating", "views"]
