"""Kubernetes client for the verbs that the product uses.

Objects are plain JSON dicts. Errors are few and typed, because reconcilers branch on them.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Literal, Self

from pydantic_core import from_json, to_json

from simulacra_crds import registry
from simulacra_crds.kinds.base import API_VERSION, utcnow
from simulacra_crds.kube.transport import Answer, Connection, Unreachable

Object = dict[str, Any]
Propagation = Literal["Background", "Foreground", "Orphan"]
Change = Literal["ADDED", "MODIFIED", "DELETED", "BOOKMARK"]
REQUEST_SECONDS = 30.0
"""An answer that takes longer counts as no answer."""
PAGE_SIZE = 500
"""Objects that one answer of a list holds at most."""
WATCH_SECONDS = 300
"""Requested duration of a watch, so that no client relies on one connection for long."""
WATCH_PAUSE_SECONDS = (0.2, 5.0)
"""First and longest pause between two attempts to watch an unavailable server."""
WATCH_SILENCE_SECONDS = 150.0
"""Servers send bookmarks about every minute: a longer silence is a dead connection."""


@dataclass(frozen=True)
class ApiResource:
    """The API path of a kind."""

    api_version: str
    plural: str
    kind: str
    namespaced: bool = True

    def path(
        self, namespace: str | None = None, name: str | None = None, subresource: str | None = None
    ) -> str:
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
SERVICES = ApiResource("v1", "services", "Service")
RESOURCE_QUOTAS = ApiResource("v1", "resourcequotas", "ResourceQuota")
NETWORK_POLICIES = ApiResource("networking.k8s.io/v1", "networkpolicies", "NetworkPolicy")
LEASES = ApiResource("coordination.k8s.io/v1", "leases", "Lease")
JOBS = ApiResource("batch/v1", "jobs", "Job")
WORKLOADS = ApiResource("kueue.x-k8s.io/v1beta2", "workloads", "Workload")
"""Kueue's record of a queued Job."""
CRDS = ApiResource(
    "apiextensions.k8s.io/v1",
    "customresourcedefinitions",
    "CustomResourceDefinition",
    namespaced=False,
)
CUSTOM = {
    kind.__name__: ApiResource(API_VERSION, kind.PLURAL, kind.__name__, kind.SCOPE == "Namespaced")
    for kind in registry.KINDS
}
TENANTS = CUSTOM["Tenant"]
ACCESS_REQUESTS = CUSTOM["AccessRequest"]
DATASETS = CUSTOM["Dataset"]
MODELS = CUSTOM["Model"]
GENERATION_JOBS = CUSTOM["GenerationJob"]
EFFECT_ESTIMATES = CUSTOM["EffectEstimate"]
SEGMENT_ESTIMATES = CUSTOM["SegmentEstimate"]
ANSWER_SHEETS = CUSTOM["AnswerSheet"]
RESULTS = tuple(CUSTOM[kind] for kind in registry.RESULTS)
"""The kinds that outlive their Model once their work has ended."""
WORK_RESOURCES = tuple(CUSTOM[info.kind] for info in registry.WORK)
"""The kinds whose work is one Job."""


CLOCK_TOLERANCE = timedelta(seconds=3)
"""Smaller clock differences count as zero: the Date header has whole seconds and travels."""


class ClusterError(Exception):
    """The API server refused or is unreachable. `status` is the HTTP code, 0 without answer."""

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
    """429, 5xx or no answer: retry."""


def _parsed(text: bytes) -> Any:
    """Parse JSON. Strings are not cached, because they may be secret."""
    return from_json(text, cache_strings="keys")


def _error(answer: Answer) -> ClusterError:
    try:
        body = _parsed(answer.content)
    except ValueError:
        body = {}
    reason, message = str(body.get("reason", "")), str(body.get("message", answer.phrase))
    code = answer.status
    if code == 404:
        return NotFound(code, reason, message)
    if code == 409:
        return (AlreadyExists if reason == "AlreadyExists" else Conflict)(code, reason, message)
    if code == 422:
        return (Invalid if "test operation" not in message.lower() else Conflict)(
            code, reason, message
        )
    if code == 429 or code >= 500:
        return Unavailable(code, reason, message)
    return ClusterError(code, reason, message)


