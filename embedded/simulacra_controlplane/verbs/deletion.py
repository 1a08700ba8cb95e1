"""Deletion: preconditions, finalizers, cascade, grace. Source: apiserver `rest/delete.go`."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from simulacra_controlplane import errors
from simulacra_controlplane.objects import Object, clone, now
from simulacra_controlplane.resources import Resource
from simulacra_controlplane.state import ControlPlane
from simulacra_controlplane.store import Key

FOREGROUND = "foregroundDeletion"
ORPHAN = "orphan"
_IMMORTAL = ("default", "kube-system", "kube-public")
_POLICIES = ("Background", "Foreground", "Orphan")


@dataclass(frozen=True)
class DeleteOptions:
    """`metav1.DeleteOptions`."""

    policy: str | None = None
    grace: int | None = None
    uid: str | None = None
    version: str | None = None
    dry_run: bool = False


def parse_options(body: Any, query: dict[str, str]) -> DeleteOptions:
    """Return the options of a request: its body, else its query.

    Raises:
        ApiError: 400 or 422 for values that are not allowed.
    """
    body = body or {}
    if not isinstance(body, dict):
        raise errors.bad_request("the body of a DELETE is a DeleteOptions object")
    policy = body.get("propagationPolicy") or query.get("propagationPolicy")
    orphans = body.get("orphanDependents", query.get("orphanDependents"))
    if policy is None and orphans is not None:
        policy = "Orphan" if orphans in (True, "true") else "Background"
    if policy not in (None, *_POLICIES):
        allowed = ", ".join(f'"{name}"' for name in (*_POLICIES[1:], _POLICIES[0]))
        detail = f'"{policy}": supported values: {allowed}'
        raise errors.invalid_option("DeleteOptions", "propagationPolicy", detail)
    grace = body.get("gracePeriodSeconds", query.get("gracePeriodSeconds"))
    wanted = body.get("preconditions") or {}
    dry_run = (body.get("dryRun") or [query.get("dryRun", "")]) == ["All"]
    return DeleteOptions(
        policy,
        None if grace is None else int(grace),
        wanted.get("uid"),
        wanted.get("resourceVersion"),
        dry_run,
    )


def delete(
    plane: ControlPlane, resource: Resource, obj: Object, options: DeleteOptions
) -> tuple[Object, bool]:
    """Delete an object, or mark it as being deleted when something holds it.

    Returns:
        Its state and whether it is gone.

    Raises:
        ApiError: 409 when a precondition fails, 403 for the namespaces that every cluster has.
    """
    _check_preconditions(resource, obj, options)
    if resource.storage == "namespaces" and obj["metadata"]["name"] in _IMMORTAL:
        raise errors.forbidden(
            "namespaces", "", obj["metadata"]["name"], "this namespace may not be deleted"
        )
    marked = clone(obj)
    metadata = marked["metadata"]
    _choose_finalizers(resource, metadata, options.policy)
    grace = _grace(resource, obj, options)
    held = bool(metadata.get("finalizers")) or (
        resource.storage == "namespaces" and obj["spec"].get("finalizers")
    )
    key = plane.key_of(resource, obj)
    if not held and not grace:
        if options.dry_run:
            return obj, True
        last = plane.store.remove(key)
        return last or obj, True
    if not metadata.get("deletionTimestamp"):
        ends = datetime.now(UTC) + timedelta(seconds=grace)
        metadata["deletionTimestamp"] = ends.strftime("%Y-%m-%dT%H:%M:%SZ") if grace else now()
        metadata["deletionGracePeriodSeconds"] = grace
        if "generation" in metadata:
            metadata["generation"] += 1
        if resource.storage == "namespaces":
            marked["status"] = {**marked.get("status", {}), "phase": "Terminating"}
    elif grace < metadata.get("deletionGracePeriodSeconds", 0):
        metadata["deletionGracePeriodSeconds"] = grace
        metadata["deletionTimestamp"] = now()
    if marked == obj or options.dry_run:
        return marked, False
    return plane.store.put(key, marked), False


def delete_unless_deleted(plane: ControlPlane, key: Key, policy: str) -> None:
    """Delete an object as a controller does: if it is there, and not being deleted yet."""
    resource, obj = plane.registry.by_storage(key.resource), plane.store.get(key)
    if resource and obj and not obj["metadata"].get("deletionTimestamp"):
        delete(plane, resource, obj, DeleteOptions(policy=policy))


def _check_preconditions(resource: Resource, obj: Object, options: DeleteOptions) -> None:
    metadata = obj["metadata"]
    why = None
    if options.uid not in (None, metadata["uid"]):
        why = (
            f"the UID in the precondition ({options.uid}) does not match the UID in record"
            f" ({metadata['uid']}). The object might have been deleted and then recreated"
        )
    elif options.version not in (None, metadata["resourceVersion"]):
        why = (
            f"the ResourceVersion in the precondition ({options.version}) does not match the"
            f" ResourceVersion in record ({metadata['resourceVersion']}). The object might have"
            " been modified"
        )
    if why:
        raise errors.conflict(resource.plural, resource.group, metadata["name"], why)


def _choose_finalizers(resource: Resource, metadata: dict[str, Any], policy: str | None) -> None:
    """Add or remove the finalizers by which the garbage collector knows the cascade, in place."""
    finalizers = list(metadata.get("finalizers") or [])
    undecided = policy is None and not {FOREGROUND, ORPHAN} & set(finalizers)
    if undecided and resource.storage == "jobs.batch":
        policy = "Orphan"  # batch/v1 keeps the pods of a Job by default
    if policy is None:
        return
    finalizers = [name for name in finalizers if name not in (FOREGROUND, ORPHAN)]
    if policy == "Foreground":
        finalizers.append(FOREGROUND)
    elif policy == "Orphan":
        finalizers.append(ORPHAN)
    if finalizers or metadata.get("finalizers"):
        metadata["finalizers"] = finalizers


def _grace(resource: Resource, obj: Object, options: DeleteOptions) -> int:
    """Seconds that a pod on a node gets to end; its node agent then deletes it with grace 0."""
    if resource.storage != "pods" or not obj.get("spec", {}).get("nodeName"):
        return 0
    if obj.get("status", {}).get("phase") in ("Succeeded", "Failed"):
        return 0
    if options.grace is not None:
        return options.grace
    if obj["metadata"].get("deletionTimestamp"):
        return int(obj["metadata"].get("deletionGracePeriodSeconds", 0))
    return int(obj["spec"].get("terminationGracePeriodSeconds", 30))


def answer(resource: Resource, obj: Object, gone: bool) -> Object:
    """Return the body of a DELETE's answer: a Status or the object."""
    if not gone or resource.returns_deleted:
        return obj
    details = {"name": obj["metadata"]["name"], "group": resource.group, "kind": resource.plural,
               "uid": obj["metadata"]["uid"]}  # fmt: skip
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": {name: value for name, value in details.items() if value},
    }
