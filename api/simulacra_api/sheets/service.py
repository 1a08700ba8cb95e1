"""Answer sheets: the effects of all levers on one outcome.

A request is checked against the schema at once and becomes an AnswerSheet. Answers name columns and
levels, so they are read from its encrypted artifacts.
"""

from __future__ import annotations

from simulacra_api.effects.service import check_outcome, outcome_text
from simulacra_api.http.field_types import spec_value
from simulacra_api.http.pagination import ResourceQuery
from simulacra_api.http.problems import Problem, invalid_fields
from simulacra_api.jobs.service import listed, result_status, results_page, shown
from simulacra_api.sheets.schemas import LeverRequest, SheetBody, SheetItem, SheetRequest
from simulacra_api.tenancy.create import (
    check_retention,
    create_from_model,
    find_created,
    usable_model,
)
from simulacra_api.tenancy.idempotency import request_digest
from simulacra_api.tenancy.repository import TenantRepository
from simulacra_crds.kinds.answer_sheet import AnswerSheet
from simulacra_crds.kinds.dataset import Dataset
from simulacra_crds.kube.client import ANSWER_SHEETS, Object
from simulacra_crds.names import result_name
from simulacra_crds.tasks import SHEET
from simulacra_schema.answers import ANSWERED
from simulacra_schema.questions.sheet import SheetLever
from simulacra_schema.sheets import LISTS, check_sheet
from simulacra_schema.statements import LISTS as WIRE_NAMES
from simulacra_schema.table import TableSchema

COPIED = (
    "treatment", "value", "baseline", "verdict", "precision", "effective_rows", "naive", "method",
    "adjustment", "checks", "warnings",
)  # fmt: skip
"""Fields of a lever's answer that the body has under the same name."""
FIGURES = (
    "text", "critical", "intervals", "left_out", "rows", "missing", "seed", "version",
    "model_sha256",
)  # fmt: skip


async def request_sheet(
    repository: TenantRepository, dataset: Dataset, request: SheetRequest, key: str
) -> Object:
    """Create the AnswerSheet of this Idempotency-Key, or return the one it created before.

    Raises:
        Problem: 400 with one entry per wrong field, 409 for a dataset that is not ready or a key
            that was used for another request.
    """
    name = result_name("AnswerSheet", repository.caller.tenant_name, dataset.metadata.name, key)
    digest = request_digest(dataset, request)
    if existing := await find_created(repository, ANSWER_SHEETS, name, digest):
        return existing
    check_retention(repository, request.retention_seconds)
    schema = await repository.schema_of(dataset)
    model = await usable_model(repository, dataset)
    levers = [_lever(lever, schema) for lever in request.levers]
    lists = {field: getattr(request, field) for field in LISTS}
    errors = check_outcome(request.outcome, request.outcome_level, schema)
    errors += check_sheet(
        request.outcome, [SheetLever.model_validate(lever) for lever in levers], lists, schema
    )
    if errors:
        raise invalid_fields(errors, "the request, checked against the dataset's schema")
    stated = {WIRE_NAMES[field]: names for field, names in lists.items() if names}
    is_stated = stated or any(lever.before or lever.after for lever in request.levers)
    spec = {
        "outcome": outcome_text(request.outcome, request.outcome_level),
        "levers": levers,
        "population": request.population,
        "retentionSeconds": request.retention_seconds,
        **stated,
        **({"statedBy": repository.caller.client_id} if is_stated else {}),
    }
    return await create_from_model(
        repository, ANSWER_SHEETS, name, model, spec, dataset=dataset, digest=digest
    )


def _lever(lever: LeverRequest, schema: TableSchema) -> Object:
    """Return a lever as the spec has it."""
    column = schema.find(lever.column)
    found: Object = {"column": lever.column}
    for field in ("value", "baseline"):
        given = getattr(lever, field)
        if given is not None:
            found[field] = spec_value(given, column)
    return found | {name: getattr(lever, name) for name in ("before", "after")}


async def sheet_page(
    repository: TenantRepository, query: ResourceQuery
) -> tuple[list[SheetItem], str | None]:
    """Return a page of the tenant's answer sheets, newest first, and the next cursor."""
    page, cursor = await results_page(repository, AnswerSheet, query)
    items = [SheetItem(sheet_id=one.metadata.name, **listed(one)) for one in page]
    return items, cursor


async def sheet_body(repository: TenantRepository, found: AnswerSheet) -> SheetBody:
    """Return what a customer sees of an answer sheet."""
    spec, common = found.spec, await shown(repository, found)
    return SheetBody(
        sheet_id=found.metadata.name,
        outcome=spec.outcome,
        asked=[_asked(lever) for lever in spec.levers],
        before=spec.before,
        after=spec.after,
        dont_know=spec.dont_know,
        population=spec.population,
        **common,
        **(await _answers(repository, found) if common["status"] == "ready" else {}),
    )


async def sheet_file(repository: TenantRepository, found: AnswerSheet, artifact: str) -> bytes:
    """Return the page or the workbook of a finished sheet; 409 before the end."""
    if result_status(found) != "ready":
        raise Problem("simio_sheet_not_ready")
    return await repository.read(found, artifact)


def _asked(lever: SheetLever) -> LeverRequest:
    return LeverRequest(
        column=lever.column,
        value=None if lever.value is None else lever.value.value,
        baseline=None if lever.baseline is None else lever.baseline.value,
        before=lever.before,
        after=lever.after,
    )


async def _answers(repository: TenantRepository, found: AnswerSheet) -> Object:
    """Return the fields of the artifact."""
    made = await repository.read_json(found, SHEET)
    levers = [_answer(lever) for lever in made["levers"]]
    return {name: made.get(name) for name in FIGURES} | {"levers": levers}


def _answer(lever: Object) -> Object:
    """Return a lever's answer; figures only where its verdict may claim any."""
    answer = lever.pop("answer")
    found = {**lever, **{name: answer.get(name) for name in COPIED}}
    found["open_columns"] = answer.get("dont_know")
    if answer.get("union") is not None:
        figures = {name: answer.get(name) for name in ANSWERED if name != "segments"}
        found |= {"ace": answer["estimate"], **figures}
    return found
