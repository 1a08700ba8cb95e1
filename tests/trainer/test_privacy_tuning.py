"""Privacy tuning on tables whose copying is known."""

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest

from simulacra_trainer.cleaning.clean import clean_table
from simulacra_trainer.families.base import no_progress
from simulacra_trainer.families.forest import FOREST
from simulacra_trainer.families.forest.growth import grow, structure
from simulacra_trainer.pipeline import privacy_tuning
from simulacra_trainer.pipeline.disclosure import NAMES, Disclosure
from simulacra_trainer.pipeline.holdout import HalfModelRows, Halves, exchanged_halves, split_halves
from simulacra_trainer.pipeline.privacy_tuning import (
    PENALTIES,
    PrivacyTuning,
    tune_privacy,
)
from simulacra_trainer.report.attackers.attacks import Gain
from simulacra_trainer.strengths import search_strength


def _table(rows: int, columns: int, seed: int) -> pa.Table:
    rng = np.random.default_rng(seed)
    factor = rng.normal(size=(rows, 3))
    return pa.table(
        {f"c{j}": factor @ rng.normal(size=3) + rng.normal(size=rows) for j in range(columns)}
    )


def test_small_tables_are_tested_with_exchanged_halves() -> None:
    table = _table(400, 3, 0)
    pairs = exchanged_halves(table, seed=1)
    assert len(pairs) == 4
    assert pairs[0].seen.equals(split_halves(table, seed=1).seen)
    for one, other in (pairs[:2], pairs[2:]):
        assert one.seen.equals(other.unseen)
        assert one.unseen.equals(other.seen)
    assert not pairs[0].seen.equals(pairs[2].seen)
    assert len(exchanged_halves(_table(3_000, 3, 0), seed=1)) == 2
    assert len(exchanged_halves(_table(5_000, 3, 0), seed=1)) == 1


def test_a_short_wide_table_needs_a_high_penalty() -> None:
    clean = clean_table(_table(200, 60, 1))
    found = tune_privacy(
        clean.table, clean.schema, [column.name for column in clean.schema.learned()], seed=0
    )
    assert found.penalty > 5
    assert found.error > 0
    assert found.share < 0.6


def test_only_columns_that_half_models_disagree_on_are_tested_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tested: list[int] = []
    answers = {3: [True, False], 4: [False, False]}  # other columns: scores

    def is_likelier(preferred: Callable[..., object], *_: object, seed: int, **__: object) -> bool:
        if preferred.__name__ != "by_scores":
            return False
        tested.append(seed)
        return answers.get(seed, [True, True])[tested.count(seed) - 1]

    monkeypatch.setattr(grow, "is_likelier", is_likelier)
    monkeypatch.setattr(structure, "threads", lambda: 1)
    clean = clean_table(_table(600, 6, 2))
    names = [column.name for column in clean.schema.learned()]
    found = tune_privacy(clean.table, clean.schema, names, seed=0)
    assert sorted(tested) == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5], "once per half-model"
    tested.clear()
    answers[3] = [True]
    fitted = FOREST.fit(
        clean.table, clean.schema, names, seed=0, options=found.options, progress=no_progress
    )
    assert tested == [3]
    assert fitted.methods == {**dict.fromkeys(["c1", "c2", "c3", "c5"], "scores"), "c4": "trees"}


@pytest.mark.parametrize(("columns", "taken"), [(80, {}), (81, {"c1": "loglinear"})])
def test_halves_of_wide_tables_take_the_methods_of_the_first_one(
    monkeypatch: pytest.MonkeyPatch, columns: int, taken: dict[str, str]
) -> None:
    class Model:
        def __init__(self) -> None:
            self.methods = {"c1": "loglinear"}

    given: list[dict[str, str]] = []

    def fit(*_: object, options: dict[str, dict[str, str]], **__: object) -> Model:
        given.append(options["methods"])
        return Model()

    clean = clean_table(_table(200, 3, 2))
    pairs = exchanged_halves(clean.table, seed=1)[:2]
    order = [f"c{j}" for j in range(columns)]
    monkeypatch.setattr(FOREST, "fit", fit)
    halved = privacy_tuning._HalvedTable(pairs, clean.schema, order, rows=200, seed=0)
    privacy_tuning._half_models(halved, {})
    assert given == [{}, taken]


def _tune(
    monkeypatch: pytest.MonkeyPatch, clean, share: float
) -> tuple[PrivacyTuning, list[int], int]:
    """Tune where models of leaves have this share and models with tested columns have 0.5.

    Returns the result, the tested columns, and the number of shares measured of leaves only.
    """
    tested: list[int] = []
    measured: list[int] = []
    reported: list[float] = []

    def share_of(*_: object) -> tuple[float, float]:
        measured.append(len(tested))
        return (0.5 if tested else share), 0.005

    def is_likelier(preferred: Callable[..., object], *_: object, seed: int, **__: object) -> bool:
        if preferred.__name__ != "by_scores":
            return False
        tested.append(seed)
        return True

    monkeypatch.setattr(grow, "is_likelier", is_likelier)
    monkeypatch.setattr(privacy_tuning, "_share", share_of)
    order = [c.name for c in clean.schema.learned()]
    found = tune_privacy(clean.table, clean.schema, order, seed=0, progress=reported.append)
    assert reported == sorted(reported)
    assert reported[-1] == 1.0
    return found, tested, measured.count(0)