def _ahead(date: str | None, known: timedelta) -> timedelta:
    """Return how far the server's clock is ahead by its Date header, else the known value."""
    try:
        ahead = parsedate_to_datetime(date or "") - utcnow()
    except (ValueError, TypeError):
        return known
    return ahead if abs(ahead) > CLOCK_TOLERANCE else timedelta(0)


def _selectors(labels: str | None, fields: str | None) -> dict[str, str]:
    selectors = {"labelSelector": labels, "fieldSelector": fields}
    return {name: value for name, value in selectors.items() if value}


def _difference(old: dict[str, Object], new: dict[str, Object]) -> Iterator[tuple[Change, Object]]:
    for uid, item in old.items():
        if uid not in new:
            yield "DELETED", item
    for uid, item in new.items():
        if uid not in old:
            yield "ADDED", item
        elif old[uid]["metadata"]["resourceVersion"] != item["metadata"]["resourceVersion"]:
            yield "MODIFIED", item


class Cluster:
    """The API server. One instance per event loop: `await Cluster.connect()`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._ahead = timedelta(0)

    @classmethod
    async def connect(cls, kubeconfig: str | None = None) -> Self:
        """Connect by the given kubeconfig, KUBECONFIG, or the pod's service account."""
        return cls(await Connection.open(kubeconfig))

    async def close(self) -> None:
        """Close the connections; the next request opens others."""
        await self._connection.close()

    def now(self) -> datetime:
        """Return the API server's time in UTC, which stamps creations and deletions.

        It comes from the last answer, to the second, ignoring up to CLOCK_TOLERANCE.
        """
        return utcnow() + self._ahead

    async def request(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        params: Mapping[str, str] | None = None,
        media_type: str = "application/json",
    ) -> Any:
        """Send one request and return the JSON answer; raise a ClusterError otherwise."""
        body = None if json is None else to_json(json)
        try:
            answer = await self._connection.send(
                method,
                path,
                seconds=REQUEST_SECONDS,
                params=params,
                body=body,
                media_type=media_type,
            )
        except Unreachable as error:
            raise Unavailable(0, "Unreachable", str(error)) from error
        self._ahead = _ahead(answer.date, self._ahead)
        if answer.is_error:
            raise _error(answer)
        return _parsed(answer.content) if answer.content else None

    async def get(self, resource: ApiResource, name: str, namespace: str | None = None) -> Object:
        """Read one object, never from a cache."""
        return await self.request("GET", resource.path(namespace, name))

    async def find(
        self, resource: ApiResource, name: str, namespace: str | None = None
    ) -> Object | None:
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
    ) -> AsyncIterator[Object]:
        """Yield every object, page by page; kind and apiVersion are filled in."""
        async for answer in self._pages(resource, namespace, _selectors(labels, fields)):
            for item in answer["items"]:
                yield item

    async def watch(
        self,
        resource: ApiResource,
        namespace: str | None = None,
        *,
        labels: str | None = None,
        fields: str | None = None,
    ) -> AsyncGenerator[tuple[Change, Object], None]:
        """Yield every object as ADDED, then a BOOKMARK, then each change; never end.

        A broken connection resumes at the last resourceVersion. If the server no longer has that
        version (410), the collection is listed again and the difference is yielded as changes,
        including deletions, with another BOOKMARK. An unavailable server is retried until it
        answers; a refusal (401, 403, 404) raises.
        """
        query = _selectors(labels, fields)
        known: dict[str, Object] = {}
        pause = WATCH_PAUSE_SECONDS[0]
        while True:
            try:
                version, items = await self._snapshot(resource, namespace, query)
                for change in _difference(known, items):
                    yield change
                known, pause = items, WATCH_PAUSE_SECONDS[0]
                yield "BOOKMARK", {"metadata": {"resourceVersion": version}}
                async with aclosing(self._follow(resource, namespace, query, version)) as changes:
                    async for kind, item in changes:
                        if kind == "DELETED":
                            known.pop(item["metadata"]["uid"], None)
                        else:
                            known[item["metadata"]["uid"]] = item
                        yield kind, item
            except Unavailable:
                await asyncio.sleep(pause)
                pause = min(2 * pause, WATCH_PAUSE_SECONDS[1])

    async def _snapshot(
        self, resource: ApiResource, namespace: str | None, query: dict[str, str]
    ) -> tuple[str, dict[str, Object]]:
        items: dict[str, Object] = {}
        version = ""
        async for answer in self._pages(resource, namespace, query):
            version = answer["metadata"]["resourceVersion"]
            items |= {item["metadata"]["uid"]: item for item in answer["items"]}
        return version, items

    async def _pages(
        self, resource: ApiResource, namespace: str | None, query: dict[str, str]
    ) -> AsyncIterator[Object]:
        """Yield the answers of a list; a server leaves kind and apiVersion out of its items."""
        params = dict(query, limit=str(PAGE_SIZE))
        kind = {"apiVersion": resource.api_version, "kind": resource.kind}
        while True:
            answer = await self.request("GET", resource.path(namespace), params=params)
            yield answer | {"items": [{**kind, **item} for item in answer["items"]]}
            token = answer["metadata"].get("continue")
            if not token:
                return
            params["continue"] = token

    async def _follow(
        self, resource: ApiResource, namespace: str | None, query: dict[str, str], version: str
    ) -> AsyncGenerator[tuple[Change, Object], None]:
        """Yield changes after a resourceVersion, reconnecting as needed; return at 410."""
        params = dict(
            query, watch="true", allowWatchBookmarks="true", timeoutSeconds=str(WATCH_SECONDS)
        )
        while True:
            here = dict(params, resourceVersion=version)
            async with aclosing(self._stream(resource.path(namespace), here)) as events:
                async for event in events:
                    item = event["object"]
                    if event["type"] == "ERROR":
                        if item.get("code") == 410:
                            return
                        raise Unavailable(
                            item.get("code", 0), item.get("reason", ""), item.get("message", "")
                        )
                    version = item["metadata"]["resourceVersion"]
                    if event["type"] != "BOOKMARK":
                        yield event["type"], item

    async def _stream(self, path: str, params: dict[str, str]) -> AsyncGenerator[Object, None]:
        """Yield the events of one watch connection; an HTTP 410 becomes an ERROR event."""
        try:
            async with aclosing(
                self._connection.lines(path, params, silence=WATCH_SILENCE_SECONDS)
            ) as lines:
                async for line in lines:
                    if isinstance(line, Answer):
                        if line.status == 410:
                            yield {"type": "ERROR", "object": {"code": 410}}
                            return
                        if line.is_error:
                            raise _error(line)
                    elif line:
                        yield _parsed(line)
        except Unreachable as error:
            raise Unavailable(0, "Unreachable", str(error)) from error

    async def create(
        self, resource: ApiResource, body: Object, namespace: str | None = None
    ) -> Object:
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
            json=patch,
            media_type=f"application/{kind}+json",
        )

    async def delete(
        self,
        resource: ApiResource,
        name: str,
        namespace: str | None = None,
        *,
        uid: str | None = None,
        version: str | None = None,
        propagation: Propagation = "Background",
        grace: int | None = None,
    ) -> bool:
        """Delete an object; return False when it, or the given uid or version, is gone.

        `grace` is the number of seconds that a pod gets to end; 0 removes it at once.
        """
        options: Object = {
            "kind": "DeleteOptions",
            "apiVersion": "v1",
            "propagationPolicy": propagation,
        }
        if uid or version:
            wanted = {"uid": uid, "resourceVersion": version}
            options["preconditions"] = {name: value for name, value in wanted.items() if value}
        if grace is not None:
            options["gracePeriodSeconds"] = grace
        try:
            await self.request("DELETE", resource.path(namespace, name), json=options)
        except (NotFound, Conflict):
            return False
        return True
