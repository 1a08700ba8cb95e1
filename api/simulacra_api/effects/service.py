"""Average causal effects: E[outcome | do(treatment=value)] - E[outcome | do(treatment=baseline)].

A question is checked against the schema at once and becomes an EffectEstimate. Effects by segment
name levels, so they are read from its encrypted artifact.
"""

from __future__ import annotations

from simulacra_api.effects.schemas import EffectBody, EffectRequest
from simulacra_api.http.field_types import spec_value
from simulacra_api.results.kind import ResultKind
from simulacra_api.tenancy.repository import TenantRepository
from simulacra_crds.kinds.effect_estimate import EffectEstimate
from simulacra_crds.kube.client import Object
from simulacra_crds.tasks import ESTIMATE
from simulacra_schema.answers import ANSWERED
from simulacra_schema.conditions import FieldError, check_interventions, several_answers
from simulacra_schema.did_you_mean import unknown_column, unknown_level
from simulacra_schema.statements import LISTS, check_statements
from simulacra_schema.table import TableSchema

COPIED = (
    "outcome_level", "verdict", "precision", "effective_rows", "naive", "method", "adjustment",
    "checks", "warnings",
)  # fmt: skip
"""Fields of the artifact that the answer has under the same name."""
ADDED_LATER: Object = {"population": "all", **{field: [] for field in LISTS}}
MAX_OUTCOME = 256
"""Longest `outcome=level` of an EffectEstimate, in characters."""


def check_question(request: EffectRequest, schema: TableSchema) -> list[FieldError]:
    """Check a question against a schema; return one entry per wrong field, none when it fits."""
    errors = []
    treatment = schema.find(request.treatment)
    known = treatment is not None and treatment.learned and treatment.kind != "multi"
    for field, value in (("/value", request.value), ("/baseline", request.baseline)):
        at = field if known else "/treatment"
        wrong = check_interventions({request.treatment: value}, schema)
        errors += [FieldError(pointer=at, detail=error.detail) for error in wrong]
    if request.value == request.baseline:
        detail = "The baseline must differ from the treatment value."
        errors.append(FieldError(pointer="/baseline", detail=detail))
    errors += check_outcome(
        request.outcome, request.outcome_level, schema, treatment=request.treatment
    )
    if request.segment is not None:
        column = schema.find(request.segment)
        taken = request.segment in (request.treatment, request.outcome)
        if column is None:
            detail = unknown_column(request.segment, schema.names())
            errors.append(FieldError(pointer="/segment", detail=detail))
        elif not column.learned or taken:
            detail = "Must be a learned column of the schema, not the treatment or the outcome."
            errors.append(FieldError(pointer="/segment", detail=detail))
        elif column.kind == "multi":
            detail = several_answers(column)
            errors.append(FieldError(pointer="/segment", detail=detail))
    lists = {name: getattr(request, name) for name in LISTS}
    errors += check_statements(lists, request.treatment, request.outcome, schema)
    return [error for at, error in enumerate(errors) if error not in errors[:at]]


def check_outcome(
    outcome: str, level: str | None, schema: TableSchema, *, treatment: str | None = None
) -> list[FieldError]:
    """Check an outcome and its level against a schema; it is not the treatment, if there is one."""
    column = schema.find(outcome)
    taken = outcome == treatment
    if column is None:
        return [FieldError(pointer="/outcome", detail=unknown_column(outcome, schema.names()))]
    if not column.learned or column.kind == "datetime" or taken:
        detail = "Must be a learned number, boolean or category of the schema"
        detail += "." if treatment is None else ", not the treatment."
        return [FieldError(pointer="/outcome", detail=detail)]
    if column.kind == "multi":
        return [FieldError(pointer="/outcome", detail=several_answers(column))]
    detail = ""
    if column.is_numeric:
        if level is not None:
            detail = "The outcome is a number; leave outcome_level out."
    elif level is None:
        if column.kind != "boolean":
            detail = "The outcome is a category; give the level whose share to compare."
    elif level not in column.level_values():
        detail = unknown_level(level, column.level_values())
    elif len(outcome_text(outcome, level)) > MAX_OUTCOME:
        detail = f"Outcome and level must have at most {MAX_OUTCOME - 1} characters together."
    return [FieldError(pointer="/outcome_level", detail=detail)] if detail else []


def _spec(request: EffectRequest, schema: TableSchema, client: str) -> Object:
    """Return values and outcome as a spec has them, and who states the lists."""
    treatment = schema.find(request.treatment)
    spec = {
        "value": spec_value(request.value, treatment),
        "baseline": spec_value(request.baseline, treatment),
        "outcome": outcome_text(request.outcome, request.outcome_level),
    }
    return spec | ({"statedBy": client} if any(getattr(request, name) for name in LISTS) else {})


def outcome_text(outcome: str, level: str | None) -> str:
    """Return the outcome as a spec names it: column, or column=level."""
    return outcome if level is None else f"{outcome}={level}"


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


EFFECTS = ResultKind(
    kind=EffectEstimate,
    title="an effect estimate",
    asks="Estimate a causal effect",
    creates="ACE = E[outcome | do(value)] - E[outcome | do(baseline)]. The schema is checked at "
    "once.",
    gets="The verdict first: what the answer rests on. Then the effect, its interval and its "
    "checks.",
    question=EffectRequest,
    body=EffectBody,
    check=check_question,
    answer=_figures,
    spec=_spec,
    added_later=ADDED_LATER,
)
