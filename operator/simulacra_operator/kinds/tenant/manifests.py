"""Objects of every tenant: a namespace under restricted Pod Security and its guard rails."""

from collections.abc import Iterable, Mapping
from typing import Any

from simulacra_crds.kinds.base import GROUP, LABEL_TENANT, LABEL_UID
from simulacra_crds.kinds.tenant import POD_SECRET, TenantSpec
from simulacra_crds.kube import client as kube
from simulacra_crds.kube.client import ApiResource, Object
from simulacra_crds.names import tenant_namespace
from simulacra_operator.observed.custom_resource import CustomResource
from simulacra_operator.observed.placement import LABEL_WORKERS
from simulacra_operator.pod_access import PodAccess, canonical
from simulacra_operator.work.jobs import FIRST_PORT, LAST_PORT, MAX_PARALLEL_PODS, SERVICE_ACCOUNT

GIVEN = f"operator.{GROUP}/annotations"
"""Annotation with the names of what we set, to find what was withdrawn since.

Of the pods' ServiceAccount, they are annotations; of the ResourceQuota, limits of compute.
"""
_SPARE_JOBS = 64
"""Jobs in the quota besides the running ones: suspended ones, and finished ones to be deleted."""


def namespace(tenant: CustomResource) -> Object:
    """Return the tenant's namespace."""
    modes = ("enforce", "audit", "warn")
    levels = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in modes}
    labels = {LABEL_TENANT: tenant.meta.name, LABEL_UID: tenant.meta.uid, **levels}
    metadata = {"name": tenant_namespace(tenant.meta.name), "labels": labels}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}


def guard_rails(
    tenant: CustomResource, access: PodAccess, environment: Mapping[str, str] | None
) -> list[tuple[ApiResource, Object]]:
    """Return the objects in the namespace: the pods' identity, quota, network and Secret.

    `environment` is the data of the Secret's copy; None leaves the copy unchanged.
    """
    spec = tenant.spec if isinstance(tenant.spec, TenantSpec) else TenantSpec()
    jobs = spec.quotas.concurrent_jobs
    hard = {
        "count/jobs.batch": canonical(jobs + _SPARE_JOBS),
        "pods": canonical(jobs * MAX_PARALLEL_PODS),
        **dict(access.compute),
    }
    quota = _object(tenant, kube.RESOURCE_QUOTAS, "simulacra", spec={"hard": hard})
    quota["metadata"]["annotations"] = _given(name for name, _ in access.compute)
    account = _object(
        tenant, kube.SERVICE_ACCOUNTS, SERVICE_ACCOUNT, automountServiceAccountToken=False
    )
    account["metadata"]["annotations"] = _identity(access)
    reach = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"], "egress": list(access.egress)}
    rails = [
        (kube.SERVICE_ACCOUNTS, account),
        (kube.RESOURCE_QUOTAS, quota),
        (
            kube.NETWORK_POLICIES,
            _object(tenant, kube.NETWORK_POLICIES, "simulacra-default-deny", spec=reach),
        ),
        (
            kube.NETWORK_POLICIES,
            _object(tenant, kube.NETWORK_POLICIES, "simulacra-workers", spec=_between_workers()),
        ),
    ]
    if environment is not None:
        data = dict(environment)
        rails.append(
            (kube.SECRETS, _object(tenant, kube.SECRETS, POD_SECRET, type="Opaque", data=data))
        )
    return rails


def _identity(access: PodAccess) -> dict[str, str]:
    return {**dict(access.annotations), **_given(name for name, _ in access.annotations)}


def _given(names: Iterable[str]) -> dict[str, str]:
    """Return the annotation with the names of what we set, empty for none."""
    return {GIVEN: text} if (text := ",".join(names)) else {}


def _between_workers() -> Object:
    """Return the policy that lets the workers of fits reach each other on their ports."""
    workers = {"matchExpressions": [{"key": LABEL_WORKERS, "operator": "Exists"}]}
    ports = [{"protocol": "TCP", "port": FIRST_PORT, "endPort": LAST_PORT}]
    return {
        "podSelector": workers,
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [{"from": [{"podSelector": workers}], "ports": ports}],
        "egress": [{"to": [{"podSelector": workers}], "ports": ports}],
    }


def made_for(tenant: CustomResource, manifest: Object) -> Object:
    """Return the manifest of a new object, with the label of this Tenant.

    An object that existed before is repaired but never gets the label.
    """
    labels = {**manifest["metadata"]["labels"], LABEL_UID: tenant.meta.uid}
    return {**manifest, "metadata": {**manifest["metadata"], "labels": labels}}


def is_made_for(tenant: CustomResource, found: Object) -> bool:
    """Return whether this operator created an object for this Tenant."""
    return bool(found["metadata"].get("labels", {}).get(LABEL_UID) == tenant.meta.uid)


def change(desired: Object, actual: Object | None) -> Object | None:
    """Return the merge patch from an object to its manifest, None when it already agrees.

    Fields that the API server adds do not count, with two exceptions: a Secret keeps no other key
    in `data`, and an annotation that we set and withdrew (it may be an identity) is removed.
    """
    data = (actual or {}).get("data") or {}
    extra = dict.fromkeys(data.keys() - desired["data"].keys()) if "data" in desired else {}
    if extra:
        return {**desired, "data": {**extra, **desired["data"]}}
    if withdrawn := _withdrawn(desired, actual):
        metadata = desired["metadata"]
        annotations = {**withdrawn, **metadata["annotations"]}
        changed = {**desired, "metadata": {**metadata, "annotations": annotations}}
        if "hard" in desired.get("spec", {}):
            gone = dict.fromkeys(withdrawn.keys() - {GIVEN})
            changed["spec"] = {"hard": {**gone, **desired["spec"]["hard"]}}
        return changed
    return None if _agrees(desired, actual) else desired


def _withdrawn(desired: Object, actual: Object | None) -> dict[str, None]:
    """Return the annotations and limits that we set and that the manifest does not have."""
    wanted = desired["metadata"].get("annotations")
    if wanted is None or actual is None:
        return {}
    existing = actual["metadata"].get("annotations") or {}
    limits = actual.get("spec", {}).get("hard") or {}
    kept = wanted.keys() | desired.get("spec", {}).get("hard", {}).keys()
    given = {GIVEN, *existing.get(GIVEN, "").split(",")}
    return dict.fromkeys(sorted(given & (existing.keys() | limits.keys()) - kept))


def _agrees(desired: Any, actual: Any) -> bool:
    if isinstance(desired, dict) and isinstance(actual, dict):
        return all(_agrees(value, actual.get(name)) for name, value in desired.items())
    if isinstance(desired, list) and isinstance(actual, list):
        return len(desired) == len(actual) and all(map(_agrees, desired, actual))
    return bool(desired == actual) or (desired in ({}, []) and actual is None)


def _object(tenant: CustomResource, api: ApiResource, name: str, **fields: Any) -> Object:
    labels = {LABEL_TENANT: tenant.meta.name}
    metadata = {"name": name, "namespace": tenant_namespace(tenant.meta.name), "labels": labels}
    return {"apiVersion": api.api_version, "kind": api.kind, "metadata": metadata, **fields}
