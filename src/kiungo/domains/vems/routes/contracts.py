"""The administrators' API: facilities, vendors, lots, services, machines, contracts, and their CSV import."""

from collections.abc import Sequence
from typing import Any, Final

from kiungo.base.errors import Detail
from kiungo.base.time import iso_millis
from kiungo.domains.vems import importing
from kiungo.domains.vems.books import Books
from kiungo.domains.vems.contracting import ContractDesk, refuse_master
from kiungo.domains.vems.people import People
from kiungo.domains.vems.roles import READ_BOOKINGS, READ_CONTRACTS, READ_SERVICES, WRITE_CONTRACTS
from kiungo.domains.vems.routes import contract_shapes as shapes
from kiungo.domains.vems.routes.shapes import limit_of, page
from kiungo.domains.vems.store import contracts
from kiungo.domains.vems.wire import (
    Problems,
    code_of,
    contract_wire,
    facility_wire,
    master_wire,
    read_contract,
    read_facility,
    read_master,
)
from kiungo.kernel.audit import Reads
from kiungo.kernel.auth import Thing, require
from kiungo.kernel.database import Database, Unit
from kiungo.kernel.http import Handler, Request, Response, Route
from kiungo.ports.registry import RegisteredFacility

API: Final = "vems"
OWN: Final = "/vems/v1"
PATHS: Final = {"vendor": "vendors", "lot": "lots", "service": "services", "equipment": "equipment"}
_FACILITIES: Final = shapes.listing("facilities", registry={"enum": ["true", "false"]}, **shapes.PAGE)
_CONTRACTS: Final = shapes.listing("contracts", facility={"type": "string"}, vendor={"type": "string"}, **shapes.PAGE)
_CODE_FIELD: Final = {"vendor": "code", "lot": "number", "service": "code", "equipment": "equipmentId"}


class ContractApi:
    """The handlers."""

    def __init__(self, database: Database, desk: ContractDesk, people: People, books: Books, reads: Reads) -> None:
        self._database = database
        self._desk = desk
        self._people = people
        self._books = books
        self._reads = reads

    def list_master(self, kind: str) -> Handler:
        """GET /vems/v1/vendors and its siblings."""

        async def handler(request: Request) -> Response:
            asked, tenant = dict(request.query), request.call.tenant
            limit, after = limit_of(asked), asked.get("after", "")
            items = await self._database.read_async(
                lambda unit: contracts.page_of_masters(unit, tenant, kind, after=after, limit=limit + 1)
            )
            return page(items, limit, code_of, master_wire)

        return handler

    def put_master(self, kind: str) -> Handler:
        """PUT /vems/v1/vendors/{code} and its siblings."""

        async def handler(request: Request) -> Response:
            problems = Problems()
            sent = _object(request)
            item = read_master(kind, {**sent, _CODE_FIELD[kind]: request.params["code"]}, problems)
            if problems.found:
                raise refuse_master(problems.found)

            def work(unit: Unit) -> Response:
                self._desk.put_master(unit, request.call, item)
                return _data(master_wire(item))

            return await request.write(work)

        return handler

    async def list_facilities(self, request: Request) -> Response:
        """GET /vems/v1/facilities; with registry=true, what the national registry says."""
        asked = dict(request.query)
        if asked.get("registry") == "true":
            return _data([_registered(found) for found in await self._people.registered_facilities()])
        limit = limit_of(asked)
        found = await self._database.read_async(
            lambda unit: contracts.facilities(unit, request.call.tenant, after=asked.get("after", ""), limit=limit + 1)
        )
        return page(found, limit, lambda facility: facility.fr_code, facility_wire)

    async def put_facility(self, request: Request) -> Response:
        """PUT /vems/v1/facilities/{fr_code}"""
        problems = Problems()
        facility = read_facility({**_object(request), "frCode": request.params["fr_code"]}, problems)
        if problems.found:
            raise refuse_master(problems.found)

        def work(unit: Unit) -> Response:
            self._desk.put_facility(unit, request.call, facility)
            return _data(facility_wire(facility))

        return await request.write(work)

    async def enable_facility(self, request: Request) -> Response:
        """POST /vems/v1/facilities/{fr_code}/enable: from the registry, kept as Organization and Location."""
        call, fr_code = request.call, request.params["fr_code"]
        require(
            call.principal, WRITE_CONTRACTS, Thing("facility", fr_code, call.tenant, bindings={"facility": fr_code})
        )
        facility = await self._people.enable_facility(call, fr_code)
        return _data(facility_wire(facility))

    async def patient(self, request: Request) -> Response:
        """GET /vems/v1/patients/{cr_number}: validated with the registry, and whether they are covered."""
        cr_number = request.params["cr_number"]
        person, covered = await self._people.eligibility(request.call, cr_number)
        self._reads.note(request.call, "validate", "patient", cr_number)
        return _data(
            {
                "patientCR": person.cr_number,
                "name": person.name,
                "phone": person.phone or None,
                "dateOfBirth": person.birth_date or None,
                "gender": person.gender or None,
                "eligible": covered.eligible if covered else None,
                "funds": list(covered.funds) if covered else [],
                "possibleSolution": covered.solution or None if covered else None,
            }
        )

    async def list_contracts(self, request: Request) -> Response:
        """GET /vems/v1/contracts"""
        asked = dict(request.query)
        limit, facility = limit_of(asked), request.call.principal.bindings.get("facility", asked.get("facility"))
        found = await self._database.read_async(
            lambda unit: contracts.page_of_contracts(
                unit, request.call.tenant, facility=facility, vendor=asked.get("vendor"),
                after=asked.get("after", ""), limit=limit + 1,
            )
        )  # fmt: skip
        return page(found, limit, lambda contract: contract.contract_id, contract_wire)

    async def show_contract(self, request: Request) -> Response:
        """GET /vems/v1/contracts/{contract_id}"""
        call, contract_id = request.call, request.params["contract_id"]
        found = await self._database.point_read(lambda unit: self._desk.find(unit, call, contract_id))
        return _data(contract_wire(found))

    async def versions(self, request: Request) -> Response:
        """GET /vems/v1/contracts/{contract_id}/versions"""
        call, contract_id = request.call, request.params["contract_id"]

        def work(unit: Unit) -> list[dict[str, Any]]:
            self._desk.find(unit, call, contract_id)
            return [
                {"at": iso_millis(at_us), "by": by, "contract": contract_wire(contract)}
                for at_us, by, contract in contracts.contract_versions(unit, call.tenant, contract_id)
            ]

        return _data(await self._database.read_async(work))

    async def add_contract(self, request: Request) -> Response:
        """POST /vems/v1/contracts"""
        return await self._write_contract(request, "", 201)

    async def put_contract(self, request: Request) -> Response:
        """PUT /vems/v1/contracts/{contract_id}; `version` in the body guards against a change meanwhile."""
        return await self._write_contract(request, request.params["contract_id"], 200)

    async def import_csv(self, request: Request) -> Response:
        """POST /vems/v1/contracts/import"""
        rows = importing.parse(request.body)

        def work(unit: Unit) -> Response:
            done = importing.write(self._desk, unit, request.call, rows)
            ids = [contract.contract_id for contract in done.contracts]
            return _data({"rows": done.rows, "contracts": ids})

        return await request.write(work)

    async def _write_contract(self, request: Request, contract_id: str, status: int) -> Response:
        sent, problems = _object(request), Problems()
        contract = read_contract({**sent, "contractId": ""}, problems, contract_id=contract_id)
        seen = sent.get("version")
        if seen is not None and type(seen) is not int:
            problems.add("version", "must be a whole number")
        if problems.found:
            raise refuse_master(problems.found)

        def work(unit: Unit) -> Response:
            if contract_id:
                self._desk.find(unit, request.call, contract_id)
            written = self._desk.put(unit, request.call, contract, seen_version=seen)
            return _data(contract_wire(written), status)

        return await request.write(work)


