"""Answer sheets: the effects of all levers on one outcome.

A request is checked against the schema at once and becomes an AnswerSheet. Answers name columns and
levels, so they are read from its encrypted artifacts.
"""

from __future__ import annotations

from simulacra_api.http.field_types import spec_value
from simulacra_api.http.problems import Problem
from simulacra_api.jobs.service import result_status
from simulacra_api.results.kind import ResultKind
from simulacra_api.sheets.schemas import LeverRequest, SheetBody, SheetRequest
from simulacra_api.tenancy.repository import TenantRepository
from simulacra_crds.kinds.answer_sheet import AnswerSheet
from simulacra_crds.kube.client import Object
from simulacra_crds.tasks import SHEET
from simulacra_schema.answers import ANSWERED
from simulacra_schema.questions.rows import plain
from simulacra_schema.questions.sheet import LISTS
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


async def sheet_file(repository: TenantRepository, found: AnswerSheet, artifact: str) -> bytes:
    """Return the page or the workbook of a finished sheet; 409 before the end."""
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
    title="an answer sheet",
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
