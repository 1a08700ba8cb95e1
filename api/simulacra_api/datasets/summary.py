"""The wave summary: sent to its customer with the operator's signature, and checked on its return.

Whoever has the file has shares of answers and no rows. When it was read is on record, and with the
Model for its erasure certificate: what a customer keeps is not erased.
"""

from contextlib import suppress
from typing import Any

from pydantic import ValidationError

from simulacra_api.http.problems import Problem
from simulacra_api.tenancy.repository import TenantRepository
from simulacra_crds.kinds.base import ANNOTATION_SUMMARY_READ, utcnow
from simulacra_crds.kinds.dataset import Dataset
from simulacra_crds.kube.client import MODELS, NotFound
from simulacra_crds.tasks import SUMMARY, SUMMARY_SIGNATURE
from simulacra_custody.audit.certificates import statement_of
from simulacra_custody.audit.installation_keys import verified_summary
from simulacra_custody.audit.summaries import SummaryStatement
from simulacra_custody.errors import ArtifactMissing
from simulacra_schema.faults import FieldError
from simulacra_schema.wave_summary import MAX_SUMMARY_BYTES, SUMMARY_VERSION, WaveSummary, canonical

POINTER = "/earlier"
_OLD = "The model was fit by an earlier release. PUT its knowledge to fit it again."
_LARGE = f"The summary exceeds {MAX_SUMMARY_BYTES >> 20} MiB."
_SHAPE = "This is no wave summary. Send the file as `simulacra summary` wrote it."
_NEWER = "The summary is of version {version}, and this release reads up to {known}. Update it."
_SIGNATURE = "The file was changed, or another installation signed it. Send it unchanged."
_TENANT = "The summary belongs to another tenant. Nothing is joined across customers."
_EMPTY = "The summary has no waves."


async def summary_of(repository: TenantRepository, dataset: Dataset) -> bytes:
    """Return the summary of a dataset's waves, its statement and signature, as JSON.

    Raises:
        Problem: 409 until the model is ready, and when there is no summary, with the reason.
    """
    try:
        summary = WaveSummary.model_validate_json(await repository.read_of_model(dataset, SUMMARY))
        if not summary.waves:
            raise Problem("simio_no_summary", summary.reason or _OLD)
        signed = (await repository.read_of_model(dataset, SUMMARY_SIGNATURE)).decode()
    except ArtifactMissing:
        raise Problem("simio_no_summary", _OLD) from None
    model = await repository.model_of(dataset)
    if model is not None:
        read = {ANNOTATION_SUMMARY_READ: utcnow().replace(microsecond=0).isoformat()}
        patch = {"metadata": {"annotations": read}}
        with suppress(NotFound):
            await repository.cluster.patch(MODELS, model.metadata.name, patch, repository.namespace)
    told = summary.model_dump(mode="json")
    return canonical({"summary": told, "statement": statement_of(signed), "signature": signed})


async def checked_summary(repository: TenantRepository, document: dict[str, Any]) -> WaveSummary:
    """Return the summary of a file that a customer hands back.

    Raises:
        Problem: 422 when it is too large, no summary, of a newer version, changed since it was
            signed, or of another tenant.
    """
    told = document.get("summary")
    version = told.get("version") if isinstance(told, dict) else None
    if isinstance(version, int) and version > SUMMARY_VERSION:
        raise _refused(_NEWER.format(version=version, known=SUMMARY_VERSION))
    try:
        if len(canonical(document)) > MAX_SUMMARY_BYTES:
            raise _refused(_LARGE)
        summary = WaveSummary.model_validate(told)
    except (ValidationError, UnicodeEncodeError):
        raise _refused(_SHAPE) from None
    keys = await repository.services.published_keys()
    try:
        signed = verified_summary(str(document.get("signature")), keys)
        statement = SummaryStatement.model_validate_json(signed)
    except ValueError:
        raise _refused(_SIGNATURE) from None
    if statement.tenant_uid != repository.caller.tenant.metadata.uid:
        raise _refused(_TENANT)
    if statement.sha256 != summary.digest():
        raise _refused(_SIGNATURE)
    if not summary.waves:
        raise _refused(_EMPTY)
    return summary


def _refused(detail: str) -> Problem:
    return Problem(
        "simio_summary_invalid", detail, errors=[FieldError(pointer=POINTER, detail=detail)]
    )
