"""One function a verb on resource paths."""

from typing import Any

from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from simulacra_controlplane import errors
from simulacra_controlplane.objects import Object
from simulacra_controlplane.schema.schemas import schema_of
from simulacra_controlplane.state import ControlPlane, WriteOptions, present
from simulacra_controlplane.verbs import (
    deletion,
    logs,
    patch,
    reads,
    requests,
    strategic,
    table,
    watch,
    writes,
)
from simulacra_controlplane.verbs.requests import Target
from simulacra_controlplane.verbs.selectors import parse

_MERGE = "application/merge-patch+json"
_JSON_PATCH = "application/json-patch+json"
_STRATEGIC = "application/strategic-merge-patch+json"


def answer(body: Any, code: int = 200, options: WriteOptions | None = None) -> Response:
    """A JSON response, with the warnings that a write gathered."""
    response = Response(to_json(body), code, media_type="application/json")
    for warning in options.warnings if options else []:
        text = warning.replace("\\", "\\\\").replace('"', '\\"')
        response.headers.append("Warning", f'299 - "{text}"')
    return response


async def handle(plane: ControlPlane, request: Request) -> Response:
    """Any request on a resource path."""
    target = requests.resolve(request.scope["path"], plane.registry)
    match request.method:
        case "GET":
            return _read(plane, target, request)
        case "POST" if not target.name:
            return await _create(plane, target, request)
        case "PUT" if target.name and target.subresource != "log":
            return await _replace(plane, target, request)
        case "PATCH" if target.name and target.subresource != "log":
            return await _patch(plane, target, request)
        case "DELETE" if not target.subresource:
            return await _delete(plane, target, request)
    raise errors.method_not_allowed()


def _read(plane: ControlPlane, target: Target, request: Request) -> Response:
    query, accept = dict(request.query_params), request.headers.get("accept", "*/*")
    if target.subresource == "log":
        pod = plane.get(target.resource, target.namespace, target.name)
        return StreamingResponse(logs.read(plane, pod, query), media_type="text/plain")
    if requests.flag(query, "watch") and not target.subresource:
        return StreamingResponse(
            watch.start(plane, target, query, accept), media_type="application/json"
        )
    if target.name:
        return answer(reads.one(plane, target, query, accept))
    return answer(reads.many(plane, target, query, accept))


async def _create(plane: ControlPlane, target: Target, request: Request) -> Response:
    if target.all_namespaces:
        raise errors.method_not_allowed()
    options = requests.write_options(request)
    raw = await requests.read_body(request)
    as_yaml = requests.media_type(request) == requests.YAML
    body = requests.decode(raw, as_yaml, options.validation == "Strict")
    created = writes.create(plane, target.resource, target.namespace, body, options)
    return _written(target, created, request, 201, options)


def _written(
    target: Target, obj: Object, request: Request, code: int, options: WriteOptions
) -> Response:
    shown = present(target.resource, obj)
    if reads.wants_table(request.headers.get("accept", "*/*")):
        metadata = {"resourceVersion": obj["metadata"].get("resourceVersion", "")}
        include = request.query_params.get("includeObject", "")
        shown = table.render(target.resource, [shown], metadata, include)
    return answer(shown, code, options)


async def _replace(plane: ControlPlane, target: Target, request: Request) -> Response:
    options = requests.write_options(request)
    raw = await requests.read_body(request)
    as_yaml = requests.media_type(request) == requests.YAML
    body = requests.decode(raw, as_yaml, options.validation == "Strict")
    key = plane.key(target.resource, target.namespace, target.name)
    if target.resource.create_on_update and not target.subresource and plane.store.get(key) is None:
        created = writes.create(plane, target.resource, target.namespace, body, options)
        return _written(target, created, request, 201, options)
    old = plane.get(target.resource, target.namespace, target.name)
    stored = writes.replace(plane, target.resource, old, body, target.subresource, options)
    return _written(target, stored, request, 200, options)


async def _patch(plane: ControlPlane, target: Target, request: Request) -> Response:
    options, media = requests.write_options(request), requests.media_type(request)
    options.patching = True
    accepted = [_JSON_PATCH, _MERGE] + ([] if target.resource.custom else [_STRATEGIC])
    if media not in accepted:
        raise errors.unsupported_media(media, accepted)
    raw = await requests.read_body(request)
    body = requests.decode(raw, as_yaml=False)
    old = plane.get(target.resource, target.namespace, target.name)
    new = _patched(target, present(target.resource, old), body, media)
    stored = writes.replace(plane, target.resource, old, new, target.subresource, options)
    return _written(target, stored, request, 200, options)


def _patched(target: Target, old: Object, body: Any, media: str) -> Object:
    if media == _JSON_PATCH:
        return patch.json_patch(old, body)
    if not isinstance(body, dict):
        raise errors.bad_request("error decoding patch: a merge patch is an object")
    if media == _STRATEGIC:
        merged: Object = strategic.merge(old, body, schema_of(target.resource))
    else:
        merged = patch.merge(old, body)
    return merged


async def _delete(plane: ControlPlane, target: Target, request: Request) -> Response:
    query = dict(request.query_params)
    raw = await requests.read_body(request)
    as_yaml = requests.media_type(request) == requests.YAML
    options = deletion.parse_options(requests.decode(raw, as_yaml) if raw.strip() else None, query)
    if target.name:
        obj = plane.get(target.resource, target.namespace, target.name)
        last, gone = deletion.delete(plane, target.resource, obj, options)
        body = deletion.answer(target.resource, last, gone)
        return answer(body if body["kind"] == "Status" else present(target.resource, body))
    if target.all_namespaces or target.resource.storage == "namespaces":
        raise errors.method_not_allowed()
    listed = reads.many(plane, target, query, "application/json")
    selected = parse(target.resource, query)
    namespace = target.namespace if target.resource.namespaced else None
    for obj in plane.store.all(target.resource.storage, namespace):
        if selected(obj):
            deletion.delete(plane, target.resource, obj, options)
    return answer(listed)
