"""What a service counts, in Prometheus' text format."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from scaling.serving_question import Backend

_SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
_TOLD = {
    "hits": "Histories that were in the cache when they were asked for.",
    "misses": "Histories that had to be read.",
    "shared": "Questions about a user whom another question of the batch was about as well.",
    "evicted": "Histories that left the cache for others.",
    "replaced": "Histories that left the cache for another version.",
    "too_large": "Histories that are larger than the cache.",
    "bytes": "Bytes of the cache.",
    "bytes_limit": "The most bytes that the cache may take.",
    "entries": "Histories in the cache.",
    "padding_events": "Share of the events that were computed and are padding.",
    "padding_candidates": "Share of the candidates that were computed and are padding.",
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
