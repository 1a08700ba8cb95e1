"""Dataset: wait for the upload or check the source object, then clean it with a `prepare` Job.

A Dataset that is read from an object names a bucket and a key, nothing else. The Tenant, which the
tenant's users cannot write, says which prefixes may be read, at which endpoint and as whom. The pod
reads with that access only. Messages never quote the uri, which may contain customer data.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from simulacra_crds.kinds.dataset import DatasetSpec
from simulacra_crds.kinds.tenant import ObjectSource, TenantSpec
from simulacra_crds.kube.client import Object
from simulacra_crds.reasons import Reason
from simulacra_crds.tasks import SOURCE_VARIABLES, PrepareRequest, SourceRequest, TaskResult
from simulacra_custody.wiring import is_own_bucket
from simulacra_operator.kinds import dataset_source as kept
from simulacra_operator.observed.conditions import Finding
from simulacra_operator.observed.observe import Observed
from simulacra_operator.work.actions import Action, DiscardArtifacts, RecordRead, WriteDescription
from simulacra_operator.work.dependencies import task
from simulacra_operator.work.jobs import Size, Work
from simulacra_operator.work.kind import WorkKind
from simulacra_schema.base import KubeModel

_SIZE = Size(cpu="250m", memory="512Mi", memory_limit="4Gi", deadline_s=1800)
_OPTIONAL_KEY = "AWS_SESSION_TOKEN"


def _uploaded(seen: Observed) -> Finding:
    """Return whether the upload is complete.

    The API creates the key before the first byte and states the digest after the last one.
    """
    if seen.resource.spec.source.sha256 is None or seen.resource.status.wrapped_key is None:
        message = (
            "The upload is not complete; it comes through the API, as with `simulacra upload`. "
            "It is abandoned after one hour of silence."
        )
        return Finding("False", Reason.AWAITING_UPLOAD, message)
    return Finding("True", Reason.UPLOADED)


def _source_allowed(seen: Observed) -> Finding:
    """Return whether the object may be read now."""
    source, quotas = seen.resource.spec.source, seen.tenant_spec.quotas
    if seen.tenant is None or not isinstance(seen.tenant.spec, TenantSpec):
        return Finding("False", Reason.AWAITING_TENANT, "The Tenant is missing or invalid.")
    if is_own_bucket(seen.settings.own_buckets, source.uri):
        message = "spec.source.uri is in this installation's own store. Name another bucket."
        return Finding("False", Reason.SOURCE_NOT_ALLOWED, message)
    if _access(seen) is None:
        message = (
            "spec.source.uri matches no prefix in the Tenant's spec.sources. "
            "Have one added, then create another Dataset."
        )
        return Finding("False", Reason.SOURCE_NOT_ALLOWED, message)
    if (source.bytes or 0) > quotas.max_upload_bytes:
        message = (
            f"spec.source.bytes exceeds the tenant's maxUploadBytes of {quotas.max_upload_bytes}."
        )
        return Finding("False", Reason.SOURCE_TOO_LARGE, message)
    if _free_bytes(seen) <= 0:
        message = f"All {quotas.stored_bytes} stored bytes of the quota are in use. Delete data."
        return Finding("False", Reason.AWAITING_QUOTA, message)
    return Finding("True", Reason.SOURCE_ALLOWED)


def _request(seen: Observed) -> KubeModel:
    spec: DatasetSpec = seen.resource.spec
    return PrepareRequest(
        format=spec.source.format,
        source=_source_request(seen),
        weights=spec.weights,
        description_sha256=spec.description_digest,
        keep_source=spec.keep_source and spec.source.type == "Upload",
        hold=kept.stays(seen),
        given=True if spec.purpose == "Given" else None,
        earlier_sha256=None if spec.earlier is None else spec.earlier.sha256,
    )


def _description(seen: Observed) -> tuple[Action, ...]:
    """Return the write of an inline description; the API has stored any other."""
    described = seen.resource.spec.table_description
    if described is None or described.inline is None:
        return ()
    return (WriteDescription(described.inline.encode()),)


def _source_request(seen: Observed) -> SourceRequest | None:
    """Return what the pod reads and as whom, None for an upload."""
    source, access = seen.resource.spec.source, _access(seen)
    if access is None:
        return None
    return SourceRequest(
        uri=source.uri,
        limit=min(seen.tenant_spec.quotas.max_upload_bytes, _free_bytes(seen)),
        sha256=source.sha256,
        bytes=source.bytes,
        endpoint=access.endpoint,
        region=access.region,
        role_arn=access.role_arn,
        external_id=access.external_id,
    )


def _work(seen: Observed) -> Work:
    return Work(task(seen), _SIZE, _source_variables(seen), kept.job_notes(seen))


def _source_variables(seen: Observed) -> tuple[Object, ...]:
    """Return the pod's variables from the tenant's Secret, whose values only the kubelet reads."""
    access = _access(seen)
    if access is None or access.secret_name is None:
        return ()
    return tuple(_variable(name, access.secret_name, key) for name, key in SOURCE_VARIABLES.items())


def _variable(name: str, secret: str, key: str) -> Object:
    ref: Object = {"name": secret, "key": key}
    if key == _OPTIONAL_KEY:
        ref["optional"] = True
    return {"name": name, "valueFrom": {"secretKeyRef": ref}}


def _access(seen: Observed) -> ObjectSource | None:
    uri = seen.resource.spec.source.uri
    return None if uri is None else seen.tenant_spec.source_of(uri)


def _free_bytes(seen: Observed) -> int:
    return seen.tenant_spec.quotas.stored_bytes - seen.stored_bytes


def _prepared(results: Sequence[TaskResult]) -> tuple[Reason, dict[str, Any]]:
    (result,) = results
    return Reason.PREPARED, {
        "rows": result.rows,
        "columns": result.columns,
        "source": result.source,
        "artefacts": result.artefacts,
    }


def _record_read(results: Sequence[TaskResult]) -> tuple[Action, ...]:
    """Return the audit record of the read; the API records uploads only."""
    return (RecordRead(results[0].source if results else None),)


def _discard(seen: Observed, reason: str) -> tuple[Action, ...]:
    """Return the erasure of the upload of a failed Dataset; without a key there is none."""
    if seen.resource.status.wrapped_key is None or kept.is_correctable(seen, reason):
        return ()
    spec: DatasetSpec | None = seen.resource.spec
    if spec is None:
        return (DiscardArtifacts(None, None),)
    return (DiscardArtifacts(spec.source.sha256, spec.source.bytes),)


def _by_source(seen: Observed) -> WorkKind:
    spec = seen.resource.spec
    return FROM_OBJECT if spec is not None and spec.source.type == "Object" else FROM_UPLOAD


FROM_UPLOAD = WorkKind(
    gate_condition="Uploaded",
    gate_passed=Reason.UPLOADED,
    work_condition="Prepared",
    gate=_uploaded,
    request=_request,
    work=_work,
    done=_prepared,
    discard=_discard,
    inputs=_description,
    again=kept.is_due,
    outdated=kept.is_outdated,
    hold_stage=kept.hold_stage,
    ending=kept.ending,
    makes_key=False,
)
FROM_OBJECT = replace(
    FROM_UPLOAD,
    gate_condition="SourceAllowed",
    gate_passed=Reason.SOURCE_ALLOWED,
    gate=_source_allowed,
    record=_record_read,
    discard=lambda *_: (),
    makes_key=True,
)
KIND = replace(FROM_UPLOAD, variant=_by_source)
