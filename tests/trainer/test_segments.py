"""Certified shares of segments: coverage, verdicts, limits, and rows that agree with them."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from simulacra_crds.tasks import BoostRequest, GenerateRequest
from simulacra_intake.errors import InputError
from simulacra_intake.survey_weights import Floats
from simulacra_schema.conditions import ConditionSet
from simulacra_schema.questions.segments import SegmentColumn, SegmentsQuestion, answers_of
from simulacra_schema.table import ColumnSchema, TableSchema
from simulacra_schema.worth import worth_of
from simulacra_trainer.cell_keys import NOISE
from simulacra_trainer.pipeline.fit import TrainedModel
from simulacra_trainer.pipeline.generate import generate_rows, plan_generation
from simulacra_trainer.segments.answers import certified_worth
from simulacra_trainer.segments.cells import segmentation
from simulacra_trainer.segments.certify import (
    BOOSTED,
    FEW,
    FEW_WORTH,
    OWN,
    SLIGHTLY,
    certify,
)
from simulacra_trainer.segments.estimate import PRIVATE, certify_segments
from trainer_tables import clean, levels_column

Drawn = tuple[Floats, Floats, list[np.ndarray], Floats]


def drawn(seed: int, ways: int) -> Drawn:
    """Return successes, respondents, groups and true shares of a random segmentation."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(2, 8, ways)
    cells = int(np.prod(sizes))
    groups = [np.asarray(g) for g in np.unravel_index(np.arange(cells), sizes)]
    logit = np.full(cells, rng.normal(0, 1.0)) + rng.normal(0, 0.3, cells) * (ways - 1)
    for group, size in zip(groups, sizes, strict=True):
        logit += rng.normal(0, rng.choice([0.2, 0.6, 1.2]), size)[group]
    truth = 1.0 / (1.0 + np.exp(-logit))
    respondents = np.floor(np.exp(rng.normal(3.0, 1.2, cells))) + 1.0
    successes = rng.binomial(respondents.astype(int), truth).astype(float)
    return successes, respondents, groups, truth


def rank(gain: Floats) -> np.ndarray:
    """Return 0 for no better, 1 for slightly, 2 for boosted."""
    return np.searchsorted([SLIGHTLY, BOOSTED], gain, side="right")


