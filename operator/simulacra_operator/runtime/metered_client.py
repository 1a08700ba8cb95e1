"""The Kubernetes client with its writes counted: how many writes a resource costs is a promise, so it is a metric."""

from __future__ import annotations

from typing import Any

from simulacra_crds.kube.client import Cluster
from simulacra_operator import metrics


class CountedCluster(Cluster):
    """Counts each write by the plural of its resource, whatever comes of it."""

    async def request(self, method: str, path: str, **kwargs: Any) -> Any:
        """Send one request; see `Cluster.request`."""
        if method != "GET":
            metrics.API_WRITES.labels(_plural(path)).inc()
        return await super().request(method, path, **kwargs)


def _plural(path: str) -> str:
    """Return the resource that a path is about: `datasets` for /apis/GROUP/VERSION/namespaces/NS/datasets/NAME."""
    parts = path.strip("/").split("/")
    parts = parts[2 if parts[0] == "api" else 3 :]
    return parts[2] if parts[0] == "namespaces" and len(parts) > 2 else parts[0]
