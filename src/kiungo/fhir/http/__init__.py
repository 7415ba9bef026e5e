"""FHIR over HTTP beside the interactions themselves: formats, preferences and conditions in headers."""
