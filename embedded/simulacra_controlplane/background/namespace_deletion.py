"""Emptying of a namespace or a CRD's kind before it is deleted, as the controllers do."""

from __future__ import annotations

from simulacra_controlplane.objects import Object, clone
from simulacra_controlplane.schema import crd
from simulacra_controlplane.state import ControlPlane
from simulacra_controlplane.store import Change, Key
from simulacra_controlplane.verbs.deletion import DeleteOptions, delete

_NAMESPACES = "namespaces"


class Drainer:
    """Drains terminating namespaces and CRDs, and keeps the registry in step with the CRDs."""

    def __init__(self, plane: ControlPlane) -> None:
        self._plane = plane

    def start(self) -> list[Key]:
        """Everything worth a look after a restart; also serves the kinds of the stored CRDs."""
        keys = []
        for obj in self._plane.store.all(crd.STORAGE):
            self._plane.registry.set_custom(obj["metadata"]["name"], crd.served(obj))
            keys.append(Key(crd.STORAGE, "", obj["metadata"]["name"]))
        keys += [
            Key(_NAMESPACES, "", o["metadata"]["name"]) for o in self._plane.store.all(_NAMESPACES)
        ]
        return keys

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
                self._finish_namespace(key)
        elif crd.CLEANUP in (obj["metadata"].get("finalizers") or []):
            resource = self._plane.registry.by_storage(key.name)
            objects = self._plane.store.all(key.name)
            if resource is not None:
                self._drain([self._plane.key_of(resource, o) for o in objects])
            if not self._plane.store.all(key.name):
                self._finish_crd(key)

    def _drain(self, keys: list[Key]) -> None:
        for key in keys:
            resource, obj = (
                self._plane.registry.by_storage(key.resource),
                self._plane.store.get(key),
            )
            if (
                resource is not None
                and obj is not None
                and not obj["metadata"].get("deletionTimestamp")
            ):
                delete(self._plane, resource, obj, DeleteOptions(policy="Background"))

    def _finish_namespace(self, key: Key) -> None:
        obj = self._plane.store.get(key)
        if obj is None:
            return
        new = clone(obj)
        new["spec"]["finalizers"] = []
        self._put_or_remove(key, new, obj)

    def _finish_crd(self, key: Key) -> None:
        obj = self._plane.store.get(key)
        if obj is None:
            return
        new = clone(obj)
        new["metadata"]["finalizers"].remove(crd.CLEANUP)
        self._put_or_remove(key, new, obj)

    def _put_or_remove(self, key: Key, new: Object, old: Object) -> None:
        if not new["metadata"].get("finalizers"):
            self._plane.store.remove(key)
        elif new != old:
            self._plane.store.put(key, new)
