"""Admission: a body becomes an object that may be stored, or is refused."""

from typing import Any

from simulacra_controlplane import errors
from simulacra_controlplane.errors import FieldError, invalid_value
from simulacra_controlplane.objects import Object, check_metadata, check_name, clone
from simulacra_controlplane.resources import Resource
from simulacra_controlplane.schema import builtin_rules, cel, defaults, pruning, validation
from simulacra_controlplane.schema.schemas import schema_of
from simulacra_controlplane.state import WriteOptions

_SYSTEM_METADATA = (
    "uid",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "generation",
)
_NOT_CHECKED = invalid_value(
    "<nil>",
    "null: some validation rules were not checked because the object was invalid; "
    "correct the existing errors to complete validation",
)


def check_type(resource: Resource, body: Any) -> Object:
    """Return the body as an object of this resource.

    Raises:
        ApiError: 400 when it is another kind or version, or no object.
    """
    if not isinstance(body, dict) or not isinstance(body.get("metadata", {}), dict | None):
        raise errors.bad_request("the object provided is not a Kubernetes object")
    if not resource.custom:  # a typed decoder takes what is missing from the path
        body = {"apiVersion": resource.api_version, "kind": resource.kind, **body}
    if not body.get("kind") or not body.get("apiVersion"):
        missing = "Kind" if not body.get("kind") else "apiVersion"
        raise errors.bad_request(f"Object '{missing}' is missing in the body")
    if body["apiVersion"] != resource.api_version:
        raise errors.bad_request(
            f"the API version in the data ({body['apiVersion']}) does not match the expected API"
            f" version ({resource.api_version})"
        )
    if resource.custom and body["kind"] != resource.kind:
        problem = invalid_value("kind", f'"{body["kind"]}": must be {resource.kind}')
        name = str((body.get("metadata") or {}).get("name", ""))
        raise errors.invalid(body["kind"], resource.group, name, [problem])
    if body["kind"] != resource.kind:
        raise errors.bad_request(
            f"{body['kind']} in the data does not match the expected kind {resource.kind}"
        )
    # Nobody owns a field here: what a release with server-side apply recorded is dropped.
    metadata = {k: v for k, v in (body.get("metadata") or {}).items() if k != "managedFields"}
    return {**body, "metadata": metadata}


def conform(
    resource: Resource, obj: Object, options: WriteOptions, old: Object | None = None
) -> Object:
    """Return the object without unknown fields and with defaults; it replaces `old` if given.

    Raises:
        ApiError: 400 (422 in a patch) for unknown fields under `fieldValidation=Strict`, 400 for a
            wrong type in a built-in kind.
    """
    schema = schema_of(resource)
    kept, dropped = pruning.prune(obj, schema)
    if dropped and options.validation == "Strict":
        raise errors.unknown_fields(resource.kind, resource.version, dropped, options.patching)
    if dropped and options.validation == "Warn":
        options.warnings += [f'unknown field "{path}"' for path in dropped]
    if not resource.custom:
        wrong = [
            e for e in validation.validate(kept, schema, old) if e.reason == "FieldValueTypeInvalid"
        ]
        if wrong:
            # without the value: it may be a secret's
            raise errors.bad_request(
                f'{resource.kind} in version "{resource.version}" cannot be handled as a'
                f" {resource.kind}: {wrong[0].path} has the wrong type or format"
            )
    filled: Object = pruning.apply_defaults(kept, schema)
    if not resource.custom:
        filled = clone(filled)
        defaults.fill(resource.storage, filled)
    return {k: v for k, v in filled.items() if v is not None}


def check(resource: Resource, obj: Object, old: Object | None) -> None:
    """Refuse an object that may not be stored.

    Raises:
        ApiError: 422 with one cause a field.
    """
    problems = (
        check_name(obj["metadata"]["name"], resource.storage == "namespaces") if old is None else []
    )
    problems += check_metadata(obj)
    schema = resource.schema if resource.custom else schema_of(resource)
    violations = validation.validate(obj, schema, old)
    if resource.custom:
        if old is not None:
            violations = [problem for problem in violations if not _unchanged(problem, obj, old)]
        if not violations:
            violations = list(cel.evaluate(obj, cel.MISSING if old is None else old, schema))
        elif cel.has_rules(schema):
            violations.append(_NOT_CHECKED)
    else:
        violations = [
            e
            for e in violations
            if not (e.reason == "FieldValueRequired" and e.path.startswith("status"))
        ]
        violations += builtin_rules.check(resource.storage, obj, old)
    problems += violations
    if problems:
        raise errors.invalid(resource.kind, resource.group, obj["metadata"]["name"], problems)


def _unchanged(problem: FieldError, obj: Object, old: Object) -> bool:
    """Return whether a violation is old and untouched by this write (ratcheting)."""
    now, before = _at(obj, problem.path), _at(old, problem.path)
    if problem.reason == "FieldValueRequired":
        parent = problem.path.rpartition(".")[0]
        now, before = _at(obj, parent), _at(old, parent)
    return now is not None and now == before


def _at(obj: Any, path: str) -> Any:
    for part in path.replace("[", ".[").split("."):
        if part.startswith("[") and isinstance(obj, list):
            index = int(part[1:-1])
            obj = obj[index] if index < len(obj) else None
        else:
            obj = obj.get(part) if isinstance(obj, dict) else None
    return obj


def keep_system_metadata(new: Object, old: Object) -> None:
    """Copy what only the server writes from the stored object, in place."""
    for name in _SYSTEM_METADATA:
        new["metadata"].pop(name, None)
        if name in old["metadata"]:
            new["metadata"][name] = old["metadata"][name]


def drop_system_metadata(obj: Object) -> None:
    """Remove the server's fields that a client sent on create, in place."""
    for name in (*_SYSTEM_METADATA, "resourceVersion", "selfLink"):
        obj["metadata"].pop(name, None)
