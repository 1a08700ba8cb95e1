import numpy as np
import pyarrow as pa
import pytest

from simulacra_trainer.report.comparison.discriminator import two_sample_auc


def mixed(rows: int, seed: int, levels: int = 6) -> pa.Table:
    rng = np.random.default_rng(seed)
    level = rng.integers(0, levels, rows)
    names = np.array([f"l{i}" for i in range(levels)])
    return pa.table(
        {
            "k": pa.array(names[level]).dictionary_encode(),
            "x": pa.array(rng.normal(level % 3, 1, rows), mask=rng.random(rows) < 0.1),
            "n": pa.array(rng.poisson(1 + level)),
        }
    )


def auc(real: pa.Table, synthetic: pa.Table) -> float | None:
    return two_sample_auc(real, synthetic, real.column_names, np.random.default_rng(0))


def replaced(table: pa.Table, name: str, values) -> pa.Table:
    return table.set_column(table.column_names.index(name), name, values)


def test_rows_of_the_same_distribution_have_auc_one_half():
    assert auc(mixed(3_000, 1), mixed(3_000, 2)) == pytest.approx(0.5, abs=0.03)


def test_shift_gives_the_auc_of_the_optimal_classifier():
    rng = np.random.default_rng(0)
    real, shifted = (pa.table({"x": rng.normal(m, 1, 5_000)}) for m in (0, 1))
    assert auc(real, shifted) == pytest.approx(0.760, abs=0.02)  # Phi(1 / sqrt 2)


def test_lost_dependence_is_detected_with_equal_marginals():
    table = mixed(3_000, 2)
    broken = replaced(
        table, "k", table.column("k").take(pa.array(np.random.default_rng(0).permutation(3_000)))
    )
    assert auc(mixed(3_000, 1), broken) > 0.7


def test_levels_are_grouped_in_any_order():
    """Even against odd levels: no single cut on an order fixed beforehand separates them."""
    rng = np.random.default_rng(0)
    level = rng.integers(0, 40, 4_000)
    names = np.array([f"l{i}" for i in range(40)])[level]
    synthetic_side = rng.random(4_000) < 0.25 + 0.5 * (level % 2)
    parts = [
        pa.table({"k": pa.array(names[side]).dictionary_encode()})
        for side in (~synthetic_side, synthetic_side)
    ]
    assert auc(*parts) == pytest.approx(0.75, abs=0.02)


def test_more_levels_than_bins_and_missing_levels():
    rng = np.random.default_rng(0)
    names = np.array([f"l{i}" for i in range(700)])
    parts = [
        pa.table(
            {
                "k": pa.array(
                    rng.choice(names, 1_500), mask=rng.random(1_500) < p
                ).dictionary_encode()
            }
        )
        for p in (0.0, 0.5)
    ]
    assert auc(*parts) == pytest.approx(0.75, abs=0.03)


def test_weights_that_undo_a_shift_give_auc_one_half():
    rng = np.random.default_rng(0)
    shifted, plain = rng.normal(0.5, 1, 5_000), rng.normal(0, 1, 5_000)
    weights = np.exp(0.125 - 0.5 * shifted)  # the ratio of the two densities
    real = pa.table({"x": shifted, "w": weights / weights.mean()})
    synthetic = pa.table({"x": plain})
    weighted, unweighted = (
        two_sample_auc(real, synthetic, ["x"], np.random.default_rng(0), w) for w in ("w", None)
    )
    assert weighted == pytest.approx(0.5, abs=0.03)
    assert unweighted > 0.6


def test_same_rows_and_seed_give_the_same_auc_on_one_cpu_and_on_two(monkeypatch):
    found = []
    for cpus in ("1", "2"):
        monkeypatch.setenv("OMP_NUM_THREADS", cpus)
        found.append(auc(mixed(1_000, 1), mixed(1_000, 2)))
    assert found[0] == found[1]


def test_degenerate_tables():
    gone = pa.table(
        {"x": pa.nulls(200, pa.float64()), "k": pa.nulls(200, pa.string()).dictionary_encode()}
    )
    assert auc(gone, gone) == 0.5
    constant = pa.table({"x": [1.0] * 200})
    assert auc(constant, constant) == 0.5
    assert auc(constant.slice(0, 99), constant) is None
    wide = pa.table({f"c{i}": np.random.default_rng(i).normal(size=120) for i in range(200)})
    assert auc(wide, wide) is not None
