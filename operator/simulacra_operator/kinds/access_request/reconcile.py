"""What to do about an AccessRequest: record the decision, make the Tenant of an approved one, forget the rest in time.

A Tenant is made once. One that an administrator deletes later stays deleted, whatever the request says.
"""

from __future__ import annotations

from datetime import timedelta

from simulacra_crds.kinds.base import API_VERSION, LABEL_UID
from simulacra_crds.kube.client import TENANTS, Object
from simulacra_custody.audit.event import EventType
from simulacra_operator.kinds.access_request.observe import AccessObserved
from simulacra_operator.kinds.access_request.status import access_status
from simulacra_operator.runtime.actions import (
    Action,
    DeleteResource,
    Ensure,
    PatchStatus,
    RecordDecision,
    RegisterClient,
)

FORGOTTEN_AFTER = timedelta(days=30)
"""A request holds a name and an address for no longer than this, unless it stands for a Tenant."""


def reconcile(seen: AccessObserved) -> list[Action]:
    """Return what is to be done about an AccessRequest now; nothing when all is as it should be."""
    subject = seen.subject
    if subject.deleting or subject.spec is None:
        return []
    stands_for_one = subject.status.tenant is not None and seen.tenant is not None
    if not stands_for_one and seen.now >= subject.created + FORGOTTEN_AFTER:
        return [DeleteResource(subject.key, subject.meta.uid)]
    patch = access_status(seen)
    actions: list[Action] = [*_record(seen)]
    if _lacks_tenant(seen) and seen.client_id is None:
        return [*actions, RegisterClient(seen.tenant_name)]
    if _lacks_tenant(seen) and not seen.prepared:
        return [*actions, Ensure(TENANTS, _tenant(seen), exists=False)]
    return [*actions, PatchStatus(patch)] if patch else actions


def _record(seen: AccessObserved) -> list[Action]:
    """Record a decision when it is first seen; the status patch of the same pass says that it was."""
    decided = seen.subject.condition("Decided") == "True"
    begun = _approved(seen) and (
        not _lacks_tenant(seen) or seen.subject.status.client_id is not None
    )
    if decided or begun or seen.subject.spec.decision == "Pending":
        return []
    event = EventType.ACCESS_APPROVED if _approved(seen) else EventType.ACCESS_DENIED
    return [RecordDecision(event, seen.tenant_name if _approved(seen) else None)]


def _approved(seen: AccessObserved) -> bool:
    return bool(seen.subject.spec.decision == "Approved")


def _lacks_tenant(seen: AccessObserved) -> bool:
    return _approved(seen) and seen.subject.status.tenant is None and seen.tenant is None


def _tenant(seen: AccessObserved) -> Object:
    metadata = {"name": seen.tenant_name, "labels": {LABEL_UID: seen.subject.meta.uid}}
    spec = {"clients": [seen.client_id]}
    return {"apiVersion": API_VERSION, "kind": "Tenant", "metadata": metadata, "spec": spec}
