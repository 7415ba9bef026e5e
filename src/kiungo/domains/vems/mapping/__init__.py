"""Bookings, patients and facilities as FHIR R4 resources, and back. Pure; the record is what these functions write."""
