"""Specs that do not fit the data fail before a pod is made, with a path and no customer's word."""

from __future__ import annotations

import re
from typing import Any

import pytest

from operator_facts import CREATED, iso, observed, resource
from simulacra_api.effects.schemas import EffectRequest
from simulacra_api.sheets.schemas import SheetRequest
from simulacra_crds.kinds.base import LABEL_DATASET, Phase
from simulacra_crds.reasons import Reason
from simulacra_crds.tasks import SCHEMA
from simulacra_custody.errors import StoreUnavailable
from simulacra_custody.refs import ArtifactRef
from simulacra_operator.observed.custom_resource import parse
from simulacra_operator.observed.schema_check import SchemaCheck
from simulacra_operator.runtime.planner import RECONCILERS
from simulacra_operator.work import actions as act
from simulacra_schema.table import ColumnSchema, LevelSchema, TableSchema

WORD = "salary_of_zoe"
LEVELS = [LevelSchema(value=one, share=0.5) for one in ("gold", "basic")]
TABLE = TableSchema(
    rows=10,
    columns=[
        ColumnSchema(name="segment", kind="categorical", storage="string", levels=LEVELS),
        ColumnSchema(name="yes", kind="boolean", storage="bool", levels=LEVELS),
        ColumnSchema(name="buys", kind="boolean", storage="bool", levels=LEVELS),
        ColumnSchema(name="age", kind="integer", storage="int64", minimum=18, maximum=80),
        ColumnSchema(name="day", kind="datetime", storage="date32"),
        ColumnSchema(name="code", kind="identifier", storage="string", learned=False),
        ColumnSchema(name="media", kind="multi", storage="string", levels=LEVELS),
    ],
)
READY = {"type": "Ready", "status": "True", "reason": "Ready", "lastTransitionTime": iso(CREATED)}
MODEL = {"modelRef": {"name": "mdl-1"}}
EFFECT = {**MODEL, "treatment": "segment", "outcome": "buys=gold"}
ARMS = {"value": {"level": "gold"}, "baseline": {"level": "basic"}}
NOT_LEARNED = "a column that is not learned"
NO_OUTCOME = "an outcome that is the treatment, or not a learned number or category"
NO_SEGMENT = "a column of groups that is not learned, or is the treatment or the outcome"
NO_LEVER = "a lever that is the outcome, or not a learned number or category"
SEVERAL = "a column of several answers, of which one must be named"
NUMBERS = {"treatment": "age", "value": {"number": 30}, "baseline": {"number": 20}}
EFFECTS: list[tuple[dict[str, Any], str]] = [
    ({"treatment": "code"}, f"spec.treatment: {NOT_LEARNED}"),
    ({"treatment": "media"}, f"spec.treatment: {SEVERAL}"),
    ({**NUMBERS, "value": {"level": "gold"}}, "spec.value: a number is needed"),
    ({**NUMBERS, "value": {"number": 20}}, "spec.baseline: value and baseline are the same"),
    ({"outcome": "code"}, f"spec.outcome: {NO_OUTCOME}"),
    ({"outcome": "day"}, f"spec.outcome: {NO_OUTCOME}"),
    ({"outcome": "segment=gold"}, f"spec.outcome: {NO_OUTCOME}"),
    ({"outcome": "media"}, f"spec.outcome: {SEVERAL}"),
    ({"outcome": "age=20"}, "spec.outcome: a level of a number"),
    ({**NUMBERS, "outcome": "segment"}, "spec.outcome: a category without its level"),
    ({"outcome": f"buys={WORD}"}, "spec.outcome: no such level"),
    ({"segment": WORD}, "spec.segment: no such column"),
    ({"segment": "code"}, f"spec.segment: {NO_SEGMENT}"),
    ({"segment": "buys"}, f"spec.segment: {NO_SEGMENT}"),
    ({"segment": "media"}, f"spec.segment: {SEVERAL}"),
    ({"after": ["code"]}, f"spec.after[0]: {NOT_LEARNED}"),
]
SHEETS: list[tuple[dict[str, Any], str]] = [
    ({"outcome": "code"}, f"spec.outcome: {NO_OUTCOME}"),
    ({"outcome": "segment"}, "spec.outcome: a category without its level"),
    ({"outcome": f"buys={WORD}"}, "spec.outcome: no such level"),
    ({"outcome": "age", "levers": [{"column": "age"}]}, f"spec.levers[0].column: {NO_LEVER}"),
    (
        {"outcome": "age", "levers": [{"column": "yes"}], "before": ["yes"]},
        "spec.before[0]: a lever in a list",
    ),
    (
        {"outcome": "age", "levers": [{"column": "yes", "value": {"level": "gold"}}]},
        "spec.levers[0].value: a value without a baseline, or the reverse",
    ),
]
"""What REST refuses of effects and sheets, as specs, and where and why they fail."""
SEGMENT = {"segment": [{"column": "segment"}], "questions": ["yes"]}


