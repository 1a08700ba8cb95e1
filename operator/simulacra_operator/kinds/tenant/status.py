"""Status of a tenant."""

from simulacra_crds.kinds.tenant import CANARY_CONDITION, NAME_RULE, TenantStatus
from simulacra_crds.kube.client import Object
from simulacra_crds.names import system_namespace
from simulacra_crds.reasons import Reason
from simulacra_operator.kinds.tenant.observe import TenantObserved
from simulacra_operator.observed.conditions import (
    Finding,
    conditions,
    ready,
    status_patch,
    with_ready,
)
from simulacra_operator.pod_access import SECRET_VARIABLE


def tenant_status(seen: TenantObserved, complete: bool) -> Object:
    """Return the merge patch of status; `complete` says that all guard rails exist."""
    current, spec = seen.resource.status, seen.resource.spec
    generation = seen.resource.meta.generation
    parts = {"KeyReady": _key(seen), "NamespaceReady": _namespace(seen, complete)}
    whole = ready(parts)
    if whole.true and spec is not None and spec.suspend:
        message = "Set spec.suspend to false to resume the tenant's work."
        whole = Finding("False", Reason.SUSPENDED, message)
    findings = {**parts, "Ready": whole}
    kept = [one for one in current.conditions if one.type == CANARY_CONDITION]
    desired = TenantStatus(
        observed_generation=generation,
        namespace=seen.namespace_name if seen.owns_namespace else current.namespace,
        conditions=[*conditions(current.conditions, findings, generation, seen.now), *kept],
        rotation=current.rotation,
        suspension=current.suspension,
        support_access=current.support_access,
    )
    return status_patch(current, desired)


def deletion_status(seen: TenantObserved) -> Object:
    """Return the merge patch that shows the progress of the deletion."""
    current, generation = seen.resource.status, seen.resource.meta.generation
    if seen.fault is not None:
        message = f"{seen.fault.failed} The Tenant stays until its bytes are verified absent."
        finding = Finding("False", Reason.ERASURE_BLOCKED, message)
    elif seen.dependants:
        message = f"{len(seen.dependants)} resources remain to be erased."
        finding = Finding("False", Reason.DRAINING, message)
    else:
        finding = Finding("False", Reason.ERASING, _left_in_namespace(seen.namespace))
    update = {
        "observed_generation": generation,
        "conditions": with_ready(current.conditions, finding, generation, seen.now),
    }
    return status_patch(current, current.model_copy(update=update))


def _left_in_namespace(namespace: Object | None) -> str:
    """Return what the API server says of a namespace that does not go: kinds, counts, finalizers.

    Without it a finalizer of another controller keeps a Tenant without a word.
    """
    reported = (namespace or {}).get("status", {}).get("conditions") or []
    messages = [one.get("message", "") for one in reported if one["status"] == "True"]
    told = " ".join(message for message in messages if message)
    return f"The namespace is not gone yet. {told}" if told else ""


def _key(seen: TenantObserved) -> Finding:
    if seen.check is not None:
        step = seen.check.failed_step
        if step is None:
            return Finding("True", Reason.KEY_AVAILABLE)
        return Finding("False", Reason.KEY_CHECK_FAILED, f"The key check failed at step {step}.")
    for one in seen.resource.status.conditions:
        # A key that was checked once stays on record: after that it is never made again.
        if one.type == "KeyReady" and (seen.fault is None or one.status != "Unknown"):
            return Finding(one.status, Reason(one.reason), one.message)
    if seen.fault is not None:
        return Finding("Unknown", Reason.KEY_CHECK_FAILED, f"{seen.fault.failed} Retrying.")
    return Finding("Unknown", Reason.AWAITING_TENANT, "The key has not been checked yet.")


def _namespace(seen: TenantObserved, complete: bool) -> Finding:
    name = seen.namespace_name
    if not seen.valid_name:
        return Finding("False", Reason.REQUEST_INVALID, NAME_RULE)
    if seen.prepared and seen.missing_labels:
        labels = " ".join(f"{label}={value}" for label, value in seen.missing_labels.items())
        message = f"This operator creates no namespaces: create {name}, or label it, with {labels}."
        return Finding("False", Reason.AWAITING_TENANT, message)
    if seen.namespace is None:
        return Finding("False", Reason.AWAITING_TENANT, "The namespace is being created.")
    if not seen.owns_namespace:
        message = f"Namespace {name} was not created for this Tenant. Delete it."
        return Finding("False", Reason.INTERNAL, message)
    if seen.namespace["metadata"].get("deletionTimestamp"):
        message = "The namespace is being deleted; it is created again afterwards."
        return Finding("False", Reason.DRAINING, message)
    if seen.lacks_secret:
        secret = f"Secret {seen.access.secret}, named by {SECRET_VARIABLE},"
        message = f"{secret} is missing in {system_namespace()}. Create it."
        return Finding("False", Reason.AWAITING_TENANT, message)
    if not complete:
        message = "Quota, network policies and service account are being created."
        return Finding("False", Reason.AWAITING_TENANT, message)
    return Finding("True", Reason.NAMESPACE_CREATED)
