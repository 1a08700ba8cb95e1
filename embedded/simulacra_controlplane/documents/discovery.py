"""Discovery documents: groups, versions and resources, plain and aggregated."""

from __future__ import annotations

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

_REVIEWS = {
    "authentication.k8s.io": ("selfsubjectreviews", "SelfSubjectReview"),
    "authorization.k8s.io": ("selfsubjectaccessreviews", "SelfSubjectAccessReview"),
}


def wants_aggregated(accept: str) -> bool:
    """Whether a client asks for the aggregated form (v2)."""
    return "g=apidiscovery.k8s.io" in accept and "v=v2;" in accept + ";"


def _groups(registry: Registry) -> dict[str, list[str]]:
    groups = {name: versions for name, versions in registry.groups().items() if name}
    return {**groups, **{name: ["v1"] for name in _REVIEWS}}


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
    if name in _REVIEWS and version == "v1":
        plural, kind = _REVIEWS[name]
        found = [
            {
                "name": plural,
                "singularName": kind.lower(),
                "namespaced": False,
                "kind": kind,
                "verbs": ["create"],
            }
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


def _aggregated_resource(resource: Resource) -> dict[str, Any]:
    kind = {"group": resource.group, "version": resource.version, "kind": resource.kind}
    entry: dict[str, Any] = {
        "resource": resource.plural,
        "responseKind": kind,
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "singularResource": resource.singular,
        "verbs": resource.verbs,
    }
    if resource.short_names:
        entry["shortNames"] = list(resource.short_names)
    if resource.categories:
        entry["categories"] = list(resource.categories)
    if resource.subresources:
        entry["subresources"] = [
            {
                "subresource": sub,
                "responseKind": kind,
                "verbs": ["get"] if sub == "log" else ["get", "patch", "update"],
            }
            for sub in resource.subresources
        ]
    return entry


def aggregated(registry: Registry, core: bool) -> Object:
    """`/api` (core group) or `/apis` (all others) as APIGroupDiscoveryList v2."""
    items = []
    for name, versions in registry.groups().items():
        if (name == "") is core:
            shown = [
                {
                    "version": version,
                    "freshness": "Current",
                    "resources": [
                        _aggregated_resource(r)
                        for r in registry
                        if (r.group, r.version) == (name, version)
                    ],
                }
                for version in versions
            ]
            items.append({"metadata": {"name": name} if name else {}, "versions": shown})
    for name, (plural, kind) in () if core else _REVIEWS.items():
        review = {
            "resource": plural,
            "responseKind": {"group": name, "version": "v1", "kind": kind},
            "scope": "Cluster",
            "singularResource": kind.lower(),
            "verbs": ["create"],
        }
        versions_shown = [{"version": "v1", "freshness": "Current", "resources": [review]}]
        items.append({"metadata": {"name": name}, "versions": versions_shown})
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": "apidiscovery.k8s.io/v2",
        "metadata": {},
        "items": items,
    }
