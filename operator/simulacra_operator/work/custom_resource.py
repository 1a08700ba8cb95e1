"""A custom resource as the operator reads it: typed where it meets the contract, still usable where it does not.

A spec that the pydantic models refuse (the CRD's schema is a little wider than they are) must never keep a resource
from being deleted: only what deletion needs is read leniently, from the raw object.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from pydantic import ValidationError

from simulacra_crds.kinds import KINDS
from simulacra_crds.kinds.base import FINALIZER, ObjectMeta, Resource, WorkStatus
from simulacra_crds.kinds.tenant import TenantStatus
from simulacra_crds.kube.client import Object

BY_KIND: dict[str, type[Resource]] = {kind.model_fields["kind"].default: kind for kind in KINDS}
NAMESPACE_PREFIX = "tenant-"


class Key(NamedTuple):
    """Names one object: kind, namespace (None for cluster-scoped kinds) and name."""

    kind: str
    namespace: str | None
    name: str


def key_of(body: Object) -> Key:
    """Return the key of an object."""
    meta = body["metadata"]
    return Key(body["kind"], meta.get("namespace"), meta["name"])


def tenant_of(namespace: str | None) -> str | None:
    """Return the tenant that a namespace belongs to, or None when it is nobody's."""
    if namespace is None or not namespace.startswith(NAMESPACE_PREFIX):
        return None
    return namespace.removeprefix(NAMESPACE_PREFIX)


@dataclass(frozen=True)
class Subject:
    """One custom resource.

    Attributes:
        kind: name of the kind.
        meta: its metadata.
        spec: the typed spec of its kind; None when it does not meet the contract.
        status: the typed status of its kind (empty when it does not parse: it is written anew).
    """

    kind: str
    meta: ObjectMeta
    spec: Any
    status: Any

    @property
    def key(self) -> Key:
        """The key that queue and cluster know it by."""
        return Key(self.kind, self.meta.namespace, self.meta.name)

    @property
    def plural(self) -> str:
        """Lower-case plural of the kind, as custody names it."""
        return BY_KIND[self.kind].PLURAL

    @property
    def deleting(self) -> bool:
        """Whether deletion was asked for."""
        return self.meta.deletion_timestamp is not None

    @property
    def guarded(self) -> bool:
        """Whether our finalizer is on: no byte is made for a resource before."""
        return FINALIZER in self.meta.finalizers

    @property
    def created(self) -> datetime:
        """When the API server accepted it."""
        if self.meta.creation_timestamp is None:
            raise ValueError(
                "metadata.creationTimestamp is missing: the object does not come from an API server"
            )
        return self.meta.creation_timestamp

    def condition(self, name: str) -> str:
        """Return the status of a condition, Unknown when there is none."""
        return next((c.status for c in self.status.conditions if c.type == name), "Unknown")

    @property
    def ready(self) -> bool:
        """Whether the condition Ready is True and it is not being deleted."""
        return self.condition("Ready") == "True" and not self.deleting

    @property
    def finished(self) -> bool:
        """Whether its work ended, well or not."""
        return isinstance(self.status, WorkStatus) and self.status.finished_at is not None


def parse(body: Object) -> Subject:
    """Read an object of one of our kinds."""
    kind = body["kind"]
    fields = BY_KIND[kind].model_fields
    return Subject(
        kind=kind,
        meta=ObjectMeta.model_validate(body["metadata"]),
        spec=_lenient(fields["spec"].annotation, body.get("spec") or {}),
        status=_lenient(fields["status"].annotation, body.get("status") or {})
        or _empty_status(kind),
    )


def _lenient(model: Any, value: Object) -> Any:
    try:
        return model.model_validate(value)
    except ValidationError:
        return None


def _empty_status(kind: str) -> WorkStatus | TenantStatus:
    model: Any = BY_KIND[kind].model_fields["status"].annotation
    return model()