def test_big_tables_keep_leaves_if_these_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    found, tested, _ = _tune(monkeypatch, clean_table(_table(4_000, 4, 3)), 0.51)
    assert tested == []
    assert found.penalty == PENALTIES[0]
    assert found.methods == dict.fromkeys(["c1", "c2", "c3"], "trees")
    assert found.error == 0.005


def test_big_tables_test_columns_if_leaves_need_a_high_penalty(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found, tested, of_leaves = _tune(monkeypatch, clean_table(_table(4_000, 4, 3)), 0.56)
    assert of_leaves == 1
    assert sorted(tested) == [1, 2, 3]
    assert found.methods == dict.fromkeys(["c1", "c2", "c3"], "scores")
    assert found.share == 0.5


def test_one_copy_does_not_fail_a_model_without_copies_in_the_holdout() -> None:
    clean = clean_table(_table(4_000, 3, 4))
    halves = split_halves(clean.table, seed=0)
    fresh = clean_table(_table(4_000, 3, 5)).table
    drawn = pa.concat_tables([fresh] * 5).cast(halves.seen.schema)
    for copies, fails in ((0, False), (1, False), (40, True)):
        rows = pa.concat_tables([halves.seen.slice(0, copies), drawn.slice(copies)])
        above = privacy_tuning._copies_above(HalfModelRows(halves, rows), clean.schema)
        assert (above > 0) is fails


@pytest.mark.parametrize(
    ("shares", "chosen"),
    [
        ([0.56, 0.528, 0.50], 1),
        ([0.70, 0.66, 0.655], 1),
        ([0.534, 0.52, 0.51], 0),
        ([0.70, 0.60, 0.55], 2),
    ],
)
def test_the_smallest_penalty_that_passes_or_is_as_good_is_chosen(
    shares: list[float], chosen: int
) -> None:
    empty = pa.table({"a": [1.0]})
    rows = HalfModelRows(Halves(empty, empty), empty)
    tested = [PrivacyTuning(float(i), share, 0.01, 0.0, rows) for i, share in enumerate(shares)]
    assert search_strength(len(tested), 1, tested.__getitem__) is tested[chosen]


def test_more_copies_than_the_base_rate_do_not_pass() -> None:
    empty = pa.table({"a": [1.0]})
    rows = HalfModelRows(Halves(empty, empty), empty)
    assert PrivacyTuning(3.0, 0.51, 0.01, -0.01, rows).passes
    assert not PrivacyTuning(3.0, 0.51, 0.01, 0.01, rows).passes


def test_strict_needs_the_share_beside_the_attackers() -> None:
    empty = pa.table({"a": [1.0]})
    rows = HalfModelRows(Halves(empty, empty), empty)
    gains = {name: Gain(0.01, 0.01) for name in NAMES}
    for share, strict, passes in ((0.56, False, True), (0.56, True, False), (0.52, True, True)):
        found = PrivacyTuning(
            3.0, share, 0.01, -0.01, rows, disclosure=Disclosure(gains), strict=strict
        )
        assert found.passes is passes


def test_strict_takes_the_largest_scale_whose_share_is_within_the_bar(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scales: list[float] = []

    class Model:
        @property
        def methods(self) -> dict[str, str]:
            return {"c1": "loglinear"}

        def with_strength(self, _penalty: float, scale: float) -> "Model":
            scales.append(scale)
            return self

    def drawn(*_: object, **__: object) -> float:
        return scales[-1]

    gains = {name: Gain(0.0, 0.01) for name in NAMES}
    monkeypatch.setattr(FOREST, "fit", lambda *_, **__: Model())
    monkeypatch.setattr(privacy_tuning, "draw_rows", drawn)
    monkeypatch.setattr(privacy_tuning, "_copies_above", lambda *_: -0.01)
    monkeypatch.setattr(privacy_tuning, "_share", lambda scale, *_: (0.5 + 0.05 * scale, 0.01))
    monkeypatch.setattr(privacy_tuning, "practical_disclosure", lambda *_: Disclosure(gains))
    monkeypatch.setattr(privacy_tuning, "strong_disclosure", lambda *_: None)
    clean = clean_table(_table(600, 3, 6))
    order = [c.name for c in clean.schema.learned()]
    loose, strict = (
        tune_privacy(clean.table, clean.schema, order, seed=0, strict=strict)
        for strict in (False, True)
    )
    assert (loose.scale, strict.scale) == (2.0, 0.5)
    assert loose.share == pytest.approx(0.6)
    assert strict.share == pytest.approx(0.525)


@pytest.mark.parametrize(
    ("nearness", "is_wide", "chosen"),
    [([0.08, 0.08, 0.07], True, 0), ([0.14, 0.08, 0.07], True, 1), ([0.08, 0.08, 0.07], False, 2)],
)
def test_wide_tables_lose_no_relations_for_nothing(
    nearness: list[float], is_wide: bool, chosen: int
) -> None:
    empty = pa.table({"a": [1.0]})
    rows = HalfModelRows(Halves(empty, empty), empty)
    tried = {
        i: PrivacyTuning(
            3.0,
            0.6,
            0.01,
            -0.01,
            rows,
            disclosure=Disclosure({"nearness": Gain(gain, 0.01)}, is_wide=is_wide),
        )
        for i, gain in enumerate(nearness)
    }
    assert privacy_tuning._as_good(tried, 2) == chosen
