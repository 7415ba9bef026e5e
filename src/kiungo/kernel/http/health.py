"""Is it alive, is it ready, and what did it count: /livez, /readyz, /metrics."""

from prometheus_client import CollectorRegistry, generate_latest

from kiungo.base.errors import KiungoError
from kiungo.kernel.audit import Reads
from kiungo.kernel.config import Settings
from kiungo.kernel.database import Database, Unit
from kiungo.kernel.http.messages import Request, Response
from kiungo.kernel.http.routes import Route
from kiungo.kernel.jobs import lag_s
from kiungo.kernel.telemetry import render_metrics

PUBLIC = ("GET /livez", "GET /readyz")
PUBLIC_METRICS = "GET /metrics"
METRICS_TYPE = b"text/plain; version=0.0.4; charset=utf-8"
CHECK_DEADLINE_MS = 2_000

LIVE = {
    "summary": "Whether the process answers at all.",
    "tags": ["health"],
    "responses": {"200": {"description": "It does."}},
}
READY = {
    "summary": "Whether it can do its work: database, job lag, audit.",
    "tags": ["health"],
    "responses": {"200": {"description": "It can."}, "503": {"description": "It cannot; the body says why."}},
}
METRICS = {
    "summary": "Figures in Prometheus' text form.",
    "tags": ["health"],
    "responses": {"200": {"description": "The figures.", "content": {"text/plain": {}}}},
}


def health_routes(database: Database, reads: Reads, settings: Settings, figures: CollectorRegistry) -> list[Route]:
    """The three routes; `figures` are the site's own beside those of the process.

    `/metrics` needs the scope read:metrics unless `metrics_public` is set.
    """

    async def live(request: Request) -> Response:
        return Response.json({"status": "live"})

    async def ready(request: Request) -> Response:
        checks = {"database": "ok", "jobs": "ok", "audit": "ok"}
        try:
            lag = await database.read_async(_job_lag, deadline_ms=CHECK_DEADLINE_MS)
            if lag > settings.ready_job_lag_s_max:
                checks["jobs"] = f"due jobs wait {lag:.0f} s"
        except KiungoError as problem:
            checks["database"] = problem.code
        if reads.is_full:
            checks["audit"] = "the audit buffer is full"
        is_ready = all(answer == "ok" for answer in checks.values())
        body = {"status": "ready" if is_ready else "not ready", "checks": checks}
        return Response.json(body, 200 if is_ready else 503)

    async def metrics(request: Request) -> Response:
        return Response(200, render_metrics() + generate_latest(figures), media_type=METRICS_TYPE)

    scope = None if settings.metrics_public else "read:metrics"
    return [
        Route("GET", "/livez", live, public=True, openapi=LIVE),
        Route("GET", "/readyz", ready, public=True, openapi=READY),
        Route("GET", "/metrics", metrics, scope=scope, public=scope is None, openapi=METRICS),
    ]


def _job_lag(unit: Unit) -> float:
    return lag_s(unit)
