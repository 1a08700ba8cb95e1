"""Prometheus metrics of requests by route template, without ids or customer data.

The series are bounded: routes are templates, unknown paths and methods are one value each.
"""

import ipaddress

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

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


def metrics_app(metrics: Metrics) -> ASGIApp:
    """Return the application of the metrics' own port: `/metrics` and nothing else."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        found = scope["type"] == "http" and scope["path"] == "/metrics"
        answer = Response(metrics.render(), media_type=MEDIA_TYPE) if found else Response(None, 404)
        await answer(scope, receive, send)

    return app


def is_loopback(address: str) -> bool:
    """Return whether an address is of this machine only."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
