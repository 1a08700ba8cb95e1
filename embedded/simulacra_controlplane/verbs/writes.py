"""Create and update: one object at a time, each call atomic, every rule of the API in the order of
a real server.

Source: apiserver `pkg/registry/{rest,generic/registry}`; update and patch end in the same `commit`.
"""

from typing import Any

from simulacra_controlplane import errors
from simulacra_controlplane.errors import ApiError, FieldError
from simulacra_controlplane.objects import Object, generated_name, meta, new_uid, now, same_content
from simulacra_controlplane.resources import Resource
from simulacra_controlplane.schema import admission, crd, defaults
from simulacra_controlplane.state import ControlPlane, WriteOptions

_NAMESPACES = "namespaces"


def create(
    plane: ControlPlane,
    resource: Resource,
    namespace: str,
    body: Any,
    options: WriteOptions,
) -> Object:
    """Store a new object.

    The namespace is from the path, "" for cluster-wide resources.

    Raises:
        ApiError: 400, 403 (terminating namespace), 404 (no such namespace), 409 (exists), 422, 500
            (with a resourceVersion, as a real server).
    """
    obj = admission.check_type(resource, body)
    _place(resource, obj, namespace)
    if obj["metadata"].get("resourceVersion"):
        raise ApiError(
            500, "InternalError", "resourceVersion should not be set on objects to be created"
        )
    admission.drop_system_metadata(obj)
    obj["metadata"].update(creationTimestamp=now(), uid=new_uid())
    if resource.generation:
        obj["metadata"]["generation"] = 1
    if resource.status:
        obj.pop("status", None)
    obj = admission.conform(resource, obj, options)
    if resource.storage == "jobs.batch":
        defaults.select_pods(obj)
    _check_namespace(plane, resource, obj)
    admission.check(resource, obj, None)
    key = plane.key_of(resource, obj)
    if plane.store.get(key) is not None:
        raise errors.already_exists(resource.plural, resource.group, key.name)
    if resource.storage == crd.STORAGE:
        obj = crd.accept(obj, None, plane.registry)
    if options.dry_run:
        return obj
    return plane.store.put(key, obj)


def _invalid(
    resource: Resource, name: str, path: str, detail: str, reason: str = "FieldValueInvalid"
) -> ApiError:
    problem = FieldError(path, reason, detail)
    return errors.invalid(resource.kind, resource.group, name, [problem])


def _place(resource: Resource, obj: Object, namespace: str) -> None:
    """Settle name and namespace, in place."""
    metadata = meta(obj)
    if resource.namespaced:
        if metadata.get("namespace") not in (None, "", namespace):
            raise errors.bad_request(
                "the namespace of the provided object does not match the namespace sent on the"
                " request"
            )
        metadata["namespace"] = namespace
    else:
        metadata.pop("namespace", None)
    if not metadata.get("name"):
        if not metadata.get("generateName"):
            detail = "name or generateName is required"
            raise _invalid(resource, "", "metadata.name", detail, "FieldValueRequired")
        metadata["name"] = generated_name(metadata["generateName"])


def _check_namespace(plane: ControlPlane, resource: Resource, obj: Object) -> None:
    if not resource.namespaced:
        return
    namespaces = plane.registry.find("", "v1", _NAMESPACES)
    assert namespaces is not None
    namespace = obj["metadata"]["namespace"]
    holder = plane.get(namespaces, "", namespace)
    if holder["metadata"].get("deletionTimestamp"):
        why = (
            f"unable to create new content in namespace {namespace} because it is being terminated"
        )
        message = f"namespace {namespace} is being terminated"
        cause = {
            "reason": "NamespaceTerminating",
            "message": message,
            "field": "metadata.namespace",
        }
        name = obj["metadata"]["name"]
        raise errors.forbidden(resource.plural, resource.group, name, why, [cause])


def replace(
    plane: ControlPlane,
    resource: Resource,
    old: Object,
    body: Any,
    subresource: str,
    options: WriteOptions,
) -> Object:
    """PUT: the body is the whole new object."""
    new = admission.check_type(resource, body)
    if resource.custom and not new["metadata"].get("resourceVersion"):
        name, detail = old["metadata"]["name"], "0: must be specified for an update"
        raise _invalid(resource, name, "metadata.resourceVersion", detail)
    return commit(plane, resource, old, new, subresource, options)


