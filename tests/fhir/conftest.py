"""The FHIR server behind the real pipeline, in process, with one API key per set of scopes."""

import asyncio
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from kiungo.fhir import routes as fhir_routes
from kiungo.fhir.outcome import SHAPE
from kiungo.fhir.store import Store
from kiungo.kernel.auth.keys import create_key
from kiungo.kernel.auth.principal import Call, system_call
from kiungo.kernel.config import Settings
from kiungo.kernel.database import Database
from kiungo.kernel.http.front import open_front
from kiungo.kernel.secrets import open_keyring

BASE = "http://testserver/fhir"


class Server:
    """Asks the site and waits; `call` is the platform's own, for units of work beside HTTP."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database = database
        self.call: Call = system_call(1)
        settings = Settings(mode="dev", data_dir=folder, public_url="http://testserver", _env_file=None)
        front = open_front(settings, database, open_keyring(None, folder, create=True))
        self.reads = front.reads
        reserved = {"urn:kiungo:payor:claim": "the claims API under /api/claims/"}
        self.store = Store(database, self.reads, base_url=BASE, link_key=b"k" * 32, reserved=reserved)
        site = front.site(routes=fhir_routes.routes(self.store), shapes=[SHAPE], public=fhir_routes.PUBLIC)
        self._runner = asyncio.Runner()
        transport = httpx.ASGITransport(app=site)
        self._client = httpx.AsyncClient(transport=transport, base_url="http://testserver")
        self._runner.run(self._start())
        self.key = self.new_key("system/*.cruds")

    async def _start(self) -> None:
        self.reads.start()

    def new_key(self, *scopes: str, bindings: Mapping[str, str] | None = None) -> str:
        """An API key with these scopes."""
        _, secret = self.database.write(
            lambda unit: create_key(unit, self.call, name="test", scopes=scopes, bindings=bindings)
        )
        return secret

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        headers: Mapping[str, str] | None = None,
        key: str | None = None,
    ) -> httpx.Response:
        """One request; a dict is sent as JSON, bytes as they are."""
        return self._runner.run(self._ask(method, path, body, headers or {}, key))

    async def _ask(
        self, method: str, path: str, body: Any, headers: Mapping[str, str], key: str | None
    ) -> httpx.Response:
        content = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        sent = {"X-API-Key": self.key if key is None else key, **headers}
        if content is not None:
            sent.setdefault("Content-Type", "application/fhir+json")
        address = path if path.startswith("http") else "/fhir" + path
        return await self._client.request(method, address, content=content, headers=sent)

    def ask_together(self, *asked: tuple[str, str, Any, Mapping[str, str]]) -> list[httpx.Response]:
        """Several requests at the same time."""

        async def all_of_them() -> list[httpx.Response]:
            return await asyncio.gather(*(self._ask(m, p, b, h, None) for m, p, b, h in asked))

        return self._runner.run(all_of_them())

    def create(self, resource: dict[str, Any]) -> dict[str, Any]:
        """Create and give back what was stored."""
        answer = self.ask("POST", "/" + resource["resourceType"], resource)
        assert answer.status_code == 201, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def search_ids(self, path: str, key: str | None = None) -> list[str]:
        """The ids of a search's matches, following every page."""
        found: list[str] = []
        address: str | None = path
        while address:
            answer = self.ask("GET", address, key=key)
            assert answer.status_code == 200, answer.text
            bundle = answer.json()
            found += [e["resource"]["id"] for e in bundle.get("entry", []) if e["search"]["mode"] == "match"]
            address = next((link["url"] for link in bundle["link"] if link["relation"] == "next"), None)
        return found

    def close(self) -> None:
        """Write what is left of the audit and end the loop."""

        async def stop() -> None:
            await self.reads.close()
            await self._client.aclose()

        self._runner.run(stop())
        self._runner.close()


@pytest.fixture
def server(database: Database, tmp_path: Path) -> Iterator[Server]:
    """A FHIR server on a fresh database."""
    server = Server(database, tmp_path)
    yield server
    server.close()


def patient(**more: Any) -> dict[str, Any]:
    """A synthetic patient."""
    return {
        "resourceType": "Patient",
        "identifier": [{"system": "http://example.org/mrn", "value": "MRN-1"}],
        "name": [{"family": "Mwangi", "given": ["Amina", "Zuri"]}],
        "gender": "female",
        "birthDate": "1984-02-29",
        **more,
    }


def observation(subject: str, code: str = "8867-4", when: str = "2024-05-01T10:00:00Z", **more: Any) -> dict[str, Any]:
    """A synthetic heart rate."""
    return {
        "resourceType": "Observation",
        "status": "final",
        "category": [{"coding": [{"system": "http://example.org/category", "code": "vital-signs"}]}],
        "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
        "subject": {"reference": subject},
        "effectiveDateTime": when,
        "valueQuantity": {"value": 72, "unit": "/min", "system": "http://unitsofmeasure.org", "code": "/min"},
        **more,
    }
