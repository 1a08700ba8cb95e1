"""Segment estimates: certified shares of answers in segments.

A request is checked against the schema at once and becomes a SegmentEstimate. Shares name columns
and levels, so they are read from its encrypted artifact.
"""

from __future__ import annotations

from simulacra_api.http.pagination import ResourceQuery
from simulacra_api.http.problems import invalid_fields
from simulacra_api.jobs.service import listed, results_page, shown
from simulacra_api.segments.schemas import (
    SegmentBody,
    SegmentColumnBody,
    SegmentItem,
    SegmentRequest,
)
from simulacra_api.tenancy.create import (
    check_retention,
    create_from_model,
    find_created,
    usable_model,
)
from simulacra_api.tenancy.idempotency import request_digest
from simulacra_api.tenancy.repository import TenantRepository
from simulacra_crds.kinds.dataset import Dataset
from simulacra_crds.kinds.segment_estimate import SegmentEstimate
from simulacra_crds.kube.client import SEGMENT_ESTIMATES, Object
from simulacra_crds.names import result_name
from simulacra_crds.tasks import SEGMENTS
from simulacra_schema.questions.segments import SegmentColumn
from simulacra_schema.segment_shares import SegmentResult, check_segments


async def request_segments(
    repository: TenantRepository, dataset: Dataset, request: SegmentRequest, key: str
) -> Object:
    """Create the SegmentEstimate of this Idempotency-Key, or return the one it created before.

    Raises:
        Problem: 400 with one entry per wrong field, 409 for a dataset that is not ready or a key
            that was used for another request.
    """
    name = result_name("SegmentEstimate", repository.caller.tenant_name, dataset.metadata.name, key)
    digest = request_digest(dataset, request)
    if existing := await find_created(repository, SEGMENT_ESTIMATES, name, digest):
        return existing
    check_retention(repository, request.retention_seconds)
    schema = await repository.schema_of(dataset)
    model = await usable_model(repository, dataset)
    segment = [part.model_dump(mode="json") for part in request.segment]
    parts = [SegmentColumn.model_validate(part) for part in segment]
    if errors := check_segments(parts, request.questions, schema):
        raise invalid_fields(errors, "the request, checked against the dataset's schema")
    spec = {
        "segment": segment,
        "questions": request.questions,
        "retentionSeconds": request.retention_seconds,
    }
    return await create_from_model(
        repository, SEGMENT_ESTIMATES, name, model, spec, dataset=dataset, digest=digest
    )


async def segment_page(
    repository: TenantRepository, query: ResourceQuery
) -> tuple[list[SegmentItem], str | None]:
    """Return a page of the tenant's segment estimates, newest first, and the next cursor."""
    page, cursor = await results_page(repository, SegmentEstimate, query)
    items = [SegmentItem(segment_id=one.metadata.name, **listed(one)) for one in page]
    return items, cursor


async def segment_body(repository: TenantRepository, found: SegmentEstimate) -> SegmentBody:
    """Return what a customer sees of a segment estimate."""
    common = await shown(repository, found)
    return SegmentBody(
        segment_id=found.metadata.name,
        segment=[SegmentColumnBody.model_validate(p.model_dump()) for p in found.spec.segment],
        questions=found.spec.questions,
        **common,
        **(await _shares(repository, found) if common["status"] == "ready" else {}),
    )


async def _shares(repository: TenantRepository, found: SegmentEstimate) -> Object:
    result = SegmentResult.model_validate_json(await repository.read(found, SEGMENTS))
    return result.model_dump(mode="json")
