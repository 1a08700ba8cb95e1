"""A Dataset that is read from an object: whether its tenant may, how much of it, and as whom.

Who writes a Dataset says a bucket and a key, nothing else. Which prefixes may be read, at which address and as whom is
in the Tenant, which the tenant's people do not write; the pod reads with that access and has no other one for it.
Messages never quote the uri: a key may say as much as a column's name.
"""

from __future__ import annotations

from collections.abc import Sequence

from simulacra_crds.contract.reasons import Reason
from simulacra_crds.contract.tasks import SOURCE_VARIABLES, SourceRequest, TaskResult
from simulacra_crds.kinds.tenant import ObjectSource, TenantSpec
from simulacra_crds.kube.client import Object
from simulacra_custody.wiring import is_own_bucket
from simulacra_operator.runtime.actions import Action, RecordRead
from simulacra_operator.work.conditions import Finding
from simulacra_operator.work.observed import Observed

_OPTIONAL = "AWS_SESSION_TOKEN"


def gate(seen: Observed) -> Finding:
    """Return whether the object may be read now."""
    source = seen.subject.spec.source
    if seen.tenant is None or not isinstance(seen.tenant.spec, TenantSpec):
        return Finding(
            "False", Reason.AWAITING_TENANT, "the tenant is not there; see its conditions"
        )
    if is_own_bucket(seen.settings.own_buckets, source.uri):
        message = "spec.source.uri is in this installation's own store, which no Dataset is read from; name another"
        return Finding("False", Reason.SOURCE_NOT_ALLOWED, message)
    if _allowed(seen) is None:
        message = (
            "spec.source.uri lies under no prefix in the Tenant's spec.sources; "
            "have one added there, then create another Dataset"
        )
        return Finding("False", Reason.SOURCE_NOT_ALLOWED, message)
    quotas = seen.tenant_spec.quotas
    if (source.bytes or 0) > quotas.max_upload_bytes:
        message = f"spec.source.bytes is above the tenant's quota maxUploadBytes of {quotas.max_upload_bytes}"
        return Finding("False", Reason.SOURCE_TOO_LARGE, message)
    if _room(seen) <= 0:
        message = f"the tenant's quota of {quotas.stored_bytes} stored bytes is in use; delete what is not needed"
        return Finding("False", Reason.AWAITING_QUOTA, message)
    return Finding("True", Reason.SOURCE_ALLOWED)


def request(seen: Observed) -> SourceRequest | None:
    """Return what the pod is to read and as whom; None for an upload. It is stored encrypted."""
    source, allowed = seen.subject.spec.source, _allowed(seen)
    if allowed is None:
        return None
    return SourceRequest(
        uri=source.uri,
        limit=min(seen.tenant_spec.quotas.max_upload_bytes, _room(seen)),
        sha256=source.sha256,
        bytes=source.bytes,
        endpoint=allowed.endpoint,
        region=allowed.region,
        role_arn=allowed.role_arn,
        external_id=allowed.external_id,
    )


def variables(seen: Observed) -> tuple[Object, ...]:
    """Return the pod's variables that hold the tenant's Secret; kubelet fills them in, the operator reads no value."""
    allowed = _allowed(seen)
    if allowed is None or allowed.secret_name is None:
        return ()
    return tuple(
        _variable(name, allowed.secret_name, key) for name, key in SOURCE_VARIABLES.items()
    )


def record(results: Sequence[TaskResult]) -> tuple[Action, ...]:
    """Return the audit record of the read: an upload is recorded by the API, and what came this way by nobody else."""
    return (RecordRead(results[0].source if results else None),)


def _variable(name: str, secret: str, key: str) -> Object:
    optional = {"optional": True} if key == _OPTIONAL else {}
    return {"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": key, **optional}}}


def _allowed(seen: Observed) -> ObjectSource | None:
    uri = seen.subject.spec.source.uri
    return None if uri is None else seen.tenant_spec.source_of(uri)


def _room(seen: Observed) -> int:
    return seen.tenant_spec.quotas.stored_bytes - seen.stored_bytes
