"""Answer sheets: the effects of all levers on one outcome, and their routes.

A request is checked against the schema at once and becomes an AnswerSheet. Answers name columns and
levels, so they are read from its encrypted artifacts.
"""

import json
from typing import Any

from fastapi import Response

from simulacra_api.dependencies import HTML, CurrentTenant, documented, small_document
from simulacra_api.generations.downloads import XLSX
from simulacra_api.http.etags import IfNoneMatch
from simulacra_api.http.field_types import spec_value
from simulacra_api.http.problems import Problem
from simulacra_api.jobs.service import result_status
from simulacra_api.results.kind import ResultKind
from simulacra_api.results.routes import result_routes
from simulacra_api.sheets.schemas import LeverRequest, SheetBody, SheetRequest
from simulacra_api.tenancy.repository import TenantRepository, snake_case
from simulacra_crds.kinds.answer_sheet import AnswerSheet
from simulacra_crds.kube.client import Object
from simulacra_crds.tasks import SHEET, SHEET_PAGE, SHEET_WORKBOOK
from simulacra_schema.answers import ANSWERED
from simulacra_schema.questions.rows import plain
from simulacra_schema.questions.sheet import LISTS
from simulacra_schema.referee import sheet_program
from simulacra_schema.table import TableSchema

COPIED = (
    "treatment", "value", "baseline", "verdict", "precision", "effective_rows", "naive", "method",
    "adjustment", "checks", "warnings", "otherwise",
)  # fmt: skip
"""Fields of a lever's answer that the body has under the same name."""
FIGURES = (
    "text", "critical", "intervals", "left_out", "rows", "missing", "seed", "version",
    "model_sha256",
)  # fmt: skip


def _spec(request: SheetRequest, schema: TableSchema, client: str) -> Object:
    """Return outcome and levers as a spec has them, and who states the lists."""
    stated: list[object] = [*(getattr(request, field) for field in (*LISTS, "blocks"))]
    stated += [names for lever in request.levers for names in (lever.before, lever.after)]
    return {
        "outcome": request.outcome_text(),
        "levers": [_lever(lever, schema) for lever in request.levers],
        **({"statedBy": client} if any(stated) else {}),
    }


def _lever(lever: LeverRequest, schema: TableSchema) -> Object:
    """Return a lever as the spec has it."""
    column = schema.find(lever.column)
    found: Object = {"column": lever.column}
    for field in ("value", "baseline"):
        given = getattr(lever, field)
        if given is not None:
            found[field] = spec_value(given, column)
    return found | {name: getattr(lever, name) for name in ("before", "after")}


async def _file(repository: TenantRepository, sheet_id: str, artifact: str) -> bytes:
    """Return an artifact of a finished sheet; 409 before the end."""
    found = await repository.get(AnswerSheet, sheet_id)
    if result_status(found) != "ready":
        raise Problem("simio_sheet_not_ready")
    return await repository.read(found, artifact)


def _asked(found: AnswerSheet) -> Object:
    levers = [
        {name: plain(getattr(lever, name)) for name in type(lever).model_fields}
        for lever in found.spec.levers
    ]
    return {"asked": levers, "levers": None}


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


SHEETS = ResultKind(
    kind=AnswerSheet,
    asks="Compare all levers of an outcome",
    creates="Effects with verdicts, ranked where the verdict allows it, with simultaneous "
    "intervals.",
    gets="The levers with verdicts, effects and curves, ranked where the verdict allows it.",
    question=SheetRequest,
    body=SheetBody,
    answer=_answers,
    spec=_spec,
    asked=_asked,
    added_later={"blocks": []},
)


PYTHON = "text/x-python"
router = result_routes(SHEETS)


@router.get(
    "/sheets/{sheet_id}/page",
    operation_id="getSheetPage",
    summary="Get the appendix: one HTML file without script",
    responses=documented(HTML, {"type": "string"}),
    response_class=Response,
)
async def get_sheet_page(
    sheet_id: str, repository: CurrentTenant, if_none_match: IfNoneMatch = None
) -> Any:
    """All that the answers rest on, to hand over and to print."""
    content = await _file(repository, sheet_id, SHEET_PAGE)
    return small_document(content, HTML, if_none_match)


@router.get(
    "/sheets/{sheet_id}/xlsx",
    operation_id="getSheetWorkbook",
    summary="Get the answer sheet as an Excel workbook",
    responses=documented(XLSX, {"type": "string", "format": "binary"}),
    response_class=Response,
)
async def get_sheet_workbook(
    sheet_id: str, repository: CurrentTenant, if_none_match: IfNoneMatch = None
) -> Any:
    """Ranking, adjustment sets, checks, curves and statements, one sheet each."""
    content = await _file(repository, sheet_id, SHEET_WORKBOOK)
    return small_document(content, XLSX, if_none_match)


@router.get(
    "/sheets/{sheet_id}/program",
    operation_id="getSheetProgram",
    summary="Get a Python program that repeats the answers",
    responses=documented(PYTHON, {"type": "string"}),
    response_class=Response,
)
async def get_sheet_program(
    sheet_id: str, repository: CurrentTenant, if_none_match: IfNoneMatch = None
) -> Any:
    """Questions and intervals, no rows: a referee runs it on the table, with pandas alone."""
    content = await _file(repository, sheet_id, SHEET)
    program = sheet_program(snake_case(json.loads(content))).encode()
    return small_document(program, PYTHON, if_none_match)
