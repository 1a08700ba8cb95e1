"""Discovery documents: groups, versions and resources."""

from typing import Any

from simulacra_controlplane import errors
from simulacra_controlplane.objects import Object
from simulacra_controlplane.resources import Registry, Resource

VERSION = {
    "major": "1",
    "minor": "36",
    "gitVersion": "v1.36.0+simulacra",
    "gitCommit": "",
    "gitTreeState": "clean",
    "buildDate": "1970-01-01T00:00:00Z",
    "goVersion": "",
    "compiler": "",
    "platform": "linux/amd64",
}
"""The answer of `/version`: the Kubernetes release whose behavior is followed."""


def _groups(registry: Registry) -> dict[str, list[str]]:
    return {name: versions for name, versions in registry.groups().items() if name}


def core_versions() -> Object:
    """`/api`."""
    return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}


def group_list(registry: Registry) -> Object:
    """`/apis`."""
    groups = [group(registry, name) for name in _groups(registry)]
    bare = [{k: v for k, v in g.items() if k not in ("kind", "apiVersion")} for g in groups]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": bare}


def group(registry: Registry, name: str) -> Object:
    """`/apis/{group}`.

    Raises:
        ApiError: 404.
    """
    versions = [
        {"groupVersion": f"{name}/{v}", "version": v} for v in _groups(registry).get(name, [])
    ]
    if not versions:
        raise errors.no_such_path()
    return {
        "kind": "APIGroup",
        "apiVersion": "v1",
        "name": name,
        "versions": versions,
        "preferredVersion": versions[0],
    }


def _entry(name: str, resource: Resource, verbs: list[str]) -> dict[str, Any]:
    return {
        "name": name,
        "singularName": "" if "/" in name else resource.singular,
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": verbs,
    }


def _entries(resource: Resource) -> list[dict[str, Any]]:
    main = _entry(resource.plural, resource, resource.verbs)
    if resource.short_names:
        main["shortNames"] = list(resource.short_names)
    if resource.categories:
        main["categories"] = list(resource.categories)
    subs = [
        _entry(
            f"{resource.plural}/{sub}",
            resource,
            ["get"] if sub == "log" else ["get", "patch", "update"],
        )
        for sub in resource.subresources
    ]
    return [main, *subs]


def resource_list(registry: Registry, name: str, version: str) -> Object:
    """`/api/v1` and `/apis/{group}/{version}`.

    Raises:
        ApiError: 404.
    """
    found = [
        entry for r in registry if (r.group, r.version) == (name, version) for entry in _entries(r)
    ]
    if not found:
        raise errors.no_such_path()
    group_version = f"{name}/{version}" if name else version
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": group_version,
        "resources": found,
    }
