"""Attackers gain from copies of the rows and from nothing else, and the bar tells the two apart."""

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import mannwhitneyu

from simulacra_trainer.cleaning.clean import clean_table
from simulacra_trainer.pipeline.disclosure import (
    Disclosure,
    practical_disclosure,
    strong_disclosure,
)
from simulacra_trainer.pipeline.holdout import HalfModelRows, exchanged_halves
from simulacra_trainer.report.attackers.attacks import (
    CLOSE,
    Gain,
    _guessed,
    auc,
    nearest_rows,
    points_of,
)
from simulacra_trainer.report.attackers.published_tables import CAP, membership_by_tables

COLUMNS = 10


def people(rows: int, seed: int) -> pa.Table:
    rng = np.random.default_rng(seed)
    group = rng.random(rows)
    answers = {
        f"a{j}": np.array(["no", "maybe", "yes"])[
            np.digitize(0.5 * group + 0.5 * rng.random(rows), [0.35, 0.65])
        ]
        for j in range(COLUMNS - 1)
    }
    return pa.table({"age": np.round(20 + 60 * group), **answers})


def drawn_rows(share_of_copies: float) -> tuple[list[HalfModelRows], object]:
    """Return rows of two half-models that copy this share of their rows from the seen half."""
    everyone = clean_table(people(5000, 1))
    table, fresh = everyone.table.slice(0, 800), everyone.table.slice(800)
    drawn = []
    for k, halves in enumerate(exchanged_halves(table, seed=0)):
        copies = halves.seen.slice(0, int(share_of_copies * halves.seen.num_rows))
        others = fresh.slice(k * 2000, 1600 - copies.num_rows)
        drawn.append(HalfModelRows(halves, pa.concat_tables([copies, others])))
    return drawn, everyone.schema


def test_fresh_rows_give_no_attacker_anything() -> None:
    drawn, schema = drawn_rows(0.0)
    found = practical_disclosure(drawn, schema, seed=0)
    for gain in found.gains.values():
        assert abs(gain.value) < 3.5 * gain.error
    assert found.practical_passes
    gains = strong_disclosure(drawn, schema, [c.name for c in schema.learned()], seed=0)
    assert gains is not None
    assert abs(gains[0].value) < 4.0 * gains[0].error
    assert gains[1].value > 0.1, "exact tables tell more than rows of other people"


def test_copies_are_found_by_every_practical_attacker() -> None:
    drawn, schema = drawn_rows(1.0)
    found = practical_disclosure(drawn, schema, seed=0)
    for gain in found.gains.values():
        assert gain.value > 3.0 * gain.error
    assert not found.practical_passes
    assert found.to_json()["passes"] is False


def test_guess_of_a_secret_comes_from_the_row_nearest_in_the_other_columns() -> None:
    table = clean_table(people(600, 3)).table
    names = table.column_names
    members, drawn = points_of(table, [table.slice(0, 300), table.slice(300)], names)
    rng = np.random.default_rng(2)
    guessed = _guessed(members, drawn, secrets=np.arange(3))
    for secret, hit in enumerate(guessed):
        others = np.setdiff1d(np.arange(len(names)), [secret])
        apart = np.linalg.norm(
            members.of(others)[:, None].astype(float) - drawn.of(others)[None], axis=2
        )
        own, true = drawn.of(np.array([secret])), members.of(np.array([secret]))
        for row in rng.choice(300, 40, replace=False):
            near = np.flatnonzero(apart[row] < apart[row].min() + 1e-4)
            hits = np.abs(own[near] - true[row]).sum(axis=1) < CLOSE
            assert hit[row] in hits


def test_strong_attacker_is_compared_with_published_tables() -> None:
    quiet = {"nearness": Gain(0.0, 0.02), "inference": Gain(0.0, 0.02), "linkage": Gain(0.0, 0.02)}

    def passes(strong: float, published: float) -> bool:
        return Disclosure(quiet, Gain(strong, 0.01), Gain(published, 0.01)).strong_passes

    assert passes(0.30, 0.20)
    assert not passes(0.45, 0.20)
    assert passes(0.45, 0.45), "no more than the survey's own tables tell"
    assert Disclosure(quiet).allowed == CAP
    loud = {**quiet, "inference": Gain(0.2, 0.01)}
    assert not Disclosure(loud).practical_passes
    unsure = {**quiet, "inference": Gain(0.2, 0.2)}
    assert Disclosure(unsure).practical_passes, "chance alone does not fail a model"


def test_auc_counts_ties_half_and_has_the_error_of_a_mean() -> None:
    assert auc(np.zeros(50), np.zeros(40)).value == 0.0
    assert auc(np.ones(50), np.zeros(40)).value == 0.5
    rng = np.random.default_rng(0)
    members, controls = rng.integers(3, 9, 60).astype(float), rng.integers(0, 8, 40).astype(float)
    share = mannwhitneyu(members, controls).statistic / (60 * 40)
    assert auc(members, controls).value == pytest.approx(share - 0.5)
    found = [auc(rng.normal(size=200), rng.normal(size=200)) for _ in range(300)]
    spread = np.std([of.value for of in found])
    assert np.mean([of.error for of in found]) == pytest.approx(spread, rel=0.1)


def test_points_count_a_level_as_one_and_missing_apart() -> None:
    table = pa.table(
        {
            "age": pa.array([20.0, 40.0, None]),
            "kind": pa.array(["a", "b", "a"]).dictionary_encode(),
        }
    )
    (points,) = points_of(table, [table], ["age", "kind"])
    squared, place = nearest_rows(points.rows, points.rows, 2)
    assert place[:, 0].tolist() == [0, 1, 2]
    assert squared[:, 0] == pytest.approx(np.zeros(3), abs=1e-6)
    apart = np.sum((points.rows[0] - points.rows[1]) ** 2)
    assert apart == pytest.approx(1.0 + 0.25)


def test_tables_of_other_people_tell_nothing() -> None:
    clean = clean_table(people(1200, 4))
    names = [column.name for column in clean.schema.learned()]
    one, other = clean.table.slice(0, 600), clean.table.slice(600)
    own = membership_by_tables(one, other, names)
    assert own.value > 3.0 * own.error
    same = membership_by_tables(one, one, names)
    assert same.value == pytest.approx(0.0, abs=1e-9)
