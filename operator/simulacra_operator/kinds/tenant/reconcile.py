"""What to do about a tenant: a namespace, its guard rails and a working key; at the end, nothing left of it."""

from __future__ import annotations

from simulacra_crds.kinds.base import FINALIZER
from simulacra_crds.kinds.tenant import Encryption
from simulacra_crds.kube.client import NAMESPACES, ApiResource, Object
from simulacra_operator.kinds.tenant import manifests
from simulacra_operator.kinds.tenant.observed import (
    CHECK_INTERVAL,
    CUSTOMER_CHECK_INTERVAL,
    RECHECK_INTERVAL,
    TenantObserved,
)
from simulacra_operator.kinds.tenant.status import deletion_status, owns_namespace, tenant_status
from simulacra_operator.runtime.actions import (
    Action,
    CheckTenantKey,
    CreateTenantKey,
    DeleteObject,
    DeleteResource,
    DestroyTenantKey,
    Ensure,
    PatchMeta,
    PatchStatus,
    RecordTenantErased,
    Release,
)


def reconcile(seen: TenantObserved) -> list[Action]:
    """Return what is to be done about a tenant now; nothing when all is as it should be."""
    if seen.subject.deleting:
        return _erase(seen)
    if not seen.subject.guarded:
        guarded = [
            *seen.subject.meta.finalizers,
            FINALIZER,
        ]  # else kopf is about to, and that event calls again
        return [PatchMeta({"finalizers": guarded})] if seen.prepared else []
    rails = _guard_rails(seen)
    patch = tenant_status(seen, complete=not rails)
    status: list[Action] = [PatchStatus(patch)] if patch else []
    return [*status, *rails, *_key(seen)]


def _guard_rails(seen: TenantObserved) -> list[Action]:
    wanted = manifests.namespace(seen.subject)
    if seen.namespace is None:
        return (
            [] if seen.prepared or not seen.nameable else [Ensure(NAMESPACES, wanted, exists=False)]
        )
    if not owns_namespace(seen) or seen.namespace["metadata"].get("deletionTimestamp"):
        return []
    missing: list[Action] = []
    if not seen.prepared and (patch := manifests.change(wanted, seen.namespace)) is not None:
        missing.append(Ensure(NAMESPACES, patch, exists=True))
    there = {(one["kind"], one["metadata"]["name"]): one for one in seen.objects}
    for resource, manifest in manifests.guard_rails(seen.subject, seen.access, seen.environment):
        known = there.get((resource.kind, manifest["metadata"]["name"]))
        if (patch := manifests.change(manifest, known)) is not None:
            made = patch if known is not None else manifests.made_for(seen.subject, manifest)
            missing.append(Ensure(resource, made, exists=known is not None))
    return missing


def _key(seen: TenantObserved) -> list[Action]:
    """A key is made once. One that is lost later is reported, never made again: that would hide the loss."""
    encryption = seen.subject.spec.encryption if seen.subject.spec is not None else Encryption()
    if seen.check is None:
        made = seen.subject.condition("KeyReady") != "Unknown"
        check = CheckTenantKey(encryption)
        return [check] if made else [CreateTenantKey(encryption.provider), check]
    passed = CHECK_INTERVAL if encryption.key_arn is None else CUSTOMER_CHECK_INTERVAL
    interval = passed if seen.check.failed_step is None else RECHECK_INTERVAL
    due = seen.now >= seen.check.at + interval or seen.check.encryption != encryption
    return [CheckTenantKey(encryption)] if due else []


def _left(seen: TenantObserved) -> tuple[tuple[ApiResource, Object], ...]:
    """Return what must be gone before the end is recorded: the namespace, or what was made in one that stays."""
    if seen.prepared:
        return seen.left
    return (
        ((NAMESPACES, seen.namespace),)
        if seen.namespace is not None and owns_namespace(seen)
        else ()
    )


def _delete(resource: ApiResource, found: Object) -> Action:
    meta = found["metadata"]
    return DeleteObject(resource, meta.get("namespace"), meta["name"], meta["uid"])


def _erase(seen: TenantObserved) -> list[Action]:
    """First every resource with its own erasure, then the key, then the namespace; the record comes last.

    A prepared namespace is not ours to delete: what was made in it goes, and nothing else.
    """
    if not seen.subject.guarded:
        return []
    patch = deletion_status(seen)
    status: list[Action] = [PatchStatus(patch)] if patch else []
    if seen.dependants:
        return [
            *status,
            *(DeleteResource(one.key, one.meta.uid) for one in seen.dependants if not one.deleting),
        ]
    actions: list[Action] = [*status, DestroyTenantKey()]
    if left := _left(seen):
        going = [
            _delete(resource, one)
            for resource, one in left
            if not one["metadata"].get("deletionTimestamp")
        ]
        if not going and seen.subject.status.erasure is not None:
            return status  # its end is awaited: new resources may still come in until a namespace is closed
        return [*actions, *going]
    if not seen.prepared:
        return [*actions, RecordTenantErased(), Release()]
    others = [one for one in seen.subject.meta.finalizers if one != FINALIZER]
    return [*actions, RecordTenantErased(), PatchMeta({"finalizers": others})]
