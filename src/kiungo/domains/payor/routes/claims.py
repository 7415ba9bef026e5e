"""POST and GET of claims: what the provider guide describes, bytes in and bytes out."""

from kiungo.base.errors import KiungoError
from kiungo.domains.payor import access, listing, rebuild
from kiungo.domains.payor.explanation import explain, steps_for
from kiungo.domains.payor.roles import READ_CLAIMS, WRITE_CLAIMS
from kiungo.domains.payor.routes import shapes
from kiungo.domains.payor.service import Payor
from kiungo.domains.payor.store import desk
from kiungo.kernel.audit import Reads
from kiungo.kernel.database import Unit
from kiungo.kernel.http import Request, Response, Route
from kiungo.kernel.http.etags import etag, is_current, not_modified

API = "payor"
ABSENT = (b"", b"null", b"undefined")


class Claims:
    """The handlers of /api/claims/."""

    def __init__(self, payor: Payor, reads: Reads) -> None:
        self._payor = payor
        self._reads = reads

    async def submit(self, request: Request) -> Response:
        """POST /api/claims/"""
        call = request.call
        try:
            sent = await self._payor.prepare(call, request.body, named_provider=named_provider(request))
        except KiungoError:
            # What the first answer did may be why its repeat is refused: the claim it replaced is void by now.
            kept = await request.kept()
            if kept is None:
                raise
            return kept

        def work(unit: Unit) -> Response:
            answer = self._payor.submit(unit, call, sent)
            location = b"/api/claims/%b/" % answer.claim_id.encode()
            return Response(answer.status, answer.body, ((b"location", location),))

        return await request.write(work, brief=True)

    async def show(self, request: Request) -> Response:
        """GET /api/claims/{claim_id}/"""
        claim_id, call, named = request.params["claim_id"], request.call, named_provider(request)
        body, person, version = await self._payor.database.point_read(
            lambda unit: self._payor.find_wire(unit, call, claim_id, named_provider=named)
        )
        self._reads.note(call, "read", "claim", claim_id, person)
        return not_modified(version) if is_current(request, version) else Response(200, body, (etag(version),))

    async def list(self, request: Request) -> Response:
        """GET /api/claims/"""
        asked = listing.read_query(request.query)
        own = self._payor.only_provider(request.call, named_provider(request))
        if own == access.NOBODY:
            access.refuse_anonymous(request.call, "Listing claims")
        found = await self._payor.database.read_async(
            lambda unit: listing.page(unit, request.call.tenant, asked, provider_id=own)
        )
        for row in found.rows:
            self._reads.note(request.call, "list", "claim", row.claim_id, row.patient_fhir)
        return Response(200, listing.render(found))

    async def explain(self, request: Request) -> Response:
        """GET /api/claims/{claim_id}/explanation"""
        call, named = request.call, named_provider(request)

        def work(unit: Unit) -> tuple[Response, str]:
            row = self._payor.find(unit, call, request.params["claim_id"], named_provider=named)
            on_file = rebuild.read(unit, call, self._payor.repository, row)
            steps = steps_for(call, desk.steps(unit, call.tenant, row.claim_id))
            return Response.json(explain(on_file, steps)), row.patient_fhir

        response, person = await self._payor.database.read_async(work)
        self._reads.note(call, "explain", "claim", request.params["claim_id"], person)
        return response


def named_provider(request: Request) -> str | None:
    """The provider X-Provider-ID names; the guide's client sends "null" when it has none."""
    raw = request.raw_headers.get(b"x-provider-id")
    if raw is None or raw.strip().lower() in ABSENT:
        return None
    return request.headers["x-provider-id"].strip()


def claim_routes(payor: Payor, reads: Reads) -> list[Route]:
    """The routes of /api/claims/."""
    claims = Claims(payor, reads)
    return [
        Route("POST", "/api/claims/", claims.submit, scope=WRITE_CLAIMS, api=API, openapi=shapes.SUBMIT),
        Route("GET", "/api/claims/", claims.list, scope=READ_CLAIMS, api=API, openapi=shapes.LIST),
        Route("GET", "/api/claims/{claim_id}/", claims.show, scope=READ_CLAIMS, api=API, openapi=shapes.SHOW),
        Route(
            "GET",
            "/api/claims/{claim_id}/explanation",
            claims.explain,
            scope=READ_CLAIMS,
            api=API,
            openapi=shapes.EXPLAIN,
        ),
    ]
