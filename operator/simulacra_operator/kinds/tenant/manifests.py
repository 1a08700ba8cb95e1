"""The objects that every tenant has: a namespace under restricted Pod Security and the guard rails in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from simulacra_crds.contract.names import tenant_namespace
from simulacra_crds.kinds.base import GROUP, LABEL_TENANT, LABEL_UID
from simulacra_crds.kinds.tenant import TenantSpec
from simulacra_crds.kube.client import (
    NETWORK_POLICIES,
    RESOURCE_QUOTAS,
    SECRETS,
    SERVICE_ACCOUNTS,
    ApiResource,
    Object,
)
from simulacra_operator.work.custom_resource import Subject
from simulacra_operator.work.jobs import (
    FIRST_PORT,
    LABEL_WORKERS,
    LAST_PORT,
    MAX_PARALLEL_PODS,
    SERVICE_ACCOUNT,
)
from simulacra_operator.work.pod_access import COPY, PodAccess

GIVEN = f"operator.{GROUP}/annotations"
"""Annotation of the pods' ServiceAccount: which others were set by us, so that one that is set no more can be told."""
_SPARE_JOBS = 64
"""Jobs that the quota leaves beside the running ones: suspended ones, and finished ones about to be deleted."""


def namespace(tenant: Subject) -> Object:
    """Return the tenant's namespace."""
    levels = {
        f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "audit", "warn")
    }
    labels = {LABEL_TENANT: tenant.meta.name, LABEL_UID: tenant.meta.uid, **levels}
    metadata = {"name": tenant_namespace(tenant.meta.name), "labels": labels}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}


def guard_rails(
    tenant: Subject, access: PodAccess, environment: Mapping[str, str] | None
) -> list[tuple[ApiResource, Object]]:
    """Return what is kept true inside the namespace: who pods run as, how many there are, what they may reach.

    `environment` is the data of the pods' Secret, to be copied; None leaves the copy as it is.
    """
    spec = tenant.spec if isinstance(tenant.spec, TenantSpec) else TenantSpec()
    jobs = spec.quotas.concurrent_jobs
    hard = {
        "count/jobs.batch": _quantity(jobs + _SPARE_JOBS),
        "pods": _quantity(jobs * MAX_PARALLEL_PODS),
    }
    account = _object(tenant, SERVICE_ACCOUNTS, SERVICE_ACCOUNT)
    account["metadata"]["annotations"] = _identity(access)
    reach = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"], "egress": list(access.egress)}
    rails = [
        (SERVICE_ACCOUNTS, {**account, "automountServiceAccountToken": False}),
        (
            RESOURCE_QUOTAS,
            {**_object(tenant, RESOURCE_QUOTAS, "simulacra"), "spec": {"hard": hard}},
        ),
        (
            NETWORK_POLICIES,
            {**_object(tenant, NETWORK_POLICIES, "simulacra-default-deny"), "spec": reach},
        ),
        (
            NETWORK_POLICIES,
            {**_object(tenant, NETWORK_POLICIES, "simulacra-workers"), "spec": _among_workers()},
        ),
    ]
    if environment is not None:
        rails.append(
            (
                SECRETS,
                {**_object(tenant, SECRETS, COPY), "type": "Opaque", "data": dict(environment)},
            )
        )
    return rails


def _identity(access: PodAccess) -> dict[str, str]:
    given = dict(access.annotations)
    return {**given, GIVEN: ",".join(given)} if given else {}


def _quantity(count: int) -> str:
    """Return a count as the API server writes it back, 8000 as 8k: any other text would differ from it for ever.

    Source: k8s.io/apimachinery/pkg/api/resource, canonical form of a DecimalSI quantity.
    """
    for suffix in ("", "k", "M"):
        if count == 0 or count % 1000:
            return f"{count}{suffix}"
        count //= 1000
    return f"{count}G"


def _among_workers() -> Object:
    """Return the policy by which workers of fits reach each other, on the ports that they use between them."""
    workers = {"matchExpressions": [{"key": LABEL_WORKERS, "operator": "Exists"}]}
    ports = [{"protocol": "TCP", "port": FIRST_PORT, "endPort": LAST_PORT}]
    return {
        "podSelector": workers,
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [{"from": [{"podSelector": workers}], "ports": ports}],
        "egress": [{"to": [{"podSelector": workers}], "ports": ports}],
    }


def made_for(tenant: Subject, manifest: Object) -> Object:
    """Return the manifest of an object that is to be made, marked as this very Tenant's.

    One that was there before, made by somebody else, is kept as the guard rails say but never gets the mark.
    """
    labels = {**manifest["metadata"]["labels"], LABEL_UID: tenant.meta.uid}
    return {**manifest, "metadata": {**manifest["metadata"], "labels": labels}}


def is_made_for(tenant: Subject, found: Object) -> bool:
    """Whether an object was made by this operator, for this very Tenant."""
    return bool(found["metadata"].get("labels", {}).get(LABEL_UID) == tenant.meta.uid)


def change(desired: Object, actual: Object | None) -> Object | None:
    """Return the merge patch that brings an object to its manifest, None when all that it says is so.

    What the API server adds does not matter, save in `data`: of a Secret, no key stays that is not in the manifest. Nor
    does an annotation that was given by us: it may be an identity that the pods are to have no more.
    """
    gone = (actual or {}).get("data") or {}
    gone = dict.fromkeys(gone.keys() - desired["data"].keys()) if "data" in desired else {}
    if gone:
        return {**desired, "data": {**gone, **desired["data"]}}
    if withdrawn := _withdrawn(desired, actual):
        metadata = desired["metadata"]
        return {
            **desired,
            "metadata": {**metadata, "annotations": {**withdrawn, **metadata["annotations"]}},
        }
    return None if _holds(desired, actual) else desired


def _withdrawn(desired: Object, actual: Object | None) -> dict[str, None]:
    """Return the annotations that an object has from us and that its manifest does not give it."""
    wanted, there = (
        one["metadata"].get("annotations") or {} for one in (desired, actual or {"metadata": {}})
    )
    given = {GIVEN, *there.get(GIVEN, "").split(",")}
    return (
        dict.fromkeys(sorted(given & there.keys() - wanted.keys()))
        if "annotations" in desired["metadata"]
        else {}
    )


def _holds(desired: Any, actual: Any) -> bool:
    if isinstance(desired, dict) and isinstance(actual, dict):
        return all(_holds(value, actual.get(name)) for name, value in desired.items())
    if isinstance(desired, list) and isinstance(actual, list):
        return len(desired) == len(actual) and all(map(_holds, desired, actual))
    return bool(desired == actual) or (desired in ({}, []) and actual is None)


def _object(tenant: Subject, resource: ApiResource, name: str) -> Object:
    labels = {LABEL_TENANT: tenant.meta.name}
    metadata = {"name": name, "namespace": tenant_namespace(tenant.meta.name), "labels": labels}
    return {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata}
