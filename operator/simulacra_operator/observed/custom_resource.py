"""Custom resources as the operator reads them: typed, but deletable with an invalid spec.

The CRD schemas accept slightly more than the pydantic models. A spec that the models reject must
never block a deletion, so a deletion uses metadata and status only.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from pydantic import ValidationError

from simulacra_crds.kinds.base import (
    ANNOTATION_REQUEST,
    FINALIZER,
    GROUP,
    ObjectMeta,
    WorkStatus,
)
from simulacra_crds.kube.client import DATASETS, MODELS, Object
from simulacra_crds.registry import BY_KIND

NAMESPACE_PREFIX = "tenant-"


class Key(NamedTuple):
    """Identity of one object: kind, namespace (None for cluster-scoped kinds) and name."""

    kind: str
    namespace: str | None
    name: str

    def fields(self) -> dict[str, str | None]:
        """Return it as fields of a log record."""
        return {"kind": self.kind, "namespace": self.namespace, "resource": self.name}


def key_of(body: Object) -> Key:
    """Return the key of an object."""
    meta = body["metadata"]
    return Key(body["kind"], meta.get("namespace"), meta["name"])


def tenant_of(namespace: str | None) -> str | None:
    """Return the tenant that owns a namespace, or None when no tenant does."""
    if namespace is None or not namespace.startswith(NAMESPACE_PREFIX):
        return None
    return namespace.removeprefix(NAMESPACE_PREFIX)


@dataclass(frozen=True)
class CustomResource:
    """One custom resource.

    Attributes:
        spec: the typed spec, or None when it violates the contract.
        status: the typed status; empty when it cannot be parsed, because it is rewritten anyway.
    """

    kind: str
    meta: ObjectMeta
    spec: Any
    status: Any

    @property
    def key(self) -> Key:
        """Its key in the queue and the cluster."""
        return Key(self.kind, self.meta.namespace, self.meta.name)

    def log_fields(self) -> dict[str, str | None]:
        """Return the fields of log records about it."""
        request = self.meta.annotations.get(ANNOTATION_REQUEST)
        ids = {**self.key.fields(), "uid": self.meta.uid}
        return {**ids, "request_id": request} if request else ids

    @property
    def plural(self) -> str:
        """Lower-case plural of the kind, which custody uses as well."""
        return BY_KIND[self.kind].resource.PLURAL

    @property
    def deleting(self) -> bool:
        """Whether its deletion was requested."""
        return self.meta.deletion_timestamp is not None

    @property
    def guarded(self) -> bool:
        """Whether it has our finalizer; no byte is stored for a resource without it."""
        return FINALIZER in self.meta.finalizers

    @property
    def kept_owners(self) -> list[Object]:
        """Its owner references; of a result without those to its Model or Dataset."""
        owners = self.meta.owner_references
        if not BY_KIND[self.kind].is_result:
            return owners
        return [one for one in owners if not _is_ancestor(one)]

    @property
    def collected(self) -> bool:
        """Whether it is a result that the garbage collector deletes with its Model."""
        return self.kept_owners != self.meta.owner_references

    @property
    def created(self) -> datetime:
        """When the API server accepted it."""
        if self.meta.creation_timestamp is None:
            raise ValueError("metadata.creationTimestamp is missing. Read it from an API server.")
        return self.meta.creation_timestamp

    def condition(self, name: str) -> str:
        """Return the status of a condition, Unknown when it is absent."""
        return next((c.status for c in self.status.conditions if c.type == name), "Unknown")

    @property
    def ready(self) -> bool:
        """Whether the condition Ready is True and no deletion was requested."""
        return self.condition("Ready") == "True" and not self.deleting

    @property
    def finished(self) -> bool:
        """Whether its work has ended, in success or failure."""
        return isinstance(self.status, WorkStatus) and self.status.finished_at is not None


def parse(body: Object) -> CustomResource:
    """Parse an object of one of our kinds."""
    fields = BY_KIND[body["kind"]].resource.model_fields
    status: Any = fields["status"].annotation
    return CustomResource(
        kind=body["kind"],
        meta=ObjectMeta.model_validate(body["metadata"]),
        spec=_lenient(fields["spec"].annotation, body.get("spec") or {}),
        status=_lenient(status, body.get("status") or {}) or status(),
    )


def _is_ancestor(owner: Object) -> bool:
    group = str(owner.get("apiVersion")).partition("/")[0]
    return group == GROUP and owner.get("kind") in (DATASETS.kind, MODELS.kind)


def _lenient(model: Any, value: Object) -> Any:
    try:
        return model.model_validate(value)
    except ValidationError:
        return None
