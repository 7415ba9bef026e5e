"""Figures of the FHIR server."""