def contract_routes(database: Database, desk: ContractDesk, people: People, books: Books, reads: Reads) -> list[Route]:
    """The routes."""
    api = ContractApi(database, desk, people, books, reads)

    def route(method: str, path: str, handler: Handler, scope: str, operation: dict[str, Any]) -> Route:
        return Route(method, OWN + path, handler, scope=scope, api=API, openapi=operation)

    masters = [
        made
        for kind, path in PATHS.items()
        for made in (
            route("GET", f"/{path}", api.list_master(kind), READ_CONTRACTS, shapes.listing(path, **shapes.PAGE)),
            route(
                "PUT",
                f"/{path}/{{code}}",
                api.put_master(kind),
                WRITE_CONTRACTS,
                shapes.putting_master(kind),
            ),
        )
    ]
    one = "/contracts/{contract_id}"
    return [
        *masters,
        route("GET", "/facilities", api.list_facilities, READ_SERVICES, _FACILITIES),
        route(
            "PUT",
            "/facilities/{fr_code}",
            api.put_facility,
            WRITE_CONTRACTS,
            shapes.PUT_FACILITY,
        ),
        route("POST", "/facilities/{fr_code}/enable", api.enable_facility, WRITE_CONTRACTS, shapes.ENABLE),
        route("GET", "/patients/{cr_number}", api.patient, READ_BOOKINGS, shapes.PATIENT),
        route("GET", "/contracts", api.list_contracts, READ_CONTRACTS, _CONTRACTS),
        route("POST", "/contracts", api.add_contract, WRITE_CONTRACTS, shapes.ADD_CONTRACT),
        route("POST", "/contracts/import", api.import_csv, WRITE_CONTRACTS, shapes.IMPORT),
        route("GET", one, api.show_contract, READ_CONTRACTS, shapes.SHOW_CONTRACT),
        route("PUT", one, api.put_contract, WRITE_CONTRACTS, shapes.PUT_CONTRACT),
        route("GET", f"{one}/versions", api.versions, READ_CONTRACTS, shapes.VERSIONS),
    ]


def _object(request: Request) -> dict[str, Any]:
    sent = request.json()
    if not isinstance(sent, dict):
        raise refuse_master([Detail("body", "must be an object")])
    return sent


def _data(data: Sequence[dict[str, Any]] | dict[str, Any], status: int = 200) -> Response:
    return Response.json({"success": True, "data": data}, status)


def _registered(found: RegisteredFacility) -> dict[str, Any]:
    return {
        "frCode": found.fr_code,
        "name": found.name,
        "county": found.county,
        "level": found.level,
        "type": found.kind,
        "isActive": found.operational,
    }
