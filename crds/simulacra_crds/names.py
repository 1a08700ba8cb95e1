"""Names of resources and namespaces. They are computed, so that equal requests give equal names."""

import hashlib
import os
import re

from simulacra_crds.registry import BY_KIND, WITH_JOB

INSTALLATION_KEYS = "installation-keys"
"""The Secret (in `keys_namespace`) with the keys that sign erasure certificates and checkpoints,
and the ConfigMap (in `system_namespace`) with their public parts."""
AUDIT_CHECK = "audit-check"
"""The ConfigMap (in `system_namespace`) with progress and verdict of the audit log's check."""
STORE_CLAIM = "store-claim"
"""The ConfigMap (in `system_namespace`) with the id of the installation that claimed its store."""

CANARY = "canary"
"""The ConfigMap (in `system_namespace`) with the last results of the canary."""


def system_namespace() -> str:
    """Return the namespace of the installation's pods and ConfigMaps."""
    return os.environ.get("SIMULACRA_NAMESPACE") or "simulacra-system"


def keys_namespace() -> str:
    """Return the namespace of the Secrets that the API must not read."""
    return f"{system_namespace()}-keys"


def clients_namespace() -> str:
    """Return the namespace of the API's Secrets, where no ServiceAccount has rights."""
    return f"{system_namespace()}-clients"


def tenant_namespace(tenant: str) -> str:
    """Return the namespace of a tenant's resources."""
    return f"tenant-{tenant}"


def dataset_name(tenant: str, idempotency_key: str) -> str:
    """Return the name of the Dataset of an upload, which is its id in the REST API."""
    return f"ds-{_digest(tenant, 'datasets', idempotency_key)}"


def model_name(dataset: str) -> str:
    """Return the name of a Dataset's default Model."""
    return f"mdl-{dataset.removeprefix('ds-')}"


def result_name(kind: str, tenant: str, dataset: str, idempotency_key: str) -> str:
    """Return the name of a result of this kind, which is its id in the REST API."""
    info = BY_KIND[kind]
    return f"{info.prefix}-{_digest(tenant, dataset, info.collection, idempotency_key)}"


def job_id(resource_name: str, kind: str | None = None) -> str:
    """Return the REST id of a resource's job.

    Names made here begin with the prefix of their kind. For other names, which people give with
    kubectl, the id says the kind: `job-gen.wave-2`. No name has a dot.
    """
    prefix = BY_KIND[kind].prefix if kind is not None else ""
    ours = kind is None or resource_name.startswith(f"{prefix}-")
    return f"job-{resource_name}" if ours else f"job-{prefix}.{resource_name}"


def resource_of_job(job: str) -> tuple[str, str] | None:
    """Return kind and name of the resource of a REST job id, None if it is no job id."""
    kinds = {info.prefix: info.kind for info in WITH_JOB}
    if (found := re.fullmatch("job-([a-z]+)([.-])(.+)", job)) is None or found[1] not in kinds:
        return None
    return kinds[found[1]], found[3] if found[2] == "." else job.removeprefix("job-")


def support_id(uid: str) -> str:
    """Return the support id of a resource: in its errors, its log lines and audit records."""
    return hashlib.sha256(uid.encode()).hexdigest()[:12]


def access_request_name(request_id: str) -> str:
    """Return the name of the AccessRequest of a REST request id.

    It is a digest, because a person who may list AccessRequests must not learn the id, which gives
    access to the credentials.
    """
    return f"ar-{_digest('access-requests', request_id)}"


def child_name(resource: str, uid: str, task: str) -> str:
    """Return the name of the Job for a resource's task, different for each uid of one name."""
    return f"{resource[:40]}-{task}-{hashlib.sha256(uid.encode()).hexdigest()[:8]}"


def _digest(*parts: str) -> str:
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:24]
