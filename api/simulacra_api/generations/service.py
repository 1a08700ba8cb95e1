"""Generations as a customer sees them: pages, bodies, and the documents beside the rows."""

from dataclasses import dataclass
from typing import Any

from simulacra_api.generations.create import FORMAT, check_limits, spec_of
from simulacra_api.generations.downloads import check_finished, customer_artifacts, make_link
from simulacra_api.generations.schemas import (
    GenerationAccepted,
    GenerationBody,
    GenerationList,
    GenerationRequest,
    GivenBody,
)
from simulacra_api.http.problems import Problem
from simulacra_api.jobs.service import expiry_of, result_job
from simulacra_api.results.kind import ResultKind
from simulacra_api.tenancy.repository import TenantRepository
from simulacra_crds.kinds.base import LABEL_GIVEN
from simulacra_crds.kinds.dataset import Dataset
from simulacra_crds.kinds.generation_job import GenerationJob, GivenRows
from simulacra_crds.kinds.model import Model
from simulacra_crds.kube.client import GENERATION_JOBS, Object
from simulacra_crds.tasks import ATTAINMENT, COMPLETION, EVIDENCE, IDENTIFICATION, REPORT
from simulacra_custody.audit.event import Counts, EventType
from simulacra_custody.errors import ArtifactMissing
from simulacra_schema.completion import CompletionReport
from simulacra_schema.verdict_parts import Verdict
from simulacra_schema.verdicts import verdicts_of_rows
from simulacra_schema.worth import EVIDENCE_WEIGHT, NOT_ASKED, stated_worth


def requested_rows(generation: GenerationJob) -> int:
    """Return the rows requested or expected; of persons that kubectl asked for, those written."""
    return generation.spec.row_count or generation.status.rows or 0


def _asked(generation: GenerationJob) -> dict[str, Any]:
    """Return the request, and how many rows there are."""
    spec = generation.spec
    return {
        "row_count": requested_rows(generation),
        "persons": spec.persons,
        "rows": generation.status.rows,
        "conditions": spec.conditions,
        "interventions": {name: value.value for name, value in spec.interventions.items()},
        "counterfactual": bool(spec.counterfactual),
        "given": None if spec.given is None else _given(spec.given),
    }


def _given(given: GivenRows) -> GivenBody:
    options = given.model_dump(exclude={"dataset_ref"}, exclude_unset=True)
    return GivenBody(**options, dataset_id=given.dataset_ref.name if given.dataset_ref else None)


async def _documents(repository: TenantRepository, generation: GenerationJob) -> dict[str, Any]:
    """Return what is known of finished rows, and where they are."""
    if generation.spec.given is not None:
        return await _completed(repository, generation)
    found: dict[str, Any] = {"attainment": await document_of(repository, generation, ATTAINMENT)}
    if generation.spec.evidence:
        found["evidence"] = await document_of(repository, generation, EVIDENCE)
    if generation.spec.interventions:
        found["identification"] = await identification_of(repository, generation)
    found["verdicts"] = await _verdicts(repository, generation, found.get("evidence"))
    found["artifacts"] = await customer_artifacts(repository, generation)
    return found if found["artifacts"] else found | await _link(repository, generation)


async def _completed(repository: TenantRepository, generation: GenerationJob) -> dict[str, Any]:
    """Return the report of a completion, and where its filled cells are."""
    content = await repository.read(generation, COMPLETION)
    found = {
        "completion": CompletionReport.model_validate_json(content),
        "artifacts": await customer_artifacts(repository, generation),
    }
    return found if found["artifacts"] else found | await _link(repository, generation)


async def _link(repository: TenantRepository, generation: GenerationJob) -> dict[str, Any]:
    keys = await repository.services.signing.current()
    url, expires = make_link(
        keys.link_key,
        repository.url(f"/v1/generations/{generation.metadata.name}/artifact"),
        tenant=repository.caller.tenant_name,
        uid=generation.metadata.uid,
        file_format=generation.metadata.annotations.get(FORMAT, "parquet"),
    )
    return {"artifact_url": url, "artifact_url_expires_at": expires}


