"""The server's state: store, registry and change hub, and objects as clients see them."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from simulacra_controlplane import errors
from simulacra_controlplane.objects import Object
from simulacra_controlplane.resources import Registry, Resource
from simulacra_controlplane.store import Change, Key, Store

_SLOW_WATCHER = 20_000  # changes that a watcher may lag behind before it is cut


class Hub:
    """Hands each committed change to the watchers of its resource."""

    def __init__(self, store: Store) -> None:
        self._queues: dict[str, set[asyncio.Queue[Change | None]]] = {}
        store.listeners.append(self._publish)

    @contextmanager
    def subscribe(self, storage: str) -> Iterator[asyncio.Queue[Change | None]]:
        """A queue of changes from now on; None means that the watch must end."""
        queue: asyncio.Queue[Change | None] = asyncio.Queue()
        watchers = self._queues.setdefault(storage, set())
        watchers.add(queue)
        try:
            yield queue
        finally:
            watchers.discard(queue)

    def _publish(self, change: Change) -> None:
        watchers = self._queues.get(change.key.resource, set())
        for queue in list(watchers):
            if queue.qsize() >= _SLOW_WATCHER:
                watchers.discard(queue)
                queue.put_nowait(None)
            else:
                queue.put_nowait(change)

    def end(self, storage: str) -> None:
        """End the watches of a resource (it is no longer served)."""
        for queue in self._queues.get(storage, set()):
            queue.put_nowait(None)

    def close(self) -> None:
        """End every watch (the server stops)."""
        for storage in self._queues:
            self.end(storage)


@dataclass
class WriteOptions:
    """The query parameters of a write, and the warnings that its answer carries."""

    dry_run: bool = False
    validation: str = "Warn"
    patching: bool = False
    warnings: list[str] = field(default_factory=list)


class ControlPlane:
    """The state of one server.

    The logs are in `<logs>/<pod-uid>/<container>.log`, written by the node agent.
    """

    def __init__(self, store: Store, logs: Path) -> None:
        self.store = store
        self.logs = logs
        self.registry = Registry()
        self.hub = Hub(store)

    def key(self, resource: Resource, namespace: str, name: str) -> Key:
        """Where this object is kept."""
        return Key(resource.storage, namespace if resource.namespaced else "", name)

    def key_of(self, resource: Resource, obj: Object) -> Key:
        """Where an object with complete metadata is kept."""
        return self.key(resource, obj["metadata"].get("namespace", ""), obj["metadata"]["name"])

    def get(self, resource: Resource, namespace: str, name: str) -> Object:
        """One object in its stored form.

        Raises:
            ApiError: 404.
        """
        found = self.store.get(self.key(resource, namespace, name))
        if found is None:
            raise errors.not_found(resource.plural, resource.group, name)
        return found


def present(resource: Resource, obj: Object) -> Object:
    """A stored object as this version of the resource shows it."""
    return {**obj, "apiVersion": resource.api_version, "kind": resource.kind}
