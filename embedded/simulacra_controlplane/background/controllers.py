"""Background controllers: garbage collection, namespace deletion, expiry of events."""

import asyncio
import contextlib
import logging
import time
from collections import OrderedDict
from datetime import UTC, datetime, timedelta

from simulacra_controlplane.background.garbage_collector import Collector
from simulacra_controlplane.errors import ApiError
from simulacra_controlplane.objects import clone
from simulacra_controlplane.schema import crd
from simulacra_controlplane.state import ControlPlane
from simulacra_controlplane.store import Change, Key
from simulacra_controlplane.verbs.deletion import delete_unless_deleted

_NAMESPACES = "namespaces"


class Drainer:
    """Drains terminating namespaces and CRDs, and keeps the registry in step with the CRDs."""

    def __init__(self, plane: ControlPlane) -> None:
        self._plane = plane

    def start(self) -> list[Key]:
        """Everything worth a look after a restart; also serves the kinds of the stored CRDs."""
        for obj in self._plane.store.all(crd.STORAGE):
            self._plane.registry.set_custom(obj["metadata"]["name"], crd.served(obj))
        return [
            Key(storage, "", obj["metadata"]["name"])
            for storage in (crd.STORAGE, _NAMESPACES)
            for obj in self._plane.store.all(storage)
        ]

    def register(self, change: Change) -> None:
        """Serve what a CRD says from the moment its write is committed."""
        if change.key.resource == crd.STORAGE:
            resources = [] if change.new is None else crd.served(change.new)
            self._plane.registry.set_custom(change.key.name, resources)
            if not resources:
                self._plane.hub.end(change.key.name)

    def affected(self, change: Change) -> list[Key]:
        """The namespace or CRD that a change makes worth a look."""
        if change.key.resource in (_NAMESPACES, crd.STORAGE):
            terminating = change.new is not None and change.new["metadata"].get("deletionTimestamp")
            return [change.key] if terminating else []
        if change.new is not None:
            return []
        keys = [Key(crd.STORAGE, "", change.key.resource)]
        if change.key.namespace:
            keys.append(Key(_NAMESPACES, "", change.key.namespace))
        return keys

    def look(self, key: Key) -> None:
        """Delete the content of a terminating namespace or CRD; let it go when nothing is left."""
        if key.resource not in (_NAMESPACES, crd.STORAGE):
            return
        obj = self._plane.store.get(key)
        if obj is None or not obj["metadata"].get("deletionTimestamp"):
            return
        if key.resource == _NAMESPACES:
            self._drain(self._plane.store.keys(key.name))
            if not self._plane.store.keys(key.name):
                self._finish(key)
        elif crd.CLEANUP in (obj["metadata"].get("finalizers") or []):
            resource = self._plane.registry.by_storage(key.name)
            objects = self._plane.store.all(key.name)
            if resource is not None:
                self._drain([self._plane.key_of(resource, o) for o in objects])
            if not self._plane.store.all(key.name):
                self._finish(key)

    def _drain(self, keys: list[Key]) -> None:
        for key in keys:
            delete_unless_deleted(self._plane, key, "Background")

    def _finish(self, key: Key) -> None:
        old = self._plane.store.get(key)
        if old is None:
            return
        new = clone(old)
        if key.resource == _NAMESPACES:
            new["spec"]["finalizers"] = []
        else:
            new["metadata"]["finalizers"].remove(crd.CLEANUP)
        if not new["metadata"].get("finalizers"):
            self._plane.store.remove(key)
        elif new != old:
            self._plane.store.put(key, new)


_log = logging.getLogger(__name__)
_EVENT_LIFE = timedelta(hours=1)
_EXPIRY_SECONDS = 60.0


def expire_events(plane: ControlPlane) -> None:
    """Remove events older than an hour, as `--event-ttl` of a real server does."""
    oldest = (datetime.now(UTC) - _EVENT_LIFE).strftime("%Y-%m-%dT%H:%M:%SZ")
    for event in plane.store.all("events"):
        times = [
            event["metadata"]["creationTimestamp"],
            event.get("lastTimestamp"),
            event.get("eventTime"),
        ]
        times.append((event.get("series") or {}).get("lastObservedTime"))
        if max(filter(None, times)) < oldest:
            plane.store.remove(
                Key("events", event["metadata"]["namespace"], event["metadata"]["name"])
            )


class Controllers:
    """The control plane's own level-based loops.

    The kinds of the stored CRDs are served from here on.
    """

    def __init__(self, plane: ControlPlane) -> None:
        self._plane = plane
        self._collector, self._drainer = Collector(plane), Drainer(plane)
        self._pending: OrderedDict[Key, None] = OrderedDict()
        self._wake = asyncio.Event()
        plane.store.listeners.insert(0, self._drainer.register)
        plane.store.listeners.append(self._note)
        self._add(self._drainer.start() + self._collector.start())

    def _add(self, keys: list[Key]) -> None:
        for key in keys:
            self._pending[key] = None
        if keys:
            self._wake.set()

    def _note(self, change: Change) -> None:
        self._add(self._collector.affected(change) + self._drainer.affected(change))

    async def run(self) -> None:
        """Work until cancelled, giving way to requests after each key."""
        expiry = 0.0
        while True:
            if time.monotonic() >= expiry:
                expire_events(self._plane)
                expiry = time.monotonic() + _EXPIRY_SECONDS
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), _EXPIRY_SECONDS)
            self._wake.clear()
            while self._pending:
                key, _ = self._pending.popitem(last=False)
                self._look(key)
                await asyncio.sleep(0)

    def _look(self, key: Key) -> None:
        try:
            self._collector.look(key)
            self._drainer.look(key)
        except ApiError as error:
            # an object that its own schema refuses today; another change brings it back here
            _log.warning("left %s alone: %s (%d)", key.resource, error.reason, error.code)
