"""AccessRequest: a person decides; an approved request becomes a Tenant with a client, once.

A Tenant that an administrator deletes later stays deleted, whatever the request says. A request
that led to no Tenant is deleted after 30 days.
"""

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from simulacra_crds.kinds.access_request import AccessRequestStatus
from simulacra_crds.kinds.base import API_VERSION, LABEL_UID
from simulacra_crds.kube.client import ACCESS_REQUESTS, TENANTS, Cluster, Object
from simulacra_crds.reasons import Reason
from simulacra_custody.audit.event import EventType
from simulacra_operator.observed.conditions import Finding, conditions, ready, status_patch
from simulacra_operator.observed.custom_resource import CustomResource, Key, parse
from simulacra_operator.work import actions as act

DELETED_AFTER = timedelta(days=30)
"""How long a request keeps a person's name and address, unless it has a Tenant."""


@dataclass(frozen=True)
class AccessObserved:
    """The state of one AccessRequest.

    Attributes:
        external: whether an identity provider creates the clients.
        prepared: whether the cluster's administrator creates the Tenants, not this operator.
    """

    now: datetime
    resource: CustomResource
    tenant: CustomResource | None = None
    external: bool = False
    prepared: bool = False

    @property
    def client_id(self) -> str | None:
        """The requester's client id; None until the identity provider has created it."""
        known: str | None = self.resource.status.client_id
        return known or (None if self.external else f"sim-{_digest(self.resource)[:16]}")

    @property
    def tenant_name(self) -> str:
        """Name of the request's Tenant, whether it exists or not."""
        return _tenant_name(self.resource)

    @property
    def approved(self) -> bool:
        """Whether a person approved the request."""
        return bool(self.resource.spec.decision == "Approved")

    @property
    def lacks_tenant(self) -> bool:
        """Whether it was approved and has never had a Tenant."""
        return self.approved and self.resource.status.tenant is None and self.tenant is None

    @property
    def owns_tenant(self) -> bool:
        """Whether the Tenant exists and was created for this request."""
        if self.tenant is None:
            return False
        return self.tenant.meta.labels.get(LABEL_UID) == self.resource.meta.uid


async def observe(
    cluster: Cluster, key: Key, now: datetime, *, external: bool, prepared: bool
) -> AccessObserved | None:
    """Return the state of an AccessRequest, None when it is gone."""
    found = await cluster.find(ACCESS_REQUESTS, key.name)
    if found is None:
        return None
    resource = parse({"kind": "AccessRequest", **found})
    body = await cluster.find(TENANTS, _tenant_name(resource))
    tenant = parse({"kind": "Tenant", **body}) if body else None
    return AccessObserved(now, resource, tenant, external, prepared)


def _tenant_name(request: CustomResource) -> str:
    """Return the name in status, or a slug of the company with a digest of the uid."""
    if request.status.tenant is not None:
        return str(request.status.tenant)
    company = request.spec.company if request.spec else ""
    slug = re.sub(r"[^a-z0-9]+", "-", company.lower())[:24].strip("-")
    return f"{slug or 'tenant'}-{_digest(request)[:8]}"


def _digest(request: CustomResource) -> str:
    return hashlib.sha256(request.meta.uid.encode()).hexdigest()


def reconcile(seen: AccessObserved) -> list[act.Action]:
    """Return the actions for an AccessRequest, empty when nothing has to change."""
    resource = seen.resource
    if resource.deleting or resource.spec is None:
        return []
    has_tenant = resource.status.tenant is not None and seen.tenant is not None
    if not has_tenant and seen.now >= resource.created + DELETED_AFTER:
        return [act.DeleteResource(resource.key, resource.meta.uid)]
    patch = _status(seen)
    actions = _record(seen)
    if seen.lacks_tenant and seen.client_id is None:
        return [*actions, act.RegisterClient(seen.tenant_name)]
    if seen.lacks_tenant and not seen.prepared:
        return [*actions, act.EnsureObject(TENANTS, _tenant(seen), exists=False)]
    return [*actions, act.PatchStatus(patch)] if patch else actions


def _record(seen: AccessObserved) -> list[act.Action]:
    """Record a new decision; the status patch of the same pass says that it is recorded."""
    status = seen.resource.status
    started = seen.approved and (not seen.lacks_tenant or status.client_id is not None)
    pending = seen.resource.spec.decision == "Pending"
    if pending or started or seen.resource.condition("Decided") == "True":
        return []
    if seen.approved:
        return [act.RecordDecision(EventType.ACCESS_APPROVED, seen.tenant_name)]
    return [act.RecordDecision(EventType.ACCESS_DENIED, None)]


def _tenant(seen: AccessObserved) -> Object:
    metadata = {"name": seen.tenant_name, "labels": {LABEL_UID: seen.resource.meta.uid}}
    spec = {"clients": [seen.client_id]}
    return {"apiVersion": API_VERSION, "kind": "Tenant", "metadata": metadata, "spec": spec}


def _status(seen: AccessObserved) -> Object:
    """Return the merge patch of status, empty when nothing changes."""
    current, generation = seen.resource.status, seen.resource.meta.generation
    parts = {"Decided": _decided(seen), "TenantReady": _tenant_ready(seen)}
    findings = {**parts, "Ready": ready(parts)}
    created = seen.owns_tenant and seen.approved
    desired = AccessRequestStatus(
        observed_generation=generation,
        tenant=seen.tenant_name if created else current.tenant,
        client_id=current.client_id or (seen.client_id if created else None),
        conditions=conditions(current.conditions, findings, generation, seen.now),
    )
    return status_patch(current, desired)


def _decided(seen: AccessObserved) -> Finding:
    match seen.resource.spec.decision:
        case "Approved":
            return Finding("True", Reason.APPROVED)
        case "Denied":
            return Finding("True", Reason.DENIED)
        case _:
            message = "Set spec.decision to Approved or Denied."
            return Finding("False", Reason.AWAITING_DECISION, message)


def _tenant_ready(seen: AccessObserved) -> Finding:
    decision = seen.resource.spec.decision
    if decision == "Denied":
        return Finding("False", Reason.DENIED)
    if decision == "Pending":
        return Finding("Unknown", Reason.AWAITING_DECISION)
    if seen.tenant is None and seen.resource.status.tenant is not None:
        message = "The Tenant was deleted. Create another AccessRequest for a new one."
        return Finding("False", Reason.TENANT_GONE, message)
    if seen.tenant is None:
        message = _instructions(seen) if seen.prepared else "The Tenant is being created."
        return Finding("False", Reason.AWAITING_TENANT, message)
    if not seen.owns_tenant:
        message = f"Tenant {seen.tenant_name} was created for another request."
        return Finding("False", Reason.INTERNAL, message)
    if not seen.tenant.ready:
        message = "The Tenant is not Ready; see its conditions."
        return Finding("False", Reason.AWAITING_TENANT, message)
    return Finding("True", Reason.READY)


def _instructions(seen: AccessObserved) -> str:
    """Return what the administrator creates where this operator creates no Tenants."""
    label = f"{LABEL_UID}={seen.resource.meta.uid}"
    return (
        f"This operator creates no Tenants: create Tenant {seen.tenant_name} with the label "
        f"{label} and {seen.client_id or 'its client'} in spec.clients, and its namespace."
    )
