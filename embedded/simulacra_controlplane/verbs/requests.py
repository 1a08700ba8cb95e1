"""What a request asks for: its path as resource and name, its query, its body."""

import json
from dataclasses import dataclass
from typing import Any

import yaml
from starlette.requests import Request

from simulacra_controlplane import errors
from simulacra_controlplane.resources import Registry, Resource
from simulacra_controlplane.state import WriteOptions

JSON, YAML = "application/json", "application/yaml"
_OTHER_ENCODINGS = ("application/vnd.kubernetes.protobuf", "application/cbor")
_MOST_BODY = 3 * 1024 * 1024  # bytes, as a real API server


@dataclass(frozen=True)
class Target:
    """The resource, namespace ("" for cluster-wide or all), name and subresource of a path."""

    resource: Resource
    namespace: str
    name: str
    subresource: str
    all_namespaces: bool


def resolve(path: str, registry: Registry) -> Target:
    """The target of a resource path below `/api/v1` or `/apis/{group}/{version}`.

    Raises:
        ApiError: 404 for what is not served.
    """
    parts = [part for part in path.split("/") if part]
    group, version, rest = (
        ("", parts[1], parts[2:]) if parts[0] == "api" else (parts[1], parts[2], parts[3:])
    )
    namespace = ""
    of_namespace = group == "" and len(rest) == 3 and rest[2] in _OF_NAMESPACE
    if rest[0] == "namespaces" and len(rest) > 2 and not of_namespace:
        namespace, rest = rest[1], rest[2:]
    resource = registry.find(group, version, rest[0])
    if resource is None or len(rest) > 3 or (namespace and not resource.namespaced):
        raise errors.no_such_path()
    name = rest[1] if len(rest) > 1 else ""
    subresource = rest[2] if len(rest) > 2 else ""
    if subresource and subresource not in resource.subresources:
        raise _no_subresource(resource, subresource)
    if name and resource.namespaced and not namespace:
        raise errors.no_such_path()
    return Target(resource, namespace, name, subresource, resource.namespaced and not namespace)


_OF_NAMESPACE = ("status", "finalize")
_KNOWN_ELSEWHERE = {
    "pods": (
        *("exec", "attach", "portforward", "proxy"),
        *("eviction", "binding", "ephemeralcontainers", "resize"),
    ),
    "nodes": ("proxy",),
    "namespaces": ("finalize",),
    "serviceaccounts": ("token",),
}


def _no_subresource(resource: Resource, subresource: str) -> errors.ApiError:
    if subresource in _KNOWN_ELSEWHERE.get(resource.storage, ()):
        return errors.not_implemented(f"{resource.plural}/{subresource}")
    return errors.no_such_path()


async def read_body(request: Request) -> bytes:
    """The raw body.

    Raises:
        ApiError: 413 beyond 3 MiB, 415 for protobuf and CBOR.
    """
    media = media_type(request)
    if media in _OTHER_ENCODINGS:
        raise errors.unsupported_media(media, [JSON, YAML])
    body = await request.body()
    if len(body) > _MOST_BODY:
        message = f"Request entity too large: limit is {_MOST_BODY}"
        raise errors.ApiError(413, "RequestEntityTooLarge", message)
    return body


def media_type(request: Request) -> str:
    """The body's content type without parameters."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def decode(raw: bytes, as_yaml: bool, strict: bool = False) -> Any:
    """The value of a body.

    Raises:
        ApiError: 400 when it cannot be read, or names a field twice under `strict`.
    """

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        value = dict(pairs)
        if len(value) != len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            raise errors.bad_request(f'strict decoding error: json: duplicate field "{twice}"')
        return value

    try:
        if as_yaml and raw.lstrip()[:1] not in (b"{", b"["):
            return json.loads(json.dumps(yaml.load(raw, Loader=_Yaml)))  # noqa: S506 - a SafeLoader
        return json.loads(raw, object_pairs_hook=unique if strict else None)
    except (ValueError, TypeError, yaml.YAMLError) as error:
        raise errors.bad_request(f"the body of the request could not be read: {error}") from error


class _Yaml(yaml.SafeLoader):
    """YAML as Kubernetes reads it: times stay text."""


_Yaml.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def flag(query: dict[str, str], name: str) -> bool:
    """A boolean query parameter (`?watch`, `?watch=1`, `?watch=true`)."""
    return query.get(name, "false").lower() in ("", "1", "true", "t")


def integer(query: dict[str, str], name: str) -> int | None:
    """A whole number from the query, or None.

    Raises:
        ApiError: 400.
    """
    text = query.get(name) or None
    if text is None:
        return None
    if not text.isdigit():
        raise errors.bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax')
    return int(text)


def write_options(request: Request) -> WriteOptions:
    """The options of a create, update or patch.

    Raises:
        ApiError: 422 for values that are not allowed.
    """
    query = request.query_params
    dry_run, validation = query.get("dryRun", ""), query.get("fieldValidation") or "Warn"
    if dry_run not in ("", "All"):
        detail = f'"{dry_run}": supported values: "All"'
        raise errors.invalid_option("PatchOptions", "dryRun", detail)
    if validation not in ("Ignore", "Warn", "Strict"):
        detail = f'"{validation}": supported values: "Ignore", "Strict", "Warn"'
        raise errors.invalid_option("PatchOptions", "fieldValidation", detail)
    return WriteOptions(dry_run=dry_run == "All", validation=validation)
