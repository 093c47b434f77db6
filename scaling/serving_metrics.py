"""What a service counts, in Prometheus' text format."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from scaling.serving_question import Backend

_SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
_TOLD = {
    "hits": "Questions whose history was in the replica's cache.",
    "misses": "Questions whose history had to be read.",
    "extended": "Cached histories that new events were appended to.",
    "evicted": "Histories that left the cache for others.",
    "bytes": "Bytes of the replica's cache.",
    "entries": "Histories in the replica's cache.",
    "process_id": "The replica's process.",
    "resident_bytes": "Memory that the replica's process holds.",
}


class Metrics:
    """Counters of one service, apart from those of any other in the process."""

    def __init__(self, backend: Backend) -> None:
        self._registry = CollectorRegistry()
        self.requests = Counter(
            "climber_http_requests",
            "HTTP requests by path and status.",
            ("path", "status"),
            registry=self._registry,
        )
        self.seconds = Histogram(
            "climber_http_seconds",
            "From the first byte of a request's head to the last of the answer, by path.",
            ("path",),
            buckets=_SECONDS,
            registry=self._registry,
        )
        self.running = Gauge(
            "climber_http_running", "HTTP requests being answered.", registry=self._registry
        )
        self.candidates = Counter(
            "climber_candidates", "Items that were scored.", registry=self._registry
        )
        self._registry.register(_Replicas(backend))

    def text(self) -> bytes:
        """All numbers, as Prometheus reads them."""
        return generate_latest(self._registry)


class _Replicas(Collector):
    """Each replica's own numbers, as of its last answer."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def collect(self) -> Iterator[GaugeMetricFamily]:
        found: Mapping[str, Mapping[str, float]] = self._backend.statistics()
        for name, meaning in _TOLD.items():
            family = GaugeMetricFamily(f"climber_replica_{name}", meaning, labels=("replica",))
            for replica, numbers in sorted(found.items()):
                if name in numbers:
                    family.add_metric((replica,), numbers[name])
            yield family
