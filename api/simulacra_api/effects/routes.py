"""Routes of effect estimates and of probes."""

from __future__ import annotations

from simulacra_api.dependencies import CurrentTenant, problems
from simulacra_api.effects.service import EFFECTS
from simulacra_api.generations.probe import probe
from simulacra_api.generations.schemas import ProbeBody, ProbeRequest
from simulacra_api.results.routes import result_routes

router = result_routes(EFFECTS)


@router.post(
    "/datasets/{dataset_id}/probe",
    operation_id="probeDataset",
    summary="Sample a few rows at once",
    responses=problems(400, 402, 404, 409, 413, 415, 504),
)
async def probe_dataset(
    dataset_id: str, wanted: ProbeRequest, repository: CurrentTenant
) -> ProbeBody:
    """Up to 100 rows in the answer, and whether the conditions can be met; nothing is stored."""
    return await probe(repository, await repository.dataset(dataset_id), wanted)