class Store:
    """Custody that has one schema."""

    def __init__(self, schema: TableSchema | None = TABLE) -> None:
        self.reads = 0
        self._schema = schema

    async def result(self, result: ArtifactRef, wrapped_key: str) -> bytes:
        self.reads += 1
        if self._schema is None:
            raise StoreUnavailable("the store is away")
        assert (result.name, wrapped_key) == (SCHEMA, "k")
        return self._schema.model_dump_json(by_alias=True).encode()


def _dataset(**status: Any) -> Any:
    stored = [{"name": SCHEMA, "bytes": 9, "sha256": "a" * 64}]
    known = {"conditions": [READY], "artefacts": stored, "wrappedKey": "k", **status}
    return parse(resource("Dataset", "ds-1", {"source": {}}, known))


def _shares(**shares: dict[str, float]) -> dict[str, Any]:
    return {**MODEL, "rowCount": 4, "conditions": {"categorical": shares}}


@pytest.mark.parametrize(
    ("kind", "spec", "place"),
    [
        (
            "GenerationJob",
            _shares(segment={"gold": 0.7, "basic": 0.7}),
            "spec.conditions.categorical[0]: sum above 1",
        ),
        (
            "GenerationJob",
            _shares(segment={"gold": 0.2}, **{WORD: {WORD: 0.1}}),
            "spec.conditions.categorical[1]: no such column",
        ),
        (
            "GenerationJob",
            {**MODEL, "rowCount": 4, "interventions": {"segment": {"level": WORD}}},
            "spec.interventions[0]: no such level",
        ),
        ("EffectEstimate", {**EFFECT, **ARMS, "treatment": WORD}, "spec.treatment: no such column"),
        ("EffectEstimate", {**EFFECT, **ARMS, "outcome": WORD}, "spec.outcome: no such column"),
        ("EffectEstimate", {**EFFECT, **ARMS, "before": [WORD]}, "spec.before[0]: no such column"),
        (
            "EffectEstimate",
            {**EFFECT, **ARMS, "value": {"level": WORD}},
            "spec.value: no such level",
        ),
        *(("EffectEstimate", {**EFFECT, **ARMS, **given}, place) for given, place in EFFECTS),
        ("AnswerSheet", {**MODEL, "outcome": WORD}, "spec.outcome: no such column"),
        *(("AnswerSheet", {**MODEL, **given}, place) for given, place in SHEETS),
        (
            "AnswerSheet",
            {**MODEL, "outcome": "buys", "levers": [{"column": WORD}]},
            "spec.levers[0].column: no such column",
        ),
        (
            "SegmentEstimate",
            {**MODEL, **SEGMENT, "questions": [WORD]},
            "spec.questions[0]: no such column",
        ),
        (
            "Model",
            {"datasetRef": {"name": "ds-1"}, "knowledge": {"tiers": [["yes"], [WORD]]}},
            "spec.knowledge.tiers[1][0]: no such column",
        ),
        (
            "Model",
            {
                "datasetRef": {"name": "ds-1"},
                "knowledge": {
                    "tiers": [["segment"], ["buys"]],
                    "required": [{"source": "buys", "target": "segment"}],
                },
            },
            "spec.knowledge.required[0]: the edge contradicts the tiers or other required edges",
        ),
    ],
)
async def test_spec_that_does_not_fit_fails_without_a_job(
    kind: str, spec: dict[str, Any], place: str
) -> None:
    owner = {"kind": "Dataset", "uid": _dataset().meta.uid, "controller": True}
    tied = {"labels": {LABEL_DATASET: "ds-1"}, "ownerReferences": [owner]}
    body = resource(kind, "wave-2", spec, **tied if kind == "Model" else {"labels": tied["labels"]})
    said = await SchemaCheck(Store()).misfit(parse(body), _dataset())
    assert said.startswith(f"{place}. ")
    model = resource("Model", "mdl-1", {"datasetRef": {"name": "ds-1"}}, {"conditions": [READY]})
    above = {"dataset": _dataset()} if kind == "Model" else {"model": parse(model)}
    actions = RECONCILERS[kind](observed(body, **above, misfit=said))
    (patch,) = [one.patch for one in actions if isinstance(one, act.PatchStatus)]
    assert (patch["phase"], patch["lastFailure"]["reason"]) == (
        Phase.FAILED,
        Reason.REQUEST_INVALID,
    )
    assert {one["type"] for one in patch["conditions"]} >= {"Failed"}
    assert WORD not in str(patch)
    assert not any(isinstance(one, act.CreateJob | act.CreateKey) for one in actions)


