"""Get and list: selection, pagination at a fixed revision, and the form that the client accepts."""

import base64
import binascii
import json
import re
from collections.abc import Iterator
from itertools import islice
from typing import Any

from simulacra_controlplane import errors
from simulacra_controlplane.errors import ApiError
from simulacra_controlplane.objects import Object
from simulacra_controlplane.resources import Resource
from simulacra_controlplane.state import ControlPlane, present
from simulacra_controlplane.verbs import selectors, table
from simulacra_controlplane.verbs.requests import Target, integer
from simulacra_controlplane.verbs.selectors import Selector

_JSON_LIKE = ("application/json", "application/*", "*/*")


def wants_table(accept: str) -> bool:
    """Whether the client's first acceptable form is a Table.

    Raises:
        ApiError: 406 when it accepts nothing that is spoken here.
    """
    for media in accept.split(",") or ["*/*"]:
        kind, *parameters = (part.strip() for part in media.split(";"))
        if kind in _JSON_LIKE or kind == "":
            wanted = dict(p.partition("=")[::2] for p in parameters)
            if wanted.get("as") == "Table" and wanted.get("g") == "meta.k8s.io":
                return True
            if "as" not in wanted and wanted.get("stream") is None:
                return False
    spoken = "application/json, application/json;as=Table"
    message = f"only the following media types are accepted: {spoken}"
    raise ApiError(406, "NotAcceptable", message)


def one(plane: ControlPlane, target: Target, query: dict[str, str], accept: str) -> Object:
    """GET of one object."""
    found = present(target.resource, plane.get(target.resource, target.namespace, target.name))
    if wants_table(accept):
        metadata = {"resourceVersion": found["metadata"]["resourceVersion"]}
        return table.render(target.resource, [found], metadata, query.get("includeObject", ""))
    return found


def many(plane: ControlPlane, target: Target, query: dict[str, str], accept: str) -> Object:
    """LIST: one page.

    Raises:
        ApiError: 400, 410 (continue token or exact revision too old), 504 (revision of the future).
    """
    as_table = wants_table(accept)
    resource = target.resource
    selected = selectors.parse(resource, query)
    revision, after = _position(plane, query)
    namespace = None if target.all_namespaces else target.namespace
    limit = integer(query, "limit") or 0
    objects = _objects(plane, resource, namespace, revision, after, selected)
    found = list(islice(filter(selected, objects), limit + 1 if limit else None))
    metadata: dict[str, Any] = {"resourceVersion": str(revision)}
    if limit and len(found) > limit:
        found.pop()
        last = _place(found[-1])
        metadata["continue"] = _token(revision, last)
        if not query.get("labelSelector") and not query.get("fieldSelector"):
            metadata["remainingItemCount"] = plane.store.count(resource.storage, namespace, last)
    shown = [present(resource, obj) for obj in found]
    if as_table:
        return table.render(resource, shown, metadata, query.get("includeObject", ""))
    if not resource.custom:  # a typed list does not repeat the type in its items
        shown = [{k: v for k, v in obj.items() if k not in ("apiVersion", "kind")} for obj in shown]
    return {
        "kind": f"{resource.kind}List",
        "apiVersion": resource.api_version,
        "metadata": metadata,
        "items": shown,
    }


def _objects(
    plane: ControlPlane,
    resource: Resource,
    namespace: str | None,
    revision: int,
    after: tuple[str, str],
    selected: Selector,
) -> Iterator[Object]:
    moment = None if revision == plane.store.revision else revision
    try:
        return plane.store.scan(
            resource.storage, namespace, after=after, revision=moment, label=selected.label
        )
    except LookupError as error:
        raise errors.expired("The resourceVersion for the provided list is too old.") from error


def _place(obj: Object) -> tuple[str, str]:
    return obj["metadata"].get("namespace", ""), obj["metadata"]["name"]


def _position(plane: ControlPlane, query: dict[str, str]) -> tuple[int, tuple[str, str]]:
    """The revision to read at and the place to read after."""
    if query.get("continue"):
        return _read_token(query["continue"])
    match, version = query.get("resourceVersionMatch"), integer(query, "resourceVersion")
    if match not in (None, "", "Exact", "NotOlderThan") or (match and version is None):
        name, detail = "resourceVersionMatch", "is forbidden unless resourceVersion is provided"
        raise errors.invalid_option("ListOptions", name, f"{name} {detail}", "FieldValueForbidden")
    if version is not None and version > plane.store.revision:
        raise too_large(version, plane.store.revision)
    return version if match == "Exact" and version else plane.store.revision, ("", "")


def too_large(wanted: int, current: int) -> ApiError:
    """504 for a revision that does not exist yet."""
    message = f"Timeout: Too large resource version: {wanted}, current: {current}"
    causes = [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}]
    details = {"causes": causes, "retryAfterSeconds": 1}
    return ApiError(504, "Timeout", message, details, {"Retry-After": "1"})


def _token(revision: int, place: tuple[str, str]) -> str:
    return base64.urlsafe_b64encode(json.dumps([revision, *place]).encode()).decode().rstrip("=")


def _read_token(text: str) -> tuple[int, tuple[str, str]]:
    try:
        padded = text + "=" * (-len(text) % 4)
        revision, namespace, name = json.loads(base64.urlsafe_b64decode(padded))
    except (ValueError, binascii.Error) as error:
        raise errors.bad_request("invalid continue token: continue key is not valid") from error
    if not isinstance(revision, int) or not re.fullmatch(r"[^/]*", f"{namespace}{name}"):
        raise errors.bad_request("invalid continue token: continue key is not valid")
    return revision, (namespace, name)