def commit(
    plane: ControlPlane,
    resource: Resource,
    old: Object,
    new: Object,
    subresource: str,
    options: WriteOptions,
) -> Object:
    """Store a changed object, or remove it when the change released its last finalizer.

    `old` is the stored state that `new`, in stored form, was made from.

    Raises:
        ApiError: 400, 409 (stale resourceVersion, other uid), 422.
    """
    _check_identity(resource, old, new, options.patching)
    admission.keep_system_metadata(new, old)
    new = _split(resource, old, new, subresource)
    new = admission.conform(resource, new, options, old)
    new["metadata"]["resourceVersion"] = old["metadata"]["resourceVersion"]
    _check_finalizers(resource, old, new)
    admission.check(resource, new, old)
    if resource.storage == crd.STORAGE and not subresource:
        new = crd.accept(new, old, plane.registry)
    if resource.generation and _spec(resource, new) != _spec(resource, old):
        new["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1
    if options.dry_run:
        return new
    if _released(new):
        plane.store.remove(plane.key_of(resource, old))
        return new
    if same_content(old, new):
        return old
    return plane.store.put(plane.key_of(resource, old), new)


def _check_identity(resource: Resource, old: Object, new: Object, patching: bool) -> None:
    metadata, before = meta(new), old["metadata"]
    name = before["name"]
    if metadata.setdefault("name", name) != name:
        raise errors.bad_request(
            f"the name of the object ({metadata['name']}) does not match the name on the URL"
            f" ({name})"
        )
    namespace = before.get("namespace")
    if resource.namespaced and metadata.setdefault("namespace", namespace) != namespace:
        why = "the namespace of the object does not match the namespace on the URL"
        raise errors.bad_request(why)
    if metadata.get("uid") not in (None, "", before["uid"]):
        if patching:
            detail = f'"{metadata["uid"]}": field is immutable'
            raise _invalid(resource, name, "metadata.uid", detail)
        why = (
            f"Precondition failed: UID in precondition: {metadata['uid']}, UID in object meta:"
            f" {before['uid']}"
        )
        raise errors.conflict(resource.plural, resource.group, name, why)
    version = metadata.get("resourceVersion") or ""
    if version and not str(version).isdigit():
        detail = f'"{version}": strconv.ParseUint: parsing "{version}": invalid syntax'
        raise _invalid(resource, name, "metadata.resourceVersion", detail)
    if version not in ("", "0", before["resourceVersion"]):
        raise errors.conflict(resource.plural, resource.group, name)


def _split(resource: Resource, old: Object, new: Object, subresource: str) -> Object:
    """Writes of the status touch nothing else, and writes of the rest do not touch the status."""
    if subresource == "status":
        kept = {name: value for name, value in old.items() if name != "status"}
        return {**kept, **({"status": new["status"]} if "status" in new else {})}
    if resource.status:
        new = {name: value for name, value in new.items() if name != "status"}
        if "status" in old:
            new["status"] = old["status"]
    return new


def _check_finalizers(resource: Resource, old: Object, new: Object) -> None:
    if not old["metadata"].get("deletionTimestamp"):
        return
    before = old["metadata"].get("finalizers") or []
    added = [f for f in new["metadata"].get("finalizers") or [] if f not in before]
    if added:
        listed = ", ".join(f'"{name}"' for name in added)
        detail = (
            "no new finalizers can be added if the object is being deleted, found new finalizers"
            " []string{" + listed + "}"
        )
        name = old["metadata"]["name"]
        raise _invalid(resource, name, "metadata.finalizers", detail, "FieldValueForbidden")


def _spec(resource: Resource, obj: Object) -> Any:
    """Return the specification: `spec`, or all but metadata and status of a custom resource."""
    if not resource.custom:
        return obj.get("spec")
    aside = {"metadata", "apiVersion", "kind"} | ({"status"} if resource.status else set())
    return {name: value for name, value in obj.items() if name not in aside}


def _released(obj: Object) -> bool:
    """Whether nothing holds a deleted object any longer."""
    metadata = obj["metadata"]
    held = metadata.get("finalizers") or (
        obj["kind"] == "Namespace" and obj["spec"].get("finalizers")
    )
    held = held or metadata.get("deletionGracePeriodSeconds")
    return bool(metadata.get("deletionTimestamp")) and not held
