"""What the controller keeps of each resource from pass to pass, in one place by key."""

from dataclasses import dataclass, field
from typing import Any

from simulacra_operator.kinds.access_request import AccessObserved
from simulacra_operator.kinds.tenant.observe import TenantObserved
from simulacra_operator.observed.custom_resource import Key
from simulacra_operator.observed.observe import Fault, given_name
from simulacra_operator.runtime.planner import Seen


@dataclass
class ResourceState:
    """State of one resource.

    Attributes:
        fault: dependency whose call failed in the last pass.
        written: version after our own last write, whose event needs no pass.
        actions: hash of the actions of the last pass.
        sources: keys whose changes it waits for.
        waiting: keys that wait for its changes.
    """

    fault: Fault | None = None
    written: str = ""
    actions: int | None = None
    sources: frozenset[Key] = frozenset()
    waiting: set[Key] = field(default_factory=set)


class ResourceStates:
    """States by key."""

    def __init__(self) -> None:
        self._states: dict[Key, ResourceState] = {}

    def get(self, key: Key) -> ResourceState:
        """Return the state of a resource, to read."""
        return self._states.get(key, _START)

    def set(self, key: Key, **fields: Any) -> None:
        """Set fields of a state, and drop it if it is as at the start."""
        state = self._states.setdefault(key, ResourceState())
        for name, value in fields.items():
            setattr(state, name, value)
        if state == _START:
            del self._states[key]

    def wait(self, key: Key, sources: frozenset[Key] = frozenset()) -> None:
        """Set the keys whose changes wake a resource."""
        before = self.get(key).sources
        for source in before - sources:
            self.get(source).waiting.discard(key)
            self.set(source)
        for source in sources - before:
            self._states.setdefault(source, ResourceState()).waiting.add(key)
        self.set(key, sources=sources)


_START = ResourceState()


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
        if name := given_name(resource):
            keys.add(Key("Dataset", namespace, name))
    return frozenset(keys)