@pytest.mark.parametrize(
    ("kind", "spec"),
    [
        ("GenerationJob", _shares(segment={"gold": 0.7, "basic": 0.3})),
        ("EffectEstimate", {**EFFECT, **ARMS}),
        ("AnswerSheet", {**MODEL, "outcome": "buys=gold"}),
        ("SegmentEstimate", {**MODEL, **SEGMENT}),
        ("Model", {"datasetRef": {"name": "ds-1"}}),
        ("Dataset", {"source": {}}),
    ],
)
async def test_spec_that_fits_is_not_held_up(kind: str, spec: dict[str, Any]) -> None:
    assert await SchemaCheck(Store()).misfit(parse(resource(kind, "a", spec)), _dataset()) == ""


def _asked(spec: dict[str, Any]) -> dict[str, Any]:
    """Return a spec, or a lever of one, as REST takes it."""
    asked = {name: of for name, of in spec.items() if name != "modelRef"}
    asked |= {one: next(iter(spec[one].values())) for one in ARMS if one in spec}
    if "outcome" in spec:
        outcome, _, level = spec["outcome"].partition("=")
        asked |= {"outcome": outcome, "outcome_level": level or None}
    if "levers" in spec:
        asked["levers"] = [_asked(lever) for lever in spec["levers"]]
    return asked


@pytest.mark.parametrize(
    ("request_type", "given", "place"),
    [
        *((EffectRequest, {**EFFECT, **ARMS, **given}, place) for given, place in EFFECTS),
        *((SheetRequest, given, place) for given, place in SHEETS),
    ],
)
def test_rest_refuses_the_same(request_type: Any, given: dict[str, Any], place: str) -> None:
    fault = request_type.model_validate(_asked(given)).faults(TABLE)[0]
    where, _, brief = place.partition(": ")
    pointer = re.sub(r"[.\[]", "/", where.removeprefix("spec")).replace("]", "")
    assert (fault.pointer.removesuffix("_level"), fault.brief) == (pointer, brief)


async def test_a_schema_is_read_once_and_one_out_of_reach_is_left_to_the_pod() -> None:
    wrong = parse(resource("GenerationJob", "a", _shares(**{WORD: {WORD: 0.1}})))
    store = Store()
    check = SchemaCheck(store)
    assert await check.misfit(wrong, _dataset())
    assert await check.misfit(wrong, _dataset())
    assert store.reads == 1
    assert await SchemaCheck(Store(None)).misfit(wrong, _dataset()) == ""
    again = {"revision": 2, "requested": None}
    assert await SchemaCheck(Store()).misfit(wrong, _dataset(description=again)) == ""
    assert await SchemaCheck(Store()).misfit(wrong, _dataset(conditions=[])) == ""
    assert await SchemaCheck(Store()).misfit(wrong, None) == ""
