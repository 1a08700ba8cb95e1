"""The objects that every tenant has: a namespace under restricted Pod Security and three guard rails in it."""

from __future__ import annotations

from typing import Any

from simulacra_crds.base import LABEL_TENANT, LABEL_UID
from simulacra_crds.cluster import NETWORK_POLICIES, RESOURCE_QUOTAS, SERVICE_ACCOUNTS, ApiResource, Object
from simulacra_crds.names import tenant_namespace
from simulacra_crds.tenant import TenantSpec
from simulacra_operator.subject import Subject
from simulacra_operator.work.jobs import MAX_PARALLEL_PODS, SERVICE_ACCOUNT

_SPARE_JOBS = 64
"""Jobs that the quota leaves beside the running ones: suspended ones, and finished ones about to be deleted."""


def namespace(tenant: Subject) -> Object:
    """Return the tenant's namespace."""
    levels = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "audit", "warn")}
    labels = {LABEL_TENANT: tenant.meta.name, LABEL_UID: tenant.meta.uid, **levels}
    metadata = {"name": tenant_namespace(tenant.meta.name), "labels": labels}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}


def guard_rails(tenant: Subject) -> list[tuple[ApiResource, Object]]:
    """Return what is kept true inside the namespace: who pods run as, how many there are, what they may reach."""
    spec = tenant.spec if isinstance(tenant.spec, TenantSpec) else TenantSpec()
    jobs = spec.quotas.concurrent_jobs
    hard = {"count/jobs.batch": str(jobs + _SPARE_JOBS), "pods": str(jobs * MAX_PARALLEL_PODS)}
    account = _object(tenant, SERVICE_ACCOUNTS, SERVICE_ACCOUNT)
    closed = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    return [
        (
            SERVICE_ACCOUNTS,
            {**account, "automountServiceAccountToken": False},
        ),
        (RESOURCE_QUOTAS, {**_object(tenant, RESOURCE_QUOTAS, "simulacra"), "spec": {"hard": hard}}),
        (NETWORK_POLICIES, {**_object(tenant, NETWORK_POLICIES, "simulacra-default-deny"), "spec": closed}),
    ]


def holds(desired: Any, actual: Any) -> bool:
    """Whether everything that a manifest says is so; what the API server adds does not matter."""
    if isinstance(desired, dict):
        return isinstance(actual, dict) and all(holds(value, actual.get(name)) for name, value in desired.items())
    return bool(desired == actual) or (desired == {} and actual is None)


def _object(tenant: Subject, resource: ApiResource, name: str) -> Object:
    labels = {LABEL_TENANT: tenant.meta.name}
    metadata = {"name": name, "namespace": tenant_namespace(tenant.meta.name), "labels": labels}
    return {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata}
