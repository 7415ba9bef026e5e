"""A typed client for FHIR R4 servers, ours and others.

    with FhirClient("http://localhost:8000/fhir", ApiKey("...")) as fhir:
        amina = fhir.create({"resourceType": "Patient", "name": [{"family": "Mwangi"}]})
        for observation in fhir.search("Observation", {"patient": amina.resource["id"], "_sort": "-date"}):
            ...

It reads what the server says it can and refuses the rest before sending it, waits when the server is busy, follows
pages, and keeps the digits of decimals. Answers are plain dictionaries, as FHIR writes them.
"""

from kiungo.client.fhir.calls import Query, Resource, Written
from kiungo.client.fhir.capabilities import Capabilities, TypeCapabilities
from kiungo.client.fhir.client import AsyncFhirClient, FhirClient, matches
from kiungo.client.fhir.credentials import ApiKey, ClientCredentials, Credentials, bearer
from kiungo.client.fhir.errors import FHIR_NOT_OFFERED, FHIR_SERVER_AWAY, Issue, RefusedByServer
from kiungo.client.fhir.retries import Retries

__all__ = [
    "FHIR_NOT_OFFERED",
    "FHIR_SERVER_AWAY",
    "ApiKey",
    "AsyncFhirClient",
    "Capabilities",
    "ClientCredentials",
    "Credentials",
    "FhirClient",
    "Issue",
    "Query",
    "RefusedByServer",
    "Resource",
    "Retries",
    "TypeCapabilities",
    "Written",
    "bearer",
    "matches",
]
