"""The next wave of a tracker: its shares, what they rest on, and rows that meet them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from simulacra_crds.tasks import BoostRequest, FitRequest, GenerateRequest
from simulacra_intake.errors import InputError
from simulacra_schema.conditions import ConditionSet
from simulacra_schema.description import parse_description
from simulacra_schema.segment_shares import SegmentResult
from simulacra_trainer.in_process import fit_table, generate_table
from simulacra_trainer.segments.estimate import certify_segments
from simulacra_trainer.segments.next_wave import nowcast_worth
from simulacra_trainer.segments.past_waves import forecast

BETTER = "better than carrying the last wave forward"
OLD = {"age": {"young": 0.2, "old": 0.8}}


def tracker(waves: int = 6, size: int = 400) -> pa.Table:
    """Return waves in which half are young; the old know the brand by .7, the young by .3."""
    rng = np.random.default_rng(5)
    wave = np.repeat(np.arange(1, waves + 1), size)
    is_old = np.arange(wave.size) % 2 == 0
    aware = np.where(rng.random(wave.size) < np.where(is_old, 0.7, 0.3), "yes", "no").astype(object)
    aware[::50] = None
    jumps = np.array([0.3, 0.7, 0.3, 0.7, 0.3, 0.7])[wave - 1]
    columns = {"wave": wave, "age": np.where(is_old, "old", "young"), "aware": aware}
    columns["steps"] = np.where(wave * 0.15 > rng.random(wave.size), "yes", "no")
    columns["jumps"] = np.where(rng.random(wave.size) < jumps, "yes", "no")
    columns["late"] = np.where(wave > waves - 3, np.where(is_old, "a", "b"), None)
    return pa.table(columns)


@pytest.fixture(scope="module")
def model() -> Any:
    field = {"name": "wave", "x-simulacra": {"role": "wave"}}
    return fit_table(tracker(), FitRequest(), parse_description({"fields": [field]}))


def asked(model: Any, *questions: str, **more: Any) -> SegmentResult:
    segment = more.pop("segment", [{"column": "wave", "levels": ["next"]}])
    question = {"segment": segment, "questions": [*questions], **more}
    return certify_segments(model, BoostRequest.model_validate(question))


def share(found: SegmentResult, question: str, answer: str = "yes") -> Any:
    return next(one for one in found.shares if (one.question, one.answer) == (question, answer))


def test_calm_questions_are_told_by_all_waves_and_people_as_the_targets_say(model: Any) -> None:
    like_now, older = asked(model, "aware"), asked(model, "aware", targets={"categorical": OLD})
    for found, truth in ((like_now, 0.5), (older, 0.62)):
        one = share(found, "aware")
        assert one.low < one.next.low80 < truth < one.next.high80 < one.high
        assert one.share == pytest.approx(truth, abs=0.04)
        assert (one.segment[0].level, one.verdict, one.next.tests) == ("next", BETTER, 4)
        assert one.next.error < one.next.carried_error
        assert "Better than carrying the last wave forward" in one.text
        error = (one.high - one.low) / 2 / 1.96
        assert one.worth == pytest.approx(one.share * (1 - one.share) / error**2, rel=0.4)
        assert sum(of.share for of in found.shares) == pytest.approx(1.0, abs=0.01)
    assert (like_now.summary.better, like_now.summary.no_better) == (2, 0)
    assert asked(model, "aware", targets={}) == like_now
    assert like_now.conditions is not None
    assert like_now.conditions.categorical["wave"] == {"next": 1.0}


def test_where_past_waves_were_told_worse_the_last_is_carried_forward(model: Any) -> None:
    found = asked(model, "steps", "jumps")
    steps, jumps = share(found, "steps"), share(found, "jumps")
    rows = tracker().filter(pa.array(tracker()["wave"].to_numpy() == 6))
    for one in (steps, jumps):
        last = np.mean(np.array(rows[one.question].to_pylist()) == "yes")
        assert one.next.carried == pytest.approx(last, abs=0.03)
        assert one.verdict == (BETTER if one.next.error < one.next.carried_error else "no better")
    assert steps.verdict == "no better"
    assert steps.share == pytest.approx(steps.next.carried, abs=0.01)
    assert jumps.high - jumps.low > 0.3
    assert "No better than carrying the last wave forward" in steps.text


def test_rows_of_the_next_wave_meet_its_shares_and_have_their_worth(model: Any) -> None:
    found = asked(model, "aware", targets={"categorical": OLD})
    assert found.conditions is not None
    conditions = ConditionSet.model_validate_json(found.conditions.model_dump_json())
    made = generate_table(model, GenerateRequest(row_count=2000, conditions=conditions))
    rows = made.rows
    assert rows is not None
    assert rows["wave"].null_count == rows.num_rows
    assert rows.schema.field("wave").type == tracker().schema.field("wave").type
    known = [one for one in rows["aware"].to_pylist() if one is not None]
    assert known.count("yes") / len(known) == pytest.approx(share(found, "aware").share, abs=0.002)
    assert rows["age"].to_pylist().count("old") / 2000 == pytest.approx(0.8, abs=0.001)
    detail = made.plan.attainment
    assert detail.status == "exact"
    assert [one.level for one in detail.conditions if one.column == "wave"] == ["next"]
    assert made.plan.evidence.basis == "nowcast"
    least = min(one.worth for one in found.shares)
    answered = rows.num_rows / len(known)
    assert nowcast_worth(model, conditions) == pytest.approx(least * answered, rel=0.01)
    assert nowcast_worth(model, ConditionSet(categorical={"aware": {"yes": 0.5}})) is None


def test_a_cell_of_nobody_is_told_as_little_as_one_of_few(model: Any) -> None:
    found = []
    for age in ("young", "old"):  # nobody is young and "a"
        where = {"age": {"levels": [age]}, "late": {"levels": ["a"]}}
        targets = {"quotas": [{"where": where, "share": 1.0}]}
        found.append(share(asked(model, "aware", targets=targets), "aware"))
    nobody, many = found
    assert nobody.share < many.share
    assert nobody.worth < 5.0 < 50.0 < many.worth


@pytest.mark.parametrize(
    ("conditions", "said"),
    [
        ({"wave": {"next": 1.0}}, "Nobody answered in the next wave"),
        ({"wave": {"next": 0.5}, "aware": {"yes": 0.5}}, "give next the share 1"),
        ({"wave": {"next": 1.0}, "aware": {"yes": 0.9}}, "Nobody answered in the next wave"),
        ({"age": {"next": 1.0}}, "no such level"),
    ],
)
def test_rows_of_the_next_wave_take_nothing_but_its_conditions(
    model: Any, conditions: Any, said: str
) -> None:
    request = GenerateRequest(row_count=10, conditions=ConditionSet(categorical=conditions))
    with pytest.raises(InputError, match="data") as error:
        generate_table(model, request)
    assert said in error.value.detail
    assert "aware" not in error.value.message


def test_rows_of_the_next_wave_take_nothing_beside_its_conditions(model: Any) -> None:
    conditions = ConditionSet(categorical={"wave": {"next": 1.0}, "aware": {"yes": 0.5}})
    others = {"interventions": {"age": "old"}, "counterfactual": True, "persons": 1}
    request = GenerateRequest.model_validate({"conditions": conditions, **others})
    found = [one.pointer for one in request.faults(model.schema) if "leave this" in one.detail]
    assert found == ["/interventions", "/counterfactual", "/persons"]


@pytest.mark.parametrize(
    ("question", "pointer", "said"),
    [
        ({"segment": [{"column": "wave", "levels": ["next", "6"]}]}, "/segment", "alone"),
        (
            {"segment": [{"column": "wave", "levels": ["next"]}, {"column": "age"}]},
            "/segment", "alone",
        ),
        (
            {"segment": [{"column": "age"}, {"column": "wave", "levels": ["next"]}]},
            "/segment", "alone",
        ),
        ({"segment": [{"column": "age", "levels": ["next"]}]}, "/segment/0/levels", "role wave"),
        ({"segment": [{"column": "age"}], "targets": {"categorical": OLD}}, "/targets", "leave"),
        ({"targets": {"categorical": {"aware": {"yes": 0.5}}}}, "/targets", "who is asked"),
        ({"targets": {"categorical": {"age": {"old": 0.9, "young": 0.9}}}},
            "/targets/categorical/age", "sum to 1.8"),
        (
            {"targets": {"categorical": {**OLD, "steps": {"yes": 0.5}, "jumps": {"yes": 0.5}}}},
            "/targets", "2 columns at most",
        ),
        (
            {"targets": {"quotas": [{"where": {"age": {"levels": ["old"]}}, "min": 0.1}]}},
            "/targets/quotas/0", "give share",
        ),
        ({"targets": {"categorical": {"late": {"a": 0.1, "b": 0.1}}}}, "/targets", "No shares"),
        ({"questions": ["late"]}, "/questions/0", "in 3 waves"),
    ],
)  # fmt: skip
def test_each_wrong_field_says_what_to_do(
    model: Any, question: dict[str, Any], pointer: str, said: str
) -> None:
    request = {"segment": [{"column": "wave", "levels": ["next"]}], "questions": ["aware"]}
    with pytest.raises(InputError, match="does not fit the data") as error:
        certify_segments(model, BoostRequest.model_validate(request | question))
    assert error.value.pointer == pointer
    assert said in error.value.detail


def test_a_next_wave_needs_four_waves(model: Any) -> None:
    schema = model.schema.model_copy(deep=True)
    column = schema.find("wave")
    column.levels = column.levels[:3]
    question = BoostRequest.model_validate(
        {"segment": [{"column": "wave", "levels": ["next"]}], "questions": ["aware"]}
    )
    (fault,) = question.faults(schema)
    assert fault.pointer == "/segment"
    assert "3 waves" in fault.detail
    assert "a summary of them does not count" in fault.detail


def test_the_level_is_a_mean_where_nothing_moves_and_the_last_where_much_does() -> None:
    times, respondents = np.arange(8.0), np.full((2, 8), 1000.0)
    calm = np.array([0.5, 0.52, 0.48, 0.5, 0.51, 0.49, 0.5, 0.53])
    moving = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8])
    found = {}
    for name, shares in (("calm", calm), ("moving", moving)):
        of = forecast(np.stack([shares, 1 - shares]), respondents, times, 8.0)
        found[name] = of.shares()[0][0], of.interval(0.95)
        assert sum(of.shares()[0]) == pytest.approx(1.0, abs=1e-6)
        alone = forecast(shares[None], respondents[:1], times, 8.0)
        assert alone.shares()[0][0] == pytest.approx(found[name][0], abs=1e-6)
    (calm_share, (low, high)), (moving_share, _) = found["calm"], found["moving"]
    assert calm_share == pytest.approx(0.504, abs=0.01)
    assert high[0] - low[0] < 0.1
    assert moving_share > 0.74
