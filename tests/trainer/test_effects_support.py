"""One rule of support: rows under do() and pairs claim nothing where an effect has no answer."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from simulacra_crds.tasks import EstimateRequest, GenerateRequest
from simulacra_schema.answers import AdjustmentEffect
from simulacra_schema.questions.knowledge import Knowledge
from simulacra_schema.table import ColumnSchema, TableSchema
from simulacra_trainer.cleaning.clean import clean_table
from simulacra_trainer.effects import findings
from simulacra_trainer.effects.estimate import estimate_effect
from simulacra_trainer.effects.overlap.support import MIN_EFFECTIVE, Held, unsupported
from simulacra_trainer.effects.scores import Interval
from simulacra_trainer.graph import CausalGraph
from simulacra_trainer.pipeline.generate import plan_generation
from simulacra_trainer.pipeline.generation_report import verdicts_on
from simulacra_trainer.trained_model import TrainedModel

FIGURES = {
    "c2st_auc": 0.55,
    "kept_ratio": 0.9,
    "respondents": 1000.0,
    "pairs_kept": 6.0,
    "pairs_weakened": 0.0,
    "pairs_lost": 0.0,
    "pairs_unmeasured": 0.0,
}
RARE, USUAL = "gold", "basic"


def _trained(n: int = 1000, seed: int = 0, **report: Any) -> TrainedModel:
    """A model, without trees, of a table in which 20 rows are gold; every order is stated."""
    rng = np.random.default_rng(seed)
    age, of = rng.normal(40, 10, n), np.arange(n) < 20
    plan = np.where(of, RARE, np.where(rng.random(n) < 0.4, "plus", USUAL))
    score = rng.integers(1, 11, n)
    spend = 10 * (plan == "plus") + age + rng.normal(size=n) + score
    clean = clean_table(pa.table({"age": age, "plan": plan, "score": score, "spend": spend}))
    names = ["age", "plan", "score", "spend"]
    graph = CausalGraph(
        order=names,
        parent_lists={name: names[:at] for at, name in enumerate(names)},
        knowledge=Knowledge(tiers=[[name] for name in names]),
        suggestions="computed",
    )
    told = {"worth": {"ratio": 0.9}, **report}
    model: Any = SimpleNamespace(columns=[])
    return TrainedModel(model, "forest", clean.table, clean.schema, graph, FIGURES, told)


def _kind(trained: TrainedModel, name: str, value: float | str, baseline: float | str) -> str:
    asked = EstimateRequest(treatment=name, value=value, baseline=baseline, outcome="spend")
    found = estimate_effect(trained.table, trained.schema, trained.graph, asked, seed=0)
    return found.verdict.kind


@pytest.mark.parametrize("counterfactual", [False, True])
@pytest.mark.parametrize(
    ("name", "value", "baseline", "why"),
    [
        ("plan", RARE, USUAL, "too few people like the others have 'gold' ("),
        ("score", 99.0, 5.0, "'99' lies outside the observed values of score."),
    ],
)
def test_rows_and_pairs_say_what_the_effect_says(
    name: str, value: float | str, baseline: float | str, why: str, counterfactual: bool
) -> None:
    trained = _trained()
    assert _kind(trained, name, value, baseline) == "unanswerable"
    asked = GenerateRequest(
        row_count=500, interventions={name: value}, counterfactual=counterfactual
    )
    plan = plan_generation(trained, asked)
    found, worth = plan.identification, plan.evidence
    assert found is not None
    assert found.verdict is not None
    assert worth is not None
    assert (found.identified, found.verdict.kind) == (False, "unanswerable")
    assert found.verdict.text.startswith(f"No answer: {why}")
    assert found.verdict.rests_on
    assert (worth.worth, worth.weight, worth.basis) == (None, None, "not measured")
    assert worth.reason is not None
    assert worth.reason[1:].startswith(why[1:])
    levels = {one.code: one.level for one in verdicts_on(trained, plan)}
    assert (levels["likeness"], levels["worth"]) == ("unknown", "unknown")


def test_supported_rows_and_pairs_keep_their_worth() -> None:
    trained = _trained()
    assert _kind(trained, "plan", "plus", USUAL) == "assumed"
    for counterfactual, behind in ((False, 600), (True, 1000)):
        asked = GenerateRequest(
            row_count=500, interventions={"plan": "plus"}, counterfactual=counterfactual
        )
        plan = plan_generation(trained, asked)
        assert plan.identification is not None
        assert plan.identification.verdict is not None
        assert plan.identification.verdict.kind == "assumed"
        assert plan.evidence is not None
        assert plan.evidence.worth is not None
        assert plan.evidence.worth < behind


def test_of_a_private_model_nobody_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    from simulacra_trainer.effects import treated

    trained = _trained(differential_privacy={"epsilon": 1.0})
    monkeypatch.setattr(treated, "support_of_do", lambda *_, **__: pytest.fail("counted"))
    kinds = []
    for value in (5.0, 99.0):
        plan = plan_generation(
            trained, GenerateRequest(row_count=10, interventions={"score": value})
        )
        assert plan.identification is not None
        assert plan.identification.verdict is not None
        kinds.append(plan.identification.verdict.kind)
    assert kinds[0] != "unanswerable"
    assert kinds[1] == "unanswerable"


def test_support_needs_rows_before_and_after_weighting_and_never_extrapolates() -> None:
    many = Held({"a": 1.0}, in_range=True, rows=500)
    assert unsupported([many]) is None
    assert unsupported([many, Held({"a": 2.0}, in_range=False, rows=500)]) is not None
    few = Held({"a": 2.0}, in_range=True, rows=19)
    assert unsupported([many, few]) == (
        "too few people like the others have '2' (19 effective rows)."
    )
    both = Held({"a": 2.0, "b": "x"}, in_range=True, rows=50, effective=MIN_EFFECTIVE - 1)
    assert unsupported([both]) == (
        "too few people like the others have '2' and 'x' (29 effective rows)."
    )


def test_the_bounds_of_an_outcome_are_those_of_its_schema_and_of_a_share_one() -> None:
    spend = ColumnSchema(name="spend", kind="numeric", storage="double", minimum=-5.0, maximum=20.0)
    schema = TableSchema(rows=9, columns=[spend])

    def reach(column: str, level: str | None = None) -> float:
        asked = SimpleNamespace(outcome_column=column, outcome_level=level)
        return findings.reach_of(SimpleNamespace(contrast=asked, schema=schema))  # type: ignore[arg-type]

    assert (reach("spend"), reach("spend", "much"), reach("age")) == (25.0, 1.0, math.inf)


def test_effect_stays_within_the_bounds_of_the_outcome() -> None:
    """Where nobody could have had the other value, a model may extrapolate to any figure."""

    def within(one: Interval) -> AdjustmentEffect:
        ends = (one.effect, one.low, one.high)
        return findings.effect_within(["x"], ends, one.error, 9_000.0, 1.0, 30.0)

    found = within(Interval(effect=-18_000.0, error=400.0, rows=900))
    assert (found.effect, found.low, found.high) == (-9_000.0, -9_000.0, -9_000.0)
    found = within(Interval(effect=8_900.0, error=100.0, rows=900))
    assert found.effect == 8_900.0
    assert (found.low, found.high) == (pytest.approx(8_704.0, abs=100), 9_000.0)
