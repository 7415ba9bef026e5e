"""What the endpoints counted, as Prometheus metrics. Labels hold path templates, never ids."""

from collections.abc import Iterable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from kiungo.kernel.audit import Reads
from kiungo.kernel.http.dispatch import DURATION_BUCKETS_S, Endpoint


class EndpointMetrics(Collector):
    """Reads the endpoints' own figures when asked, so that a request pays for plain integers only."""

    def __init__(self, endpoints: Iterable[Endpoint]) -> None:
        self._endpoints = list(endpoints)

    def collect(self) -> Iterator[Metric]:
        """The two families: how many answers by status, and how long they took."""
        requests = CounterMetricFamily(
            "kiungo_http_requests", "Requests answered.", labels=("method", "route", "status")
        )
        durations = HistogramMetricFamily(
            "kiungo_http_request_seconds", "Time to answer, seconds.", labels=("method", "route")
        )
        for endpoint in self._endpoints:
            for status, count in list(endpoint.counts.items()):
                requests.add_metric((endpoint.method, endpoint.template, str(status)), count)
            if not endpoint.counts:
                continue
            total = 0
            buckets: list[tuple[str, float]] = []
            for bound, count in zip((*map(str, DURATION_BUCKETS_S), "+Inf"), endpoint.buckets, strict=True):
                total += count
                buckets.append((bound, total))
            durations.add_metric((endpoint.method, endpoint.template), buckets, endpoint.seconds)
        yield requests
        yield durations


class AuditMetrics(Collector):
    """How full the buffer of audited reads is, and how often it could not be written."""

    def __init__(self, reads: Reads) -> None:
        self._reads = reads

    def collect(self) -> Iterator[Metric]:
        """The gauge and the counter."""
        yield GaugeMetricFamily("kiungo_audit_waiting", "Audited reads not yet written.", self._reads.waiting)
        yield CounterMetricFamily(
            "kiungo_audit_flush_failures", "Times the audit buffer could not be written.", self._reads.failures
        )
