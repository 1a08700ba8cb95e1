"""Average causal effects, E[outcome | do(treatment=value)] - E[outcome | do(treatment=baseline)],
and their routes, with those of probes.

A question is checked against the schema at once and becomes an EffectEstimate. Effects by segment
name levels, so they are read from its encrypted artifact.
"""

from simulacra_api.dependencies import CurrentTenant, problems
from simulacra_api.effects.schemas import EffectBody, EffectRequest
from simulacra_api.generations.probe import probe
from simulacra_api.generations.schemas import ProbeBody, ProbeRequest
from simulacra_api.http.field_types import spec_value
from simulacra_api.results.kind import ResultKind
from simulacra_api.results.routes import result_routes
from simulacra_api.tenancy.repository import TenantRepository
from simulacra_crds.kinds.effect_estimate import EffectEstimate
from simulacra_crds.kube.client import Object
from simulacra_crds.tasks import ESTIMATE
from simulacra_schema.answers import ANSWERED
from simulacra_schema.questions.rows import plain
from simulacra_schema.statements import LISTS
from simulacra_schema.table import TableSchema

COPIED = (
    "outcome_level", "verdict", "precision", "effective_rows", "naive", "method", "adjustment",
    "checks", "warnings", "otherwise",
)  # fmt: skip
"""Fields of the artifact that the answer has under the same name."""
STATED = (*LISTS, "blocks", "instrument", "parallel_trends")
"""Fields that state what came first."""
ADDED_LATER: Object = {
    **{"population": "all", "by": [], "instrument": None, "parallel_trends": {}},
    **{field: [] for field in (*LISTS, "blocks")},
}


def _spec(request: EffectRequest, schema: TableSchema, client: str) -> Object:
    """Return values and outcome as a spec has them, and who states the lists."""
    treatment = schema.find(request.treatment)
    spec = {
        "value": spec_value(request.value, treatment),
        "baseline": spec_value(request.baseline, treatment),
        "outcome": request.outcome_text(),
    }
    if request.parallel_trends:
        spec["parallelTrends"] = {
            name: spec_value(since, schema.find(name))
            for name, since in request.parallel_trends.items()
        }
    return spec | ({"statedBy": client} if any(getattr(request, name) for name in STATED) else {})


async def _figures(repository: TenantRepository, effect: EffectEstimate) -> Object:
    """Return the figures of the artifact; those of estimates made before verdicts have few.

    The trainer left out what the verdict does not claim. What a former one stored stays as it is.
    """
    found = await repository.read_json(effect, ESTIMATE)
    verdict = found.get("verdict")
    kind = None if verdict is None else verdict["kind"]
    figures = {name: found.get(name) for name in COPIED}
    if kind is None or found.get("union") is not None:
        figures |= {"ace": found["estimate"]} | {name: found.get(name) for name in ANSWERED}
    return figures | {"identified": kind == "assumed", "open_columns": found.get("dont_know")}


def _asked(effect: EffectEstimate) -> Object:
    """Return the waves of a question as REST writes them."""
    waves = effect.spec.parallel_trends
    return {"parallel_trends": {name: plain(since) for name, since in waves.items()} or None}


EFFECTS = ResultKind(
    kind=EffectEstimate,
    asks="Estimate a causal effect",
    creates="ACE = E[outcome | do(value)] - E[outcome | do(baseline)]. The schema is checked at "
    "once.",
    gets="The verdict first: what the answer rests on. Then the effect, its interval and its "
    "checks.",
    question=EffectRequest,
    body=EffectBody,
    answer=_figures,
    spec=_spec,
    asked=_asked,
    added_later=ADDED_LATER,
)


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