@pytest.mark.parametrize("noise", [0.0, NOISE])
@pytest.mark.parametrize("ways", [1, 2])
def test_intervals_hold_the_truth_and_verdicts_keep_their_word(ways: int, noise: float) -> None:
    covered = []
    better: list[tuple[float, float, float]] = []
    for seed in range(240 // ways**2):
        successes, respondents, groups, truth = drawn(seed, ways)
        if noise:
            chance = np.random.default_rng([seed, 1])
            total = np.maximum(respondents + np.rint(chance.normal(0, noise, truth.size)), 0.0)
            said = np.rint(chance.normal(0, noise, truth.size))
            successes, respondents = np.clip(successes + said, 0.0, total), total
        found = certify(successes, respondents, groups, noise=noise)
        covered += [*((found.low <= truth) & (truth <= found.high))]
        boosted = rank(found.gain) == 2
        errors = np.stack([
            (successes / np.maximum(respondents, 1e-9) - truth) ** 2,
            (found.share - truth) ** 2,
            found.share * (1.0 - found.share) / found.worth,
        ])  # fmt: skip
        better += [*map(tuple, errors[:, boosted].T)]
    assert len(better) > (15 if noise else 50)
    assert 0.93 <= np.mean(covered) <= 0.98
    own_error, error, claimed = np.mean(better, axis=0)
    assert own_error / error > BOOSTED
    assert error <= claimed


@pytest.mark.parametrize("ways", [1, 2])
def test_pooled_intervals_are_narrower_than_those_of_the_respondents(ways: int) -> None:
    for seed in range(20):
        found = certify(*drawn(seed, ways)[:3])
        shown = found.pooled & ~np.isnan(found.own_share)
        assert np.all((found.high - found.low)[shown] < (found.own_high - found.own_low)[shown])
        kept = ~found.pooled
        assert np.array_equal(found.share[kept], found.own_share[kept])
        assert np.array_equal(found.worth[kept], found.respondents[kept])


def test_few_respondents_are_neither_shown_nor_boosted() -> None:
    successes, respondents, groups, _ = drawn(3, 2)
    for said in (0.0, FEW - 1):
        successes[0], respondents[0] = said, FEW - 1
        found = certify(successes, respondents, groups)
        assert np.isnan(found.own_share[0])
        assert rank(found.gain)[0] == 0
        assert found.worth[0] <= respondents[0]
        assert (found.low[0] == 0.0) != (found.high[0] == 1.0)


def test_what_respondents_said_alone_is_shown_from_ten_on() -> None:
    respondents = np.array([FEW - 1, FEW, OWN - 1, OWN, 300.0])
    found = certify(respondents / 2, respondents, [np.arange(5)])
    assert np.isnan(found.own_share).tolist() == [True, True, True, False, False]
    assert found.pooled[:3].all()
    assert found.worth[0] <= FEW_WORTH


def test_noise_of_the_counts_widens_the_intervals() -> None:
    respondents = np.array([10.0, 20.0, 50.0, 300.0])
    said = np.array([0.5, 0.3, 0.3, 0.3]) * respondents  # five persons or more
    exact, noisy = (certify(said, respondents, [np.arange(4)], noise=noise) for noise in (0, NOISE))
    wider = (noisy.own_high - noisy.own_low) / (exact.own_high - exact.own_low)
    assert np.all((wider > [1.12, 1.07, 1.02, 1.0]) & (wider < [1.25, 1.14, 1.06, 1.02]))
    assert np.all(noisy.high - noisy.low >= exact.high - exact.low)


def test_what_nobody_or_everybody_said_may_be_so() -> None:
    respondents = np.array([7.0, 30.0, 2000.0])
    for said in (np.zeros(3), respondents):
        found = certify(said, respondents, [np.arange(3)])
        ends = found.low if said[0] == 0 else found.high
        assert np.all(ends == said / respondents)


def test_verdict_does_not_improve_when_less_is_known() -> None:
    """Fewer respondents elsewhere mean less to borrow; with none there is nothing to borrow.

    How much levels differ is estimated, so a verdict may rise by chance: in few cases.
    """
    rose = 0
    compared = 0
    for seed in range(60):
        successes, respondents, groups, _ = drawn(seed, 1 + seed % 2)
        whole = rank(certify(successes, respondents, groups).gain)
        cell = int(np.argmax(respondents))
        for kept in (0.5, 0.1, 0.0):
            thinned = np.full(respondents.size, kept)
            thinned[cell] = 1.0
            less = certify(successes * thinned, respondents * thinned, groups)
            rose += int(rank(less.gain)[cell] > whole[cell])
            compared += 1
            assert kept > 0.0 or rank(less.gain)[cell] == 0
        # A tenth of everyone: what is left of five or fewer is never called better.
        tenth = certify(successes / 10, respondents / 10, groups)
        assert np.all(rank(tenth.gain)[respondents / 10 < FEW] == 0)
    assert rose <= 0.05 * compared


def test_a_list_has_wider_intervals_that_hold_together() -> None:
    successes, respondents, groups, _ = drawn(5, 2)
    one = certify(successes, respondents, groups)
    twenty = certify(successes, respondents, groups, 20)
    assert np.all(twenty.high - twenty.low > one.high - one.low - 1e-12)
    missed = 0
    for seed in range(60):
        successes, respondents, groups, truth = drawn(seed, 1)
        found = certify(successes, respondents, groups, truth.size)
        missed += int(np.any((found.low > truth) | (truth > found.high)))
    assert missed <= 6


def test_respondents_are_kish_of_weights_and_of_persons() -> None:
    array, level = levels_column("a", ["x", "x", "x", "y", None])
    answer, asked = levels_column("q", ["1", "2", "2", "1", "1"])
    for kind, role, numbers, expected in (
        ("weight", None, [3.0, 1.0, 1.0, 1.0, 1.0], (0.6 * 25 / 11, 25 / 11)),
        ("identifier", "subject", [7.0, 7.0, 8.0, 9.0, 9.0], (9 / 5 / 3, 9 / 5)),
    ):
        extra = ColumnSchema(name="k", kind=kind, storage="double", role=role)
        table = pa.table({"a": array, "q": answer, "k": pa.array(numbers)})
        cells = segmentation(table, TableSchema(rows=5, columns=[level, asked, extra]), ["a"])
        hit = np.array([True, False, False, True, True])
        successes, respondents = cells.counts(hit, np.ones(5, dtype=bool))
        assert (successes[0], respondents[0]) == pytest.approx(expected)
        assert respondents[1] == pytest.approx(1.0)


def asked(questions: list[str], **segment: list[str]) -> BoostRequest:
    columns = [SegmentColumn(column=name, levels=levels) for name, levels in segment.items()]
    return BoostRequest(segment=columns, questions=questions)


def test_each_share_is_that_of_its_answer_in_its_segment(trained: TrainedModel) -> None:
    rows = trained.table.select(["city", "segment"]).to_pylist()
    shares = certify_segments(trained, asked(["segment"], city=["ada", "fay"])).shares
    assert {(one.segment[0].level, one.answer) for one in shares} == {
        (city, answer) for city in ("ada", "fay") for answer in ("loyal", "switcher", "none")
    }
    for one in shares:
        inside = [row["segment"] for row in rows if row["city"] == one.segment[0].level]
        known = [answer for answer in inside if answer is not None]
        assert one.respondents == pytest.approx(len(known), abs=4)
        assert one.own is not None
        assert one.own.share == pytest.approx(known.count(one.answer) / len(known), abs=0.05)


def test_rows_under_the_conditions_agree_with_the_certified_shares(trained: TrainedModel) -> None:
    result = certify_segments(trained, asked(["segment"], city=["fay"], region=["south"]))
    assert result.summary.intervals == len(result.shares) == 3
    assert {part.level for part in result.shares[0].segment} == {"fay", "south"}
    assert result.conditions is not None
    wanted = result.conditions.categorical["segment"]
    assert sum(wanted.values()) == pytest.approx(1.0)
    for share in result.shares:
        assert share.low < wanted[share.answer] < share.high
        assert f"{share.respondents:,.0f} respondents" in share.text
    plan = plan_generation(trained, GenerateRequest(row_count=500, conditions=result.conditions))
    assert plan.attainment is not None
    assert plan.attainment.status == "exact"
    rows = pa.concat_tables([*generate_rows(trained, plan)]).to_pydict()
    assert set(rows["city"]) == {"fay"}
    for level, share in wanted.items():
        assert rows["segment"].count(level) / 500 == pytest.approx(share, abs=0.002)
    assert plan.evidence is not None
    assert plan.evidence.basis == "segment"
    assert plan.evidence.classes == []
    answered = sum(wanted.values())
    certified = min(share.worth for share in result.shares) / answered
    ratio = trained.report["worth"]["ratio"]
    draws = min(500.0, plan.attainment.effective_sample_size)
    assert plan.evidence.worth == pytest.approx(worth_of(certified, draws, ratio), rel=1e-3)


def test_only_the_certified_shares_of_a_segment_have_their_worth(trained: TrainedModel) -> None:
    result = certify_segments(trained, asked(["segment"], city=["fay"]))
    assert result.conditions is not None
    certified = result.conditions.categorical
    worth = certified_worth(trained, result.conditions)
    assert worth == pytest.approx(min(share.worth for share in result.shares), rel=1e-6)
    rounded = {level: round(share, 4) for level, share in certified["segment"].items()}
    moved = {**rounded, "none": rounded["none"] - 0.05, "loyal": rounded["loyal"] + 0.05}
    few = {level: rounded[level] for level in ("none", "loyal")}
    city = {"city": {"fay": 1.0}}
    for shares, expected in (
        ({**city, "segment": rounded}, worth),
        ({**city, "segment": moved}, None),
        ({**city, "segment": few}, None),
        ({"segment": rounded}, None),
        (city, None),
    ):
        assert certified_worth(trained, ConditionSet(categorical=shares)) == expected


def test_a_column_without_levels_lists_each_and_has_no_conditions(trained: TrainedModel) -> None:
    result = certify_segments(trained, asked(["segment"], city=[]))
    assert len(result.shares) == 6 * 3
    assert result.conditions is None
    counted = result.summary
    assert counted.boosted + counted.slightly + counted.no_better == counted.intervals == 18
    single = certify_segments(trained, asked(["segment"], city=["fay"]))
    of_list = next(one for one in result.shares if one.segment == single.shares[0].segment)
    assert of_list.high - of_list.low > single.shares[0].high - single.shares[0].low


def test_a_private_model_certifies_nothing(trained: TrainedModel) -> None:
    private = replace(trained, report=trained.report | {"differential_privacy": {"epsilon": 1.0}})
    result = certify_segments(private, asked(["segment"], city=["fay"]))
    assert (result.shares, result.conditions, result.reason) == ([], None, PRIVATE)
    assert result.summary.intervals == result.summary.boosted == 0


SCHEMA = clean(
    levels_column("a", [f"{n:02}" for n in range(20)]),
    levels_column("b", [f"{n:02}" for n in range(20)]),
    levels_column("q", ["yes", "no"] * 10),
)[1].model_copy(deep=True)
more = [("w", "ordinal", "wave", 9), ("c", "categorical", None, 2)]
for name, kind, role, count in more:
    of = SCHEMA.columns[0].levels[:count]
    of = [level.model_copy(update={"value": str(at)}) for at, level in enumerate(of)]
    SCHEMA.columns.append(
        ColumnSchema(name=name, kind=kind, role=role, storage="string", levels=of)
    )
SCHEMA.columns.append(ColumnSchema(name="x", kind="numeric", storage="double"))
SCHEMA.columns.append(
    ColumnSchema(name="m", kind="multi", storage="string", levels=SCHEMA.columns[2].levels)
)


@pytest.mark.parametrize(
    ("segment", "questions", "pointers"),
    [
        ([("a", ["01"])], ["q", "m"], []),
        ([("none", [])], ["q"], ["/segment/0/column"]),
        ([("x", [])], ["q"], ["/segment/0/column"]),
        ([("m", [])], ["q"], ["/segment/0/column"]),
        ([("a", ["99"])], ["q"], ["/segment/0/levels"]),
        ([("a", ["01", "01"])], ["q"], ["/segment/0/levels"]),
        ([("a", []), ("a", [])], ["q"], ["/segment/1/column"]),
        ([("a", [])], ["none", "x", "a", "q", "q"], [f"/questions/{at}" for at in (0, 1, 2, 4)]),
        ([("a", []), ("b", [])], ["q"], ["/segment"]),
        ([("b", []), ("w", ["1", "8"])], ["q"], ["/segment"]),
        ([("b", []), ("w", ["8"])], ["q"], []),
        ([("b", []), ("c", []), ("w", ["8"])], ["q"], []),
        ([("c", []), ("b", ["01"]), ("q", [])], ["m"], ["/segment"]),
        ([("a", [])], ["q", "b"], []),
    ],
)
def test_each_wrong_field_is_named(
    segment: list[tuple[str, list[str]]], questions: list[str], pointers: list[str]
) -> None:
    columns = [SegmentColumn(column=name, levels=levels) for name, levels in segment]
    errors = SegmentsQuestion(segment=columns, questions=questions).faults(SCHEMA)
    assert [error.pointer for error in errors] == pointers


def test_too_many_shares_are_refused() -> None:
    schema = SCHEMA.model_copy(deep=True)
    more = [schema.columns[1].model_copy(update={"name": f"b{at}"}) for at in range(2)]
    schema.columns += more
    columns = [SegmentColumn(column="a")]
    (error,) = SegmentsQuestion(segment=columns, questions=["b", "b0"]).faults(schema)
    assert (error.pointer, "800 shares" in error.detail) == ("/questions", True)


def test_an_answer_of_several_is_the_yes_of_its_option() -> None:
    assert [*answers_of("m", SCHEMA)] == [("m: no", "yes"), ("m: yes", "yes")]
    assert [*answers_of("q", SCHEMA)] == [("q", "no"), ("q", "yes")]


def test_a_request_that_does_not_fit_is_an_error_of_the_customer(trained: TrainedModel) -> None:
    with pytest.raises(InputError) as failed:
        certify_segments(trained, asked(["segment"], zq_nothing=[]))
    assert failed.value.pointer == "/segment/0/column"
    assert "zq_" not in failed.value.message
