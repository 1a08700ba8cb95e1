"""Which resources wait for which others, so that an event of one wakes those that it concerns."""

from __future__ import annotations

from simulacra_operator.kinds.access_request import AccessObserved
from simulacra_operator.kinds.tenant.observe import TenantObserved
from simulacra_operator.runtime.planner import Seen
from simulacra_operator.work.custom_resource import Key


class WaitIndex:
    """Keys that resources wait for, in both directions."""

    def __init__(self) -> None:
        self._waiting: dict[Key, set[Key]] = {}
        self._waits_for: dict[Key, frozenset[Key]] = {}

    def waiting_for(self, key: Key) -> tuple[Key, ...]:
        """Return the resources that wait for a change of this key."""
        return tuple(self._waiting.get(key, ()))

    def set(self, key: Key, sources: frozenset[Key] = frozenset()) -> None:
        """Set the keys whose events wake a resource; none, and it is dropped."""
        for gone in self._waits_for.pop(key, frozenset()) - sources:
            waiting = self._waiting.get(gone, set())
            waiting.discard(key)
            if not waiting:
                self._waiting.pop(gone, None)
        for source in sources:
            self._waiting.setdefault(source, set()).add(key)
        if sources:
            self._waits_for[key] = sources


def sources_of(seen: Seen) -> frozenset[Key]:
    """Return the keys whose changes concern a resource."""
    if isinstance(seen, AccessObserved):
        return frozenset({Key("Tenant", None, seen.tenant_name)})
    resource = seen.resource
    keys = {one.key for one in seen.dependants}
    if isinstance(seen, TenantObserved) or (resource.finished and not resource.deleting):
        return frozenset(keys)
    keys.add(Key("Tenant", None, seen.tenant_name or ""))
    spec, namespace = resource.spec, resource.meta.namespace
    if resource.kind == "Model" and spec is not None:
        keys.add(Key("Dataset", namespace, spec.dataset_ref.name))
    elif resource.kind != "Dataset" and spec is not None:
        keys.add(Key("Model", namespace, spec.model_ref.name))
    return frozenset(keys)