async def _verdicts(
    repository: TenantRepository, generation: GenerationJob, evidence: dict[str, Any] | None
) -> list[Verdict]:
    """Return the verdicts on the rows; where the model is gone, those of the rows' report."""
    model = await repository.find(Model, generation.spec.model_ref.name)
    figures = model.status.figures if model is not None else {}
    rows, in_pairs = generation.status.rows or 0, bool(generation.spec.counterfactual)
    said = evidence or {}
    worth = stated_worth(
        generation.status.worth,
        figures.get("kept_ratio"),
        rows // 2 if in_pairs else rows,
        reason=said.get("reason") if generation.spec.evidence else NOT_ASKED,
        column=said.get("column", EVIDENCE_WEIGHT),
        in_pairs=in_pairs,
    )
    is_linked = generation.spec.persons is not None
    of_do = generation.status.verdict
    judged = verdicts_of_rows(figures, worth, linked=is_linked, of_do=of_do)
    if model is not None:
        return judged
    report = await document_of(repository, generation, REPORT) or {}
    if found := report.get("verdicts"):
        return [Verdict.model_validate(one) for one in found]
    return judged


async def identification_of(
    repository: TenantRepository, generation: GenerationJob
) -> dict[str, Any] | None:
    """Return what the effects of do() rest on; rows made before verdicts are never upgraded."""
    found = await document_of(repository, generation, IDENTIFICATION)
    if found is None:
        return None
    verdict = found.get("verdict")
    is_assumed = verdict is not None and verdict["kind"] == "assumed"
    return found | {"verdict": verdict, "identified": is_assumed}


async def document_of(
    repository: TenantRepository, generation: GenerationJob, artifact: str
) -> dict[str, Any] | None:
    """Return a document about the rows, such as the attainment of conditions; None without."""
    try:
        return await repository.read_json(generation, artifact)
    except ArtifactMissing:  # the rows can be downloaded without it
        return None


async def report_of(
    repository: TenantRepository, generation: GenerationJob, artifact: str
) -> bytes:
    """Return the report of a finished generation; 409 before the end, 404 if it has no report."""
    check_finished(generation)
    try:
        return await repository.read(generation, artifact)
    except ArtifactMissing:
        detail = "This generation has no report. Generate again to get one."
        raise Problem("simio_not_found", detail) from None


async def record_read(repository: TenantRepository, uid: str, rows: int | None) -> None:
    """Append an audit record: the caller read this many rows of a generation."""
    await repository.record(
        EventType.ARTEFACT_READ,
        kind=GENERATION_JOBS.plural,
        uid=uid,
        artefact="artifact",
        counts=Counts(rows=rows),
    )


@dataclass(frozen=True)
class _Generations(ResultKind[GenerationJob, GenerationRequest]):
    """Generations: besides what every result has, counts of rows, progress and links."""

    def accepted(self) -> type[GenerationAccepted]:
        return GenerationAccepted

    def page(self) -> type[GenerationList]:
        return GenerationList

    async def check_limits(
        self, repository: TenantRepository, dataset: Dataset, asked: GenerationRequest
    ) -> None:
        await check_limits(repository, dataset, asked)

    def beside(self, request: GenerationRequest, spec: Object) -> dict[str, Any]:
        beside: dict[str, Any] = {"annotations": {FORMAT: request.format}}
        if request.given is not None and request.given.dataset_id is not None:
            beside["labels"] = {LABEL_GIVEN: request.given.dataset_id}
        return beside | {"counts": Counts(rows=spec.get("rowCount", 0))}

    def accepted_fields(self, created: Object) -> Object:
        spec = created["spec"]
        return {"row_count": spec.get("rowCount", 0), "seed": spec.get("seed", 0)}

    def item(self, found: GenerationJob) -> Object:
        return {**super().item(found), **_asked(found), "expires_at": expiry_of(found)}

    def tag(self, body: GenerationBody, text: str) -> str:
        return body.etag()

    async def shown(self, repository: TenantRepository, found: GenerationJob) -> GenerationBody:
        job = await result_job(repository, found)
        body = self.item(found) | {
            "progress_percent": job.progress_percent,
            "eta_seconds": job.eta_seconds,
            "seed": found.spec.seed,
            "error": job.error,
        }
        if body["status"] in ("ready", "partial"):
            body |= await self.answer(repository, found)
        return GenerationBody(**body)


GENERATIONS = _Generations(
    kind=GenerationJob,
    asks="Generate synthetic rows",
    creates="Conditions are checked against the schema at once. Poll the job until ready or "
    "partial.",
    gets="Status, request and attained values; once it is ready, a download link for 15 minutes.",
    question=GenerationRequest,
    body=GenerationBody,
    answer=_documents,
    spec=spec_of,
    lists_questions=True,
    added_later={"counterfactual": False, "evidence": True, "given": None, "persons": None},
)
