"""Decisions for a tenant: namespace, guard rails and a working key; at the end, its erasure."""

from datetime import timedelta

from simulacra_crds.kinds.base import FINALIZER
from simulacra_crds.kinds.tenant import Encryption
from simulacra_crds.kube.client import NAMESPACES, ApiResource, Object
from simulacra_operator.kinds.tenant import manifests
from simulacra_operator.kinds.tenant.observe import TenantObserved
from simulacra_operator.kinds.tenant.status import deletion_status, tenant_status
from simulacra_operator.kinds.tenant.support import support_access
from simulacra_operator.kinds.tenant.suspension import suspension
from simulacra_operator.work import actions as act

CHECK_INTERVAL = timedelta(minutes=5)
CUSTOMER_CHECK_INTERVAL = timedelta(minutes=1)
"""Interval for a customer's key, which may be disabled any time; new work fails at once then."""
RECHECK_INTERVAL = timedelta(seconds=15)
"""Interval for a key that failed its check."""


def reconcile(seen: TenantObserved) -> list[act.Action]:
    """Return the actions for a tenant, empty when nothing has to change."""
    support = support_access(seen)
    if seen.resource.deleting:
        return support or _erase(seen)
    if not seen.resource.guarded:
        if not seen.prepared:
            return []  # kopf adds the finalizer, and the event of that starts another pass
        return [act.PatchMeta({"finalizers": [*seen.resource.meta.finalizers, FINALIZER]})]
    rails = _guard_rails(seen)
    patch = tenant_status(seen, complete=not rails)
    status: list[act.Action] = [act.PatchStatus(patch)] if patch else []
    return [*status, *rails, *_key(seen), *support, *suspension(seen)]


def _guard_rails(seen: TenantObserved) -> list[act.Action]:
    wanted = manifests.namespace(seen.resource)
    if seen.namespace is None:
        if seen.prepared or not seen.valid_name:
            return []
        return [act.EnsureObject(NAMESPACES, wanted, exists=False)]
    if not seen.owns_namespace or seen.namespace["metadata"].get("deletionTimestamp"):
        return []
    missing: list[act.Action] = []
    if not seen.prepared and (patch := manifests.change(wanted, seen.namespace)) is not None:
        missing.append(act.EnsureObject(NAMESPACES, patch, exists=True))
    existing = {(one["kind"], one["metadata"]["name"]): one for one in seen.objects}
    for api, manifest in manifests.guard_rails(seen.resource, seen.access, seen.environment):
        known = existing.get((api.kind, manifest["metadata"]["name"]))
        if (patch := manifests.change(manifest, known)) is not None:
            made = patch if known is not None else manifests.made_for(seen.resource, manifest)
            missing.append(act.EnsureObject(api, made, exists=known is not None))
    return missing


def _key(seen: TenantObserved) -> list[act.Action]:
    """Return the creation or check of the key.

    A key is created once. A key that is lost later is reported and never created again, which
    would hide the loss.
    """
    encryption = seen.resource.spec.encryption if seen.resource.spec is not None else Encryption()
    check = act.CheckTenantKey(encryption)
    if seen.check is None:
        if seen.resource.condition("KeyReady") != "Unknown":
            return [check]
        return [act.CreateTenantKey(encryption.provider), check]
    passed = CHECK_INTERVAL if encryption.key_arn is None else CUSTOMER_CHECK_INTERVAL
    interval = passed if seen.check.failed_step is None else RECHECK_INTERVAL
    due = seen.now >= seen.check.at + interval or seen.check.encryption != encryption
    return [check] if due else []


def _erase(seen: TenantObserved) -> list[act.Action]:
    """Return the next steps: all resources with their erasure, the key, the namespace, the record.

    A prepared namespace stays; only what we created in it is deleted.
    """
    if not seen.resource.guarded:
        return []
    patch = deletion_status(seen)
    status: list[act.Action] = [act.PatchStatus(patch)] if patch else []
    if seen.dependants:
        alive = [one for one in seen.dependants if not one.deleting]
        return [*status, *(act.DeleteResource(one.key, one.meta.uid) for one in alive)]
    actions: list[act.Action] = [*status, act.DestroyTenantKey()]
    if left := _left(seen):
        alive_objects = [one for one in left if not one[1]["metadata"].get("deletionTimestamp")]
        if not alive_objects and seen.resource.status.erasure is not None:
            return status  # until the namespace is gone, resources may still be created in it
        return [*actions, *(_delete(api, found) for api, found in alive_objects)]
    if not seen.prepared:
        return [*actions, act.RecordTenantErased(), act.ReleaseFinalizer()]
    others = [one for one in seen.resource.meta.finalizers if one != FINALIZER]
    return [*actions, act.RecordTenantErased(), act.PatchMeta({"finalizers": others})]


def _left(seen: TenantObserved) -> tuple[tuple[ApiResource, Object], ...]:
    """Return the objects that must be gone before the erasure is recorded."""
    if seen.prepared:
        return seen.left
    if seen.namespace is None or not seen.owns_namespace:
        return ()
    return ((NAMESPACES, seen.namespace),)


def _delete(api: ApiResource, found: Object) -> act.Action:
    meta = found["metadata"]
    return act.DeleteObject(api, meta.get("namespace"), meta["name"], meta["uid"])
