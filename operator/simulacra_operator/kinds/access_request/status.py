"""The status of an AccessRequest from facts."""

from __future__ import annotations

from simulacra_crds.contract.reasons import Reason
from simulacra_crds.kinds.access_request import AccessRequestStatus
from simulacra_crds.kinds.base import LABEL_UID
from simulacra_crds.kube.client import Object
from simulacra_operator.kinds.access_request.observe import AccessObserved
from simulacra_operator.work.conditions import Finding, conditions, ready, status_patch


def is_own(seen: AccessObserved) -> bool:
    """Whether the Tenant is there and was made for this very request."""
    return (
        seen.tenant is not None and seen.tenant.meta.labels.get(LABEL_UID) == seen.subject.meta.uid
    )


def access_status(seen: AccessObserved) -> Object:
    """Return the merge patch that brings status to the facts; empty when it is there."""
    subject, current = seen.subject, seen.subject.status
    parts = {"Decided": _decided(seen), "TenantReady": _tenant(seen)}
    findings = {**parts, "Ready": ready(parts)}
    made = is_own(seen) and subject.spec.decision == "Approved"
    desired = AccessRequestStatus(
        observed_generation=subject.meta.generation,
        tenant=seen.tenant_name if made else current.tenant,
        client_id=current.client_id or (seen.client_id if made else None),
        conditions=conditions(current.conditions, findings, subject.meta.generation, seen.now),
    )
    return status_patch(current, desired)


def _decided(seen: AccessObserved) -> Finding:
    match seen.subject.spec.decision:
        case "Approved":
            return Finding("True", Reason.APPROVED)
        case "Denied":
            return Finding("True", Reason.DENIED)
        case _:
            return Finding(
                "False", Reason.AWAITING_DECISION, "set spec.decision to Approved or Denied"
            )


def _tenant(seen: AccessObserved) -> Finding:
    if seen.subject.spec.decision == "Denied":
        return Finding("False", Reason.DENIED)
    if seen.subject.spec.decision == "Pending":
        return Finding("Unknown", Reason.AWAITING_DECISION)
    if seen.tenant is None:
        if seen.subject.status.tenant is not None:
            return Finding(
                "False",
                Reason.TENANT_GONE,
                "the Tenant was deleted; a new AccessRequest makes a new one",
            )
        return Finding(
            "False",
            Reason.AWAITING_TENANT,
            _wanted(seen) if seen.prepared else "the Tenant is being made",
        )
    if not is_own(seen):
        return Finding(
            "False",
            Reason.INTERNAL,
            f"a Tenant {seen.tenant_name} is there that another request made",
        )
    if not seen.tenant.ready:
        return Finding(
            "False", Reason.AWAITING_TENANT, "the Tenant is not Ready; see its conditions"
        )
    return Finding("True", Reason.READY)


def _wanted(seen: AccessObserved) -> str:
    """What the administrator is to make, where this operator makes no Tenants."""
    label = f"{LABEL_UID}={seen.subject.meta.uid}"
    return (
        f"this operator makes no Tenants; create Tenant {seen.tenant_name} with the label {label} and "
        f"{seen.client_id or 'its client'} in spec.clients, and its namespace"
    )
