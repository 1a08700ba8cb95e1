"""Names that are computed, never drawn: the same request leads to the same resource, whoever asks and whenever."""

from __future__ import annotations

import hashlib
import os

INSTALLATION_KEYS = "installation-keys"
"""The Secret (in `keys_namespace`) with the keys that sign erasure certificates and checkpoints,
and the ConfigMap (in `system_namespace`) with their public parts."""


def system_namespace() -> str:
    """Return the namespace of the installation's pods, Secrets and ConfigMaps."""
    return os.environ.get("SIMULACRA_NAMESPACE") or "simulacra-system"


def keys_namespace() -> str:
    """Return the namespace of the Secrets that the API must not read."""
    return f"{system_namespace()}-keys"


def tenant_namespace(tenant: str) -> str:
    """Return the namespace that holds a tenant's resources."""
    return f"tenant-{tenant}"


def _digest(*parts: str) -> str:
    joined = "\x1f".join(parts)
    return hashlib.sha256(joined.encode()).hexdigest()[:24]


def dataset_name(tenant: str, idempotency_key: str) -> str:
    """Return the name of the Dataset that an upload with this key creates (and its id in the REST API)."""
    return f"ds-{_digest(tenant, 'datasets', idempotency_key)}"


def model_name(dataset: str) -> str:
    """Return the name of the Model that is fit on a Dataset by default."""
    return f"mdl-{dataset.removeprefix('ds-')}"


def generation_name(tenant: str, dataset: str, idempotency_key: str) -> str:
    """Return the name of the GenerationJob that this key creates for a dataset (and its id in the REST API)."""
    return f"gen-{_digest(tenant, dataset, 'generations', idempotency_key)}"


def effect_name(tenant: str, dataset: str, idempotency_key: str) -> str:
    """Return the name of the EffectEstimate that this key creates for a dataset (and its id in the REST API)."""
    return f"eff-{_digest(tenant, dataset, 'effects', idempotency_key)}"


def job_id(resource_name: str) -> str:
    """Return the REST job id that follows the work of a Dataset (with its Model), a GenerationJob or an estimate."""
    return f"job-{resource_name}"


def resource_of_job(job: str) -> str | None:
    """Return the resource name behind a REST job id, or None when it is none of ours."""
    name = job.removeprefix("job-")
    return name if name != job and name.startswith(("ds-", "gen-", "eff-")) else None


def access_request_name(request_id: str) -> str:
    """Return the name of the AccessRequest behind a REST request id.

    A digest: who may list AccessRequests must not learn the id, which leads to the credentials.
    """
    return f"ar-{_digest('access-requests', request_id)}"


def child_name(resource: str, uid: str, task: str) -> str:
    """Return the name of the Job that does a task for a resource: unique to this incarnation (uid) of the name."""
    return f"{resource[:40]}-{task}-{hashlib.sha256(uid.encode()).hexdigest()[:8]}"
