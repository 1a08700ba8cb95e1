"""The status of a tenant from facts."""

from __future__ import annotations

from simulacra_crds.contract.names import system_namespace
from simulacra_crds.contract.reasons import Reason
from simulacra_crds.kinds.base import LABEL_UID
from simulacra_crds.kinds.tenant import NAME_RULE, TenantStatus
from simulacra_crds.kube.client import Object
from simulacra_operator.kinds.tenant.observed import TenantObserved
from simulacra_operator.work.conditions import Finding, conditions, ready, status_patch
from simulacra_operator.work.pod_access import SECRET_VARIABLE


def owns_namespace(seen: TenantObserved) -> bool:
    """Whether the namespace is there and was made for this very Tenant, or prepared for a tenant of its name."""
    found = seen.namespace
    if seen.prepared:
        return found is not None and not seen.lacks_labels
    return (
        found is not None
        and found["metadata"].get("labels", {}).get(LABEL_UID) == seen.subject.meta.uid
    )


def tenant_status(seen: TenantObserved, complete: bool) -> Object:
    """Return the merge patch that brings status to the facts; `complete` says that the guard rails stand."""
    subject, current = seen.subject, seen.subject.status
    parts = {"KeyReady": _key(seen), "NamespaceReady": _namespace(seen, complete)}
    whole = ready(parts)
    if whole.true and subject.spec is not None and subject.spec.suspend:
        whole = Finding(
            "False", Reason.SUSPENDED, "set spec.suspend to false to let the tenant work again"
        )
    findings = {**parts, "Ready": whole}
    desired = TenantStatus(
        observed_generation=subject.meta.generation,
        namespace=seen.namespace_name if owns_namespace(seen) else current.namespace,
        conditions=conditions(current.conditions, findings, subject.meta.generation, seen.now),
        rotation=current.rotation,
    )
    return status_patch(current, desired)


def deletion_status(seen: TenantObserved) -> Object:
    """Return the merge patch that says how far the deletion is."""
    subject, current = seen.subject, seen.subject.status
    finding = Finding(
        "False", Reason.DRAINING, f"{len(seen.dependants)} resources are still to be erased"
    )
    if seen.fault is not None:
        message = f"the {seen.fault.value} refused; nothing is let go before it is verified absent"
        finding = Finding("False", Reason.ERASURE_BLOCKED, message)
    elif not seen.dependants:
        finding = Finding("False", Reason.ERASING)
    kept = [one for one in current.conditions if one.type != "Ready"]
    moved = conditions(current.conditions, {"Ready": finding}, subject.meta.generation, seen.now)
    desired = current.model_copy(
        update={"observed_generation": subject.meta.generation, "conditions": [*kept, *moved]}
    )
    return status_patch(current, desired)


def _key(seen: TenantObserved) -> Finding:
    check = seen.check
    if check is None:
        if seen.fault is not None:
            message = f"the {seen.fault.value} refused; trying again"
            return Finding("Unknown", Reason.KEY_CHECK_FAILED, message)
        known = next(
            (one for one in seen.subject.status.conditions if one.type == "KeyReady"), None
        )
        if known is not None:
            return Finding(known.status, Reason(known.reason), known.message)
        return Finding("Unknown", Reason.AWAITING_TENANT, "the key was not checked yet")
    if check.failed_step is None:
        return Finding("True", Reason.KEY_AVAILABLE)
    return Finding(
        "False", Reason.KEY_CHECK_FAILED, f"the key check failed at step {check.failed_step}"
    )


def _namespace(seen: TenantObserved, complete: bool) -> Finding:
    if not seen.nameable:
        return Finding("False", Reason.REQUEST_INVALID, NAME_RULE)
    if seen.prepared and seen.lacks_labels:
        labels = " ".join(f"{name}={value}" for name, value in seen.lacks_labels.items())
        message = f"this operator makes no namespaces: create {seen.namespace_name}, or label it, with {labels}"
        return Finding("False", Reason.AWAITING_TENANT, message)
    if seen.namespace is None:
        return Finding("False", Reason.AWAITING_TENANT, "the namespace is being made")
    if not owns_namespace(seen):
        message = f"a namespace {seen.namespace_name} is there that was not made for this Tenant; delete it"
        return Finding("False", Reason.INTERNAL, message)
    if seen.namespace["metadata"].get("deletionTimestamp"):
        return Finding(
            "False",
            Reason.DRAINING,
            "the namespace is being deleted; it is made again once it is gone",
        )
    if seen.lacks_secret:
        message = f"Secret {seen.access.secret}, named by {SECRET_VARIABLE}, is not in {system_namespace()}; create it"
        return Finding("False", Reason.AWAITING_TENANT, message)
    if not complete:
        return Finding(
            "False",
            Reason.AWAITING_TENANT,
            "quota, network policy and service account are being made",
        )
    return Finding("True", Reason.NAMESPACE_CREATED)
