"""The FHIR R4 server: definitions, validation, the store and its search, and the HTTP API at /fhir."""
