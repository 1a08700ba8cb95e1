"""Garbage collection along ownerReferences, as kube-controller-manager does it.

Level-based: each change names keys to look at, and looking compares an object with the world as it
is. Objects whose owners are all gone are deleted, references to vanished owners are dropped, and
the finalizers of foreground and orphan deletion are released when their condition holds.
"""

from typing import Any

from simulacra_controlplane.objects import Object, clone
from simulacra_controlplane.state import ControlPlane, WriteOptions
from simulacra_controlplane.store import Change, Key
from simulacra_controlplane.verbs.deletion import FOREGROUND, ORPHAN, delete_unless_deleted
from simulacra_controlplane.verbs.writes import commit

_OPTIONS = WriteOptions(validation="Ignore")


def owner_key(plane: ControlPlane, dependent: Key, reference: dict[str, Any]) -> Key | None:
    """Where an owner would be; None for a kind that is not served (nothing is concluded then)."""
    resource = plane.registry.by_kind(reference["apiVersion"], reference["kind"])
    if resource is None:
        return None
    return plane.key(resource, dependent.namespace, reference["name"])


class Collector:
    """Collects what the changes point at."""

    def __init__(self, plane: ControlPlane) -> None:
        self._plane = plane

    def start(self) -> list[Key]:
        """Everything worth a look after a restart."""
        store = self._plane.store
        keys = {key for owner in store.owned() for key in store.dependents(owner)}
        for resource in self._plane.registry:
            for obj in store.all(resource.storage):
                if obj["metadata"].get("deletionTimestamp"):
                    keys.add(self._plane.key_of(resource, obj))
        return list(keys)

    def affected(self, change: Change) -> list[Key]:
        """The keys that a change makes worth a look."""
        state = change.last_state["metadata"]
        if change.new is None:
            return self._plane.store.dependents(state["uid"]) + self._owners(change.key, state)
        references = state.get("ownerReferences")
        if references != (change.old or {"metadata": {}})["metadata"].get("ownerReferences"):
            before = (change.old or {"metadata": {}})["metadata"]
            return [change.key, *self._owners(change.key, before)]
        return [change.key] if state.get("deletionTimestamp") else []

    def _owners(self, key: Key, metadata: dict[str, Any]) -> list[Key]:
        """The owners of an object that went or changed hands: one may have been waiting for it."""
        references = metadata.get("ownerReferences") or []
        return [
            owner for ref in references if (owner := owner_key(self._plane, key, ref)) is not None
        ]

    def look(self, key: Key) -> None:
        """Bring one object in line with its owners and dependents."""
        obj = self._plane.store.get(key)
        if obj is None:
            return
        if obj["metadata"].get("deletionTimestamp"):
            finalizers = obj["metadata"].get("finalizers") or []
            if ORPHAN in finalizers:
                self._orphan(key, obj)
            elif FOREGROUND in finalizers:
                self._foreground(key, obj)
        elif obj["metadata"].get("ownerReferences"):
            self._dependent(key, obj)

    def _write(self, key: Key, old: Object, new: Object) -> None:
        resource = self._plane.registry.by_storage(key.resource)
        if resource is not None:
            commit(self._plane, resource, old, new, "", _OPTIONS)

    def _release(self, key: Key, obj: Object, finalizer: str) -> None:
        new = clone(obj)
        new["metadata"]["finalizers"].remove(finalizer)
        self._write(key, obj, new)

    def _orphan(self, key: Key, obj: Object) -> None:
        for child in self._plane.store.dependents(obj["metadata"]["uid"]):
            dependent = self._plane.store.get(child)
            if dependent is not None:
                self._drop(child, dependent, {obj["metadata"]["uid"]})
        self._release(key, obj, ORPHAN)

    def _drop(self, key: Key, obj: Object, owners: set[str]) -> None:
        new = clone(obj)
        references = new["metadata"]["ownerReferences"]
        new["metadata"]["ownerReferences"] = [ref for ref in references if ref["uid"] not in owners]
        if not new["metadata"]["ownerReferences"]:
            del new["metadata"]["ownerReferences"]
        self._write(key, obj, new)

    def _foreground(self, key: Key, obj: Object) -> None:
        uid = obj["metadata"]["uid"]
        blocking = False
        for child in self._plane.store.dependents(uid):
            dependent = self._plane.store.get(child)
            if dependent is None:
                continue
            reference = next(r for r in dependent["metadata"]["ownerReferences"] if r["uid"] == uid)
            if reference.get("blockOwnerDeletion"):
                owns = self._plane.store.dependents(dependent["metadata"]["uid"])
                delete_unless_deleted(self._plane, child, "Foreground" if owns else "Background")
                blocking = blocking or self._plane.store.get(child) is not None
        current = self._plane.store.get(key)
        if not blocking and current is not None and current["metadata"]["uid"] == uid:
            self._release(key, current, FOREGROUND)

    def _dependent(self, key: Key, obj: Object) -> None:
        solid, waiting, gone = False, False, set()
        for reference in obj["metadata"]["ownerReferences"]:
            at = owner_key(self._plane, key, reference)
            owner = self._plane.store.get(at) if at is not None else None
            if at is None:
                solid = True
            elif owner is None or owner["metadata"]["uid"] != reference["uid"]:
                gone.add(reference["uid"])
            elif FOREGROUND in (owner["metadata"].get("finalizers") or []):
                waiting = True
            else:
                solid = True
        if solid and gone:
            self._drop(key, obj, gone)
        elif gone and not solid and not waiting:
            delete_unless_deleted(self._plane, key, "Background")
