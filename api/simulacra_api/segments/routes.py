"""Segment estimates: certified shares of answers in segments, and their routes.

A request is checked against the schema at once and becomes a SegmentEstimate. Shares name columns
and levels, so they are read from its encrypted artifact.
"""

from simulacra_api.results.kind import ResultKind
from simulacra_api.results.routes import result_routes
from simulacra_api.segments.schemas import SegmentBody, SegmentRequest
from simulacra_api.tenancy.repository import TenantRepository
from simulacra_crds.kinds.segment_estimate import SegmentEstimate
from simulacra_crds.kube.client import Object
from simulacra_crds.tasks import SEGMENTS
from simulacra_schema.segment_shares import SegmentResult


async def _shares(repository: TenantRepository, found: SegmentEstimate) -> Object:
    result = SegmentResult.model_validate_json(await repository.read(found, SEGMENTS))
    return result.model_dump(mode="json")


KIND = ResultKind(
    kind=SegmentEstimate,
    asks="Certify shares of answers in segments",
    creates="Shares with simultaneous 95 % intervals, their worth, and whether that is better.",
    gets="The shares with their verdicts, and the conditions under which generated rows agree.",
    question=SegmentRequest,
    body=SegmentBody,
    answer=_shares,
    added_later={"targets": None, "prices": None},
)


router = result_routes(KIND)
