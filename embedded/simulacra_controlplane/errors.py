"""Failures as Kubernetes `Status` objects, with the sentences that a real API server uses.

Source: apimachinery `api/errors/errors.go`; clients match on `reason` and `code`, people read
    `message`.
"""

from dataclasses import dataclass
from typing import Any

_REASON_TEXT = {
    "FieldValueDuplicate": "Duplicate value",
    "FieldValueForbidden": "Forbidden",
    "FieldValueInvalid": "Invalid value",
    "FieldValueNotFound": "Not found",
    "FieldValueNotSupported": "Unsupported value",
    "FieldValueRequired": "Required value",
    "FieldValueTooLong": "Too long",
    "FieldValueTooMany": "Too many",
    "FieldValueTypeInvalid": "Invalid value",
}


@dataclass(frozen=True)
class FieldError:
    """One cause of a 422: path of the field, reason, and a sentence with the value."""

    path: str
    reason: str
    detail: str = ""

    @property
    def message(self) -> str:
        """The sentence of `details.causes[].message`."""
        text = _REASON_TEXT[self.reason]
        return f"{text}: {self.detail}" if self.detail else text


def invalid_value(path: str, detail: str) -> FieldError:
    """The cause of a value that breaks a rule; the sentence begins with the value."""
    return FieldError(path, "FieldValueInvalid", detail)


class ApiError(Exception):
    """A request that fails with an HTTP code and a Status body."""

    def __init__(
        self,
        code: int,
        reason: str,
        message: str,
        details: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.code, self.reason, self.message = code, reason, message
        self.details = details or {}
        self.headers = headers or {}

    def body(self) -> dict[str, Any]:
        """The Status object."""
        status: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            "code": self.code,
        }
        if self.details:
            status["details"] = self.details
        return status


def qualified(plural: str, group: str) -> str:
    """`pods` in the core group, `datasets.simulacra.dev` elsewhere."""
    return f"{plural}.{group}" if group else plural


def _details(name: str, group: str, kind: str) -> dict[str, Any]:
    details = {"name": name, "group": group, "kind": kind}
    return {key: value for key, value in details.items() if value}


def bad_request(message: str) -> ApiError:
    """400: the request cannot be understood."""
    return ApiError(400, "BadRequest", message)


def not_found(plural: str, group: str, name: str) -> ApiError:
    """404 for one named object."""
    message = f'{qualified(plural, group)} "{name}" not found'
    return ApiError(404, "NotFound", message, _details(name, group, plural))


def no_such_path() -> ApiError:
    """404 for a path that is not served (a real server answers it in plain text, and so do we)."""
    return ApiError(404, "NotFound", "404 page not found")


def already_exists(plural: str, group: str, name: str) -> ApiError:
    """409 on create."""
    message = f'{qualified(plural, group)} "{name}" already exists'
    return ApiError(409, "AlreadyExists", message, _details(name, group, plural))


def conflict(plural: str, group: str, name: str, why: str | None = None) -> ApiError:
    """409: optimistic concurrency or a failed precondition."""
    changed = "the object has been modified; please apply your changes to the latest version and"
    why = why or f"{changed} try again"
    message = f'Operation cannot be fulfilled on {qualified(plural, group)} "{name}": {why}'
    return ApiError(409, "Conflict", message, _details(name, group, plural))


def forbidden(
    plural: str, group: str, name: str, why: str, causes: list[dict[str, Any]] | None = None
) -> ApiError:
    """403 by an admission rule (there is no authorization beyond the token)."""
    details = _details(name, group, plural)
    if causes:
        details["causes"] = causes
    message = f'{qualified(plural, group)} "{name}" is forbidden: {why}'
    return ApiError(403, "Forbidden", message, details)


def invalid(kind: str, group: str, name: str, errors: list[FieldError]) -> ApiError:
    """422 with one cause a field."""
    texts = [f"{error.path}: {error.message}" for error in errors]
    listed = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    details = _details(name, group, kind)
    details["causes"] = [
        {"reason": e.reason, "message": e.message, "field": e.path} for e in errors
    ]
    message = f'{qualified(kind, group)} "{name}" is invalid: {listed}'
    return ApiError(422, "Invalid", message, details)


def invalid_option(
    kind: str, name: str, detail: str, reason: str = "FieldValueNotSupported"
) -> ApiError:
    """422 for one option of a request, such as `DeleteOptions`."""
    return invalid(kind, "meta.k8s.io", "", [FieldError(name, reason, detail)])


def unknown_fields(kind: str, version: str, paths: list[str], patching: bool) -> ApiError:
    """400 under `fieldValidation=Strict`; 422 where a patch brought the fields in."""
    listed = ", ".join(f'unknown field "{path}"' for path in paths)
    if patching:
        return invalid("", "", "", [invalid_value("patch", f"strict decoding error: {listed}")])
    return bad_request(
        f'{kind} in version "{version}" cannot be handled as a {kind}: strict decoding error:'
        f" {listed}"
    )


def method_not_allowed() -> ApiError:
    """405: the verb is not served on this path."""
    message = "the server does not allow this method on the requested resource"
    return ApiError(405, "MethodNotAllowed", message)


def unsupported_media(got: str, accepted: list[str]) -> ApiError:
    """415: a form that is not read here, such as protobuf, CBOR or some strategic merges."""
    message = (
        f"the body of the request was in an unknown format ({got or 'no content type'}) - "
        f"accepted media types include: {', '.join(accepted)}"
    )
    return ApiError(415, "UnsupportedMediaType", message)


def expired(message: str) -> ApiError:
    """410: the resource version or continue token is older than the kept history; list again."""
    return ApiError(410, "Expired", message)


def not_implemented(what: str) -> ApiError:
    """501: a part of the Kubernetes API that this server does not serve."""
    message = f"{what} is not served by the embedded control plane; use a real cluster for it"
    return ApiError(501, "NotImplemented", message)
