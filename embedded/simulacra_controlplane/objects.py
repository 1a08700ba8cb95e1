"""Metadata of Kubernetes objects, which are plain JSON dictionaries here."""

import re
import secrets
import uuid
from datetime import UTC, datetime
from typing import Any, TypeAlias

from simulacra_controlplane.errors import FieldError, invalid_value

Object: TypeAlias = dict[str, Any]

_SUFFIX = "bcdfghjklmnpqrstvwxz2456789"  # apimachinery util/rand: no vowels, no look-alikes
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_QUALIFIED = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")
_SUBDOMAIN_TEXT = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.',"
    " and must start and end with an alphanumeric character (e.g. 'example.com', regex used for"
    " validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
_LABEL_TEXT = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must"
    " start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for"
    " validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
_KEY_TEXT = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end"
    " with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for"
    " validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)
_VALUE_TEXT = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.',"
    " and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or"
    " '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)
_ANNOTATIONS_LIMIT = 256 * 1024  # bytes over all keys and values


def now() -> str:
    """The time as Kubernetes writes it: UTC, seconds."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def new_uid() -> str:
    """A fresh object uid."""
    return str(uuid.uuid4())


def meta(obj: Object) -> dict[str, Any]:
    """The object's metadata, created when absent."""
    found: dict[str, Any] = obj.setdefault("metadata", {})
    return found


def generated_name(prefix: str) -> str:
    """`generateName` plus five random characters (prefix cut to 58)."""
    return prefix[:58] + "".join(secrets.choice(_SUFFIX) for _ in range(5))


def clone(obj: Object) -> Object:
    """A deep copy; objects in the store are never changed in place."""
    copied: Object = _copied(obj)
    return copied


def _copied(value: Any) -> Any:
    """JSON has no other containers, and no cycles: a tenth of the time of `copy.deepcopy`."""
    if isinstance(value, dict):
        return {name: _copied(child) for name, child in value.items()}
    return [_copied(child) for child in value] if isinstance(value, list) else value


def same_content(a: Object, b: Object) -> bool:
    """Return whether two states differ at most in resourceVersion."""
    return _content(a) == _content(b)


def _content(obj: Object) -> Object:
    kept = {k: v for k, v in obj.get("metadata", {}).items() if k != "resourceVersion"}
    return {**obj, "metadata": kept}


def check_name(name: str, as_label: bool) -> list[FieldError]:
    """Check an RFC 1123 subdomain of 253 characters, or a label of 63 for namespaces."""
    pattern, text, limit = (
        (_LABEL, _LABEL_TEXT, 63) if as_label else (_SUBDOMAIN, _SUBDOMAIN_TEXT, 253)
    )
    if len(name) > limit:
        detail = f'"{name}": must be no more than {limit} characters'
        return [invalid_value("metadata.name", detail)]
    if not pattern.fullmatch(name):
        return [invalid_value("metadata.name", f'"{name}": {text}')]
    return []


def _qualified_name_problem(key: str) -> str | None:
    prefix, slash, name = key.rpartition("/")
    if slash and not _SUBDOMAIN.fullmatch(prefix):
        return f"prefix part {_SUBDOMAIN_TEXT}"
    if len(name) > 63:
        return "name part must be no more than 63 characters"
    return None if _QUALIFIED.fullmatch(name) else _KEY_TEXT


def check_metadata(obj: Object) -> list[FieldError]:
    """Labels, annotations, finalizers and owner references, as `ValidateObjectMeta` checks them."""
    metadata = obj.get("metadata", {})
    errors: list[FieldError] = []
    for key, value in (metadata.get("labels") or {}).items():
        if problem := _qualified_name_problem(key):
            errors.append(invalid_value("metadata.labels", f'"{key}": {problem}'))
        if len(value) > 63:
            detail = f'"{value}": must be no more than 63 characters'
            errors.append(invalid_value("metadata.labels", detail))
        elif value and not _QUALIFIED.fullmatch(value):
            errors.append(invalid_value("metadata.labels", f'"{value}": {_VALUE_TEXT}'))
    annotations = metadata.get("annotations") or {}
    for key in annotations:
        if problem := _qualified_name_problem(key.lower()):
            errors.append(invalid_value("metadata.annotations", f'"{key}": {problem}'))
    if sum(len(k.encode()) + len(v.encode()) for k, v in annotations.items()) > _ANNOTATIONS_LIMIT:
        detail = f"may not be more than {_ANNOTATIONS_LIMIT} bytes"
        errors.append(FieldError("metadata.annotations", "FieldValueTooLong", detail))
    for index, finalizer in enumerate(metadata.get("finalizers") or []):
        if problem := _qualified_name_problem(finalizer):
            path = f"metadata.finalizers[{index}]"
            errors.append(invalid_value(path, f'"{finalizer}": {problem}'))
    return errors + _check_owners(metadata.get("ownerReferences") or [])


_OWNER_FIELDS = {"apiVersion": "version must not be empty"}
_OWNER_FIELDS |= dict.fromkeys(("kind", "name", "uid"), "must not be empty")


def _check_owners(references: list[dict[str, Any]]) -> list[FieldError]:
    errors: list[FieldError] = []
    for index, reference in enumerate(references):
        path = f"metadata.ownerReferences[{index}]"
        errors += [
            invalid_value(f"{path}.{field}", f'"": {text}')
            for field, text in _OWNER_FIELDS.items()
            if not reference.get(field)
        ]
    controllers = [r for r in references if r.get("controller")]
    if len(controllers) > 1:
        detail = "Only one reference can have Controller set to true"
        errors.append(invalid_value("metadata.ownerReferences", f'"": {detail}'))
    return errors
