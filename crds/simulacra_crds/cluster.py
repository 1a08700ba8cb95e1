"""A client for the verbs that this product uses, on kr8s (which knows kubeconfigs, in-cluster tokens and TLS).

Objects go in and out as plain JSON dicts. Errors are few and typed, since reconcilers branch on them.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import httpx
import kr8s.asyncio

from simulacra_crds.base import API_VERSION
from simulacra_crds.registry import KINDS

Object = dict[str, Any]
Propagation = Literal["Background", "Foreground", "Orphan"]


@dataclass(frozen=True)
class ApiResource:
    """Where a kind lives in the API."""

    api_version: str
    plural: str
    kind: str
    namespaced: bool = True

    def path(self, namespace: str | None = None, name: str | None = None, subresource: str | None = None) -> str:
        """Return the URL path of the collection or of one object."""
        root = "/api/v1" if self.api_version == "v1" else f"/apis/{self.api_version}"
        scope = f"/namespaces/{namespace}" if self.namespaced and namespace else ""
        tail = "".join(f"/{part}" for part in (name, subresource) if part)
        return f"{root}{scope}/{self.plural}{tail}"


NAMESPACES = ApiResource("v1", "namespaces", "Namespace", namespaced=False)
SECRETS = ApiResource("v1", "secrets", "Secret")
CONFIGMAPS = ApiResource("v1", "configmaps", "ConfigMap")
PODS = ApiResource("v1", "pods", "Pod")
NODES = ApiResource("v1", "nodes", "Node", namespaced=False)
EVENTS = ApiResource("v1", "events", "Event")
SERVICE_ACCOUNTS = ApiResource("v1", "serviceaccounts", "ServiceAccount")
RESOURCE_QUOTAS = ApiResource("v1", "resourcequotas", "ResourceQuota")
NETWORK_POLICIES = ApiResource("networking.k8s.io/v1", "networkpolicies", "NetworkPolicy")
LEASES = ApiResource("coordination.k8s.io/v1", "leases", "Lease")
JOBS = ApiResource("batch/v1", "jobs", "Job")
CRDS = ApiResource("apiextensions.k8s.io/v1", "customresourcedefinitions", "CustomResourceDefinition", namespaced=False)
CUSTOM = {
    kind.model_fields["kind"].default: ApiResource(
        API_VERSION, kind.PLURAL, kind.model_fields["kind"].default, kind.SCOPE == "Namespaced"
    )
    for kind in KINDS
}
TENANTS = CUSTOM["Tenant"]
ACCESS_REQUESTS = CUSTOM["AccessRequest"]
DATASETS = CUSTOM["Dataset"]
MODELS = CUSTOM["Model"]
GENERATION_JOBS = CUSTOM["GenerationJob"]
EFFECT_ESTIMATES = CUSTOM["EffectEstimate"]


class ClusterError(Exception):
    """The API server refused or could not be reached. `status` is the HTTP code, 0 when there was no answer."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(f"{status} {reason}: {message}")
        self.status = status
        self.reason = reason
        self.message = message


class NotFound(ClusterError):
    """404."""


class AlreadyExists(ClusterError):
    """409 on create."""


class Conflict(ClusterError):
    """409 on an update or a failed precondition; 422 of a failed JSON-patch test."""


class Invalid(ClusterError):
    """422: the object does not meet its schema."""


class Unavailable(ClusterError):
    """429, 5xx or no answer: worth trying again."""


def _error(response: httpx.Response) -> ClusterError:
    try:
        body = response.json()
    except ValueError:
        body = {}
    reason, message = str(body.get("reason", "")), str(body.get("message", response.reason_phrase))
    code = response.status_code
    if code == 404:
        return NotFound(code, reason, message)
    if code == 409:
        return (AlreadyExists if reason == "AlreadyExists" else Conflict)(code, reason, message)
    if code == 422:
        return (Invalid if "test operation" not in message.lower() else Conflict)(code, reason, message)
    if code == 429 or code >= 500:
        return Unavailable(code, reason, message)
    return ClusterError(code, reason, message)


class Cluster:
    """The API server. One instance an event loop; create it with `await Cluster.connect()`."""

    def __init__(self, api: Any) -> None:
        self._api = api

    @classmethod
    async def connect(cls, kubeconfig: str | None = None) -> Cluster:
        """Connect by the kubeconfig given, KUBECONFIG, or the pod's service account, in this order."""
        return cls(await kr8s.asyncio.api(kubeconfig=kubeconfig))

    async def request(self, method: str, path: str, **kwargs: Any) -> Any:
        """Send one request and return the JSON answer; raise a ClusterError otherwise."""
        try:
            async with self._api.call_api(method, base=path, version="", raise_for_status=False, **kwargs) as response:
                if response.is_error:
                    raise _error(response)
                return response.json() if response.content else None
        except (httpx.TransportError, kr8s.APITimeoutError) as error:
            raise Unavailable(0, "Unreachable", type(error).__name__) from error

    async def get(self, resource: ApiResource, name: str, namespace: str | None = None) -> Object:
        """Read one object, never from a cache."""
        return await self.request("GET", resource.path(namespace, name))

    async def find(self, resource: ApiResource, name: str, namespace: str | None = None) -> Object | None:
        """Read one object, or None when it does not exist."""
        try:
            return await self.get(resource, name, namespace)
        except NotFound:
            return None

    async def list(
        self,
        resource: ApiResource,
        namespace: str | None = None,
        *,
        labels: str | None = None,
        fields: str | None = None,
        page: int = 500,
    ) -> AsyncIterator[Object]:
        """Yield every object, page by page; kind and apiVersion are filled in."""
        token = ""
        while True:
            params = {"limit": str(page), "continue": token, "labelSelector": labels, "fieldSelector": fields}
            query = {key: value for key, value in params.items() if value}
            answer = await self.request("GET", resource.path(namespace), params=query)
            for item in answer["items"]:
                yield {"apiVersion": resource.api_version, "kind": resource.kind, **item}
            token = answer["metadata"].get("continue", "")
            if not token:
                return

    async def create(self, resource: ApiResource, body: Object, namespace: str | None = None) -> Object:
        """Create an object; raises AlreadyExists when the name is taken."""
        return await self.request("POST", resource.path(namespace), json=body)

    async def patch(
        self,
        resource: ApiResource,
        name: str,
        patch: Object | Sequence[Object],
        namespace: str | None = None,
        *,
        subresource: str | None = None,
    ) -> Object:
        """Apply a JSON merge patch (dict) or a JSON patch (list)."""
        kind = "json-patch" if isinstance(patch, Sequence) else "merge-patch"
        return await self.request(
            "PATCH",
            resource.path(namespace, name, subresource),
            content=json.dumps(patch),
            headers={"Content-Type": f"application/{kind}+json"},
        )

    async def delete(
        self,
        resource: ApiResource,
        name: str,
        namespace: str | None = None,
        *,
        uid: str | None = None,
        propagation: Propagation = "Background",
    ) -> bool:
        """Delete an object, of this uid only if given; False when it (or this incarnation of it) is gone already."""
        options: Object = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": propagation}
        if uid:
            options["preconditions"] = {"uid": uid}
        try:
            await self.request("DELETE", resource.path(namespace, name), json=options)
        except (NotFound, Conflict):
            return False
        return True
