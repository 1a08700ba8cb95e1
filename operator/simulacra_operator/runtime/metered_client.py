"""The operator's Kubernetes client: it counts writes, and lists the served namespaces only.

The number of writes per resource is documented, so it is a metric.
"""

from collections.abc import AsyncIterator
from typing import Any, Self

from simulacra_crds.kube.client import ApiResource, Cluster, Object
from simulacra_operator import metrics
from simulacra_operator.scope import Scope


class MeteredCluster(Cluster):
    """The client within a scope."""

    scope = Scope()

    def within(self, scope: Scope) -> Self:
        """Limit all lists to a scope from now on."""
        self.scope = scope
        return self

    async def request(self, method: str, path: str, **kwargs: Any) -> Any:
        """Send one request and count it if it is a write; see `Cluster.request`."""
        if method != "GET":
            metrics.API_WRITES.labels(_plural(path)).inc()
        return await super().request(method, path, **kwargs)

    async def list(
        self,
        resource: ApiResource,
        namespace: str | None = None,
        *,
        labels: str | None = None,
        fields: str | None = None,
    ) -> AsyncIterator[Object]:
        """Yield every served object; see `Cluster.list`."""
        for one in (namespace,) if namespace or not resource.namespaced else self.scope.each():
            async for body in super().list(resource, one, labels=labels, fields=fields):
                yield body


def _plural(path: str) -> str:
    """Return a path's resource: `datasets` for /apis/GROUP/VERSION/namespaces/NS/datasets/NAME."""
    parts = path.strip("/").split("/")
    parts = parts[2 if parts[0] == "api" else 3 :]
    return parts[2] if parts[0] == "namespaces" and len(parts) > 2 else parts[0]
