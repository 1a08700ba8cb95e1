"""Prometheus metrics of requests by route template, without ids or customer data."""

from __future__ import annotations

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0)
_METHODS = frozenset({"GET", "HEAD", "POST", "PATCH", "PUT", "DELETE", "OPTIONS"})


class Metrics:
    """Metrics of one application and its process; a path without a route counts as "-"."""

    def __init__(self) -> None:
        registry = CollectorRegistry()
        labels = ["method", "route"]
        self._registry = registry
        ProcessCollector(registry=registry)
        self._requests = Counter(
            "simulacra_api_requests", "Requests answered.", [*labels, "status"], registry=registry
        )
        help_text = "Time from the request to the last byte of its answer."
        self._seconds = Histogram(
            "simulacra_api_request_seconds", help_text, labels, buckets=SECONDS, registry=registry
        )
        self.in_progress = Gauge(
            "simulacra_api_requests_in_progress",
            "Requests that are being answered.",
            registry=registry,
        )

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request. Status 0: the client left before there was an answer."""
        known = method if method in _METHODS else "other"
        self._requests.labels(known, route, str(status)).inc()
        self._seconds.labels(known, route).observe(seconds)

    def render(self) -> bytes:
        """Return the metrics in Prometheus' text format."""
        return generate_latest(self._registry)
