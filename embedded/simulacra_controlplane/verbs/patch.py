"""Merge patch (RFC 7386) and JSON patch (RFC 6902)."""

from typing import Any

import jsonpatch

from simulacra_controlplane.errors import ApiError, bad_request
from simulacra_controlplane.objects import Object

_MOST_OPERATIONS = 10_000


def merge(target: Any, patch: Any) -> Any:
    """RFC 7386: null removes, objects merge, everything else replaces."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge(merged.get(name), value)
    return merged


def json_patch(obj: Object, operations: Any) -> Object:
    """RFC 6902 on a copy.

    Raises:
        ApiError: 422 when an operation does not apply (a failed `test` included), 400 when it is
            not a patch, 413 beyond 10 000 operations.
    """
    if not isinstance(operations, list):
        raise bad_request("error decoding patch: a JSON patch is a list of operations")
    if len(operations) > _MOST_OPERATIONS:
        message = (
            f"The allowed maximum operations in a JSON patch is {_MOST_OPERATIONS}, got"
            f" {len(operations)}"
        )
        raise ApiError(413, "RequestEntityTooLarge", message)
    try:
        patched: Object = jsonpatch.JsonPatch(operations).apply(obj)
    except jsonpatch.InvalidJsonPatch as error:
        raise bad_request(f"error decoding patch: {error}") from error
    except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException) as error:
        # the sentence of a real server, which does not repeat the values
        raise ApiError(
            422, "Invalid", "the server rejected our request due to an error in our request"
        ) from error
    return patched
