"""simulacra.inference against closed forms and statsmodels."""

import math
import sys
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from scipy import stats

from simulacra import inference


def rows(n: int = 1000, worth: float = 200.0) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    x = rng.normal(size=n)
    p = 1 / (1 + np.exp(-0.5 * x))
    return pd.DataFrame(
        {
            "x": x,
            "y": (rng.random(n) < p).astype(int),
            "z": 2 * x + rng.normal(size=n),
            "evidence_weight": worth / n,
        }
    )


@pytest.mark.parametrize("kind", [lambda t: t, pl.from_pandas, pa.Table.from_pandas])
def test_worth_is_the_sum_of_the_weights(kind: Any) -> None:
    table = kind(rows())
    assert inference.worth(table) == pytest.approx(200)
    assert inference.weight_column(table) == "evidence_weight"


def test_the_last_of_two_weights_is_ours() -> None:
    table = rows().rename(columns={"x": "evidence_weight_"})[
        ["evidence_weight", "y", "evidence_weight_"]
    ]
    assert inference.weight_column(table) == "evidence_weight_"


def test_rows_without_a_measured_worth_are_refused() -> None:
    with pytest.raises(ValueError, match="has no column evidence_weight"):
        inference.worth(rows().drop(columns="evidence_weight"))
    with pytest.raises(ValueError, match="was not measured"):
        inference.worth(rows(worth=math.nan))
    with pytest.raises(ValueError, match="was not measured"):
        inference.worth(pa.table({"evidence_weight": pa.nulls(3, pa.float64())}))


def test_worth_of_a_question_has_its_own_design_effect() -> None:
    effects = [{"column": "water", "design_effect": 5.0}, {"column": "age", "design_effect": 1.25}]
    report = {"design": {"design_effect": 2.5, "questions": effects}}
    # 1 / 200 is 1 / 1000 of the draw, and .004 of the respondents: twice and half of these.
    assert inference.worth(rows(), "water", report) == pytest.approx(1 / 0.009)
    assert inference.worth(rows(), "age", report) == pytest.approx(1 / 0.003)
    for asked in (("income", report), (None, report), ("water", {}), ("water", {"design": None})):
        assert inference.worth(rows(), *asked) == pytest.approx(200)


def test_pairs_are_refused_until_one_world_is_kept() -> None:
    table = rows()
    table.insert(0, "world", ["factual", "counterfactual"] * 500)
    table.insert(0, "pair", np.arange(1000) // 2)
    with pytest.raises(ValueError, match="Keep one world"):
        inference.worth(table)
    assert inference.worth(table[table.world == "factual"]) == pytest.approx(100)


def test_margin_is_that_of_a_share() -> None:
    assert inference.margin(0.5, 400) == pytest.approx(1.959964 * 0.025)
    assert inference.margin(0.0, 400) == 0
    for share, worth in ((1.5, 400), (0.5, 0)):
        with pytest.raises(ValueError, match="share from 0 to 1"):
            inference.margin(share, worth)


def test_one_table_pools_to_itself() -> None:
    found = inference.pool([0.4], [0.01])
    assert found.estimate == pytest.approx(0.4)
    assert found.standard_error == pytest.approx(0.1)
    assert found.high == pytest.approx(0.4 + 1.959964 * 0.1)
    assert found.degrees_of_freedom == math.inf


def test_evidence_rule_adds_the_noise_of_few_tables() -> None:
    q, u = np.array([0.30, 0.34, 0.32, 0.36, 0.28]), 0.0004
    found = inference.pool(q, [u] * 5)
    between = q.var(ddof=1)
    error = math.sqrt(u + between / 5)
    freedom = 4 * (1 + 5 * u / between) ** 2
    assert found.estimate == pytest.approx(0.32)
    assert found.standard_error == pytest.approx(error)
    assert found.degrees_of_freedom == pytest.approx(freedom)
    assert found.low == pytest.approx(0.32 - stats.t.ppf(0.975, freedom) * error)


def test_no_table_cannot_be_pooled() -> None:
    with pytest.raises(ValueError, match="at least one table"):
        inference.pool([], [])


@pytest.mark.parametrize("kind", [lambda t: t, pl.from_pandas, pa.Table.from_pandas])
def test_bootstrap_error_of_a_mean_is_that_of_the_respondents(kind: Any) -> None:
    table = rows()

    def mean(part: Any) -> float:
        return float(np.mean(np.asarray(part["z"])))

    found = inference.bootstrap(kind(table), mean, samples=400)
    error = table.z.std() / math.sqrt(200)
    assert found.estimate == pytest.approx(table.z.mean())
    # The standard error of a standard deviation over 400 samples is 3.5 %, of these ends 10 %.
    assert found.standard_error == pytest.approx(error, rel=0.12)
    assert found.high - found.estimate == pytest.approx(1.959964 * error, rel=0.3)
    assert found.estimate - found.low == pytest.approx(1.959964 * error, rel=0.3)
    assert found == inference.bootstrap(table, lambda part: part.z.mean(), samples=400)


def test_bootstrap_of_several_figures_of_a_group() -> None:
    group = rows()[lambda t: t.y == 1]
    found = inference.bootstrap(
        group, lambda part: part[["x", "z"]].median().to_numpy(), samples=200
    )
    assert found.estimate == pytest.approx(group[["x", "z"]].median())
    assert (found.low < found.estimate).all()
    assert (found.estimate < found.high).all()
    # Of a normal variable the median has an error of 1.2533 sd / sqrt(m).
    expected = 1.2533 * group[["x", "z"]].std() / math.sqrt(inference.worth(group))
    assert found.standard_error == pytest.approx(expected.to_numpy(), rel=0.25)


def test_bootstrap_of_a_median_of_few_values_is_a_point() -> None:
    table = rows().assign(x=[1.0] * 800 + [2.0] * 200)
    found = inference.bootstrap(table, lambda part: part.x.median())
    assert (found.low, found.estimate, found.high) == (1, 1, 1)


def test_bootstrap_refuses_what_it_cannot_judge() -> None:
    table = rows()
    with pytest.raises(ValueError, match="are worth 10 respondents"):
        inference.bootstrap(table[:50], lambda part: part.x.median())
    with pytest.raises(ValueError, match="and 100 samples"):
        inference.bootstrap(table, lambda part: part.x.median(), samples=50)
    with pytest.raises(ValueError, match="undefined in some bootstrap samples"):
        inference.bootstrap(table, lambda part: part.x[part.x > 3].median())
    with pytest.raises(ValueError, match="has no column evidence_weight"):
        inference.bootstrap(table[["x"]], lambda part: part.x.median())


def test_a_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "statsmodels.api", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install '\.\[inference\]'"):
        inference.glm(rows(), "y ~ x")


def test_glm_errors_are_those_of_the_respondents() -> None:
    pytest.importorskip("statsmodels")
    table = rows()
    few, many = (
        inference.glm(table.assign(evidence_weight=weight), "y ~ x", "binomial")
        for weight in (0.2, 1.0)
    )
    assert few.params.to_numpy() == pytest.approx(many.params.to_numpy(), rel=1e-6)
    # 200 of 1,000: a fifth of the information, whatever the rows.
    assert few.bse.to_numpy() == pytest.approx(many.bse.to_numpy() * math.sqrt(5), rel=1e-6)


def test_gaussian_glm_has_the_closed_form() -> None:
    pytest.importorskip("statsmodels")
    table = rows()
    found = inference.glm(pa.Table.from_pandas(table), "z ~ x")
    X = np.column_stack([np.ones(1000), table.x])
    beta, residual, *_ = np.linalg.lstsq(X, table.z, rcond=None)
    scale = 0.2 * residual[0] / (200 - 2)
    error = np.sqrt(np.diag(np.linalg.inv(0.2 * X.T @ X)) * scale)
    assert found.params.to_numpy() == pytest.approx(beta)
    assert found.bse.to_numpy() == pytest.approx(error)


def test_glm_leaves_out_rows_with_missing_values() -> None:
    pytest.importorskip("statsmodels")
    table = rows()
    holes = table.assign(x=table.x.where(np.arange(1000) % 4 > 0))
    whole = table[np.arange(1000) % 4 > 0]
    assert inference.glm(holes, "z ~ x").bse.to_numpy() == pytest.approx(
        inference.glm(whole, "z ~ x").bse.to_numpy()
    )


def test_glm_refuses_an_unknown_family() -> None:
    pytest.importorskip("statsmodels")
    with pytest.raises(ValueError, match="must be one of gaussian"):
        inference.glm(rows(), "y ~ x", "tweedie")


def test_filled_tables_are_pooled_by_rubins_rules() -> None:
    """Barnard and Rubin (1999): T = U + (1 + 1/m) B, and at most n - 1 degrees of freedom."""
    q, u, m, rows = [1.0, 1.2, 0.9, 1.1, 0.8], 0.04, 5, 100
    found = inference.pool_filled(q, [u] * m, rows=rows)
    added = 1.2 * 0.025
    share = added / (u + added)
    seen = 100 / 102 * 99 * (1 - share)
    expected = 1 / (share**2 / (m - 1) + 1 / seen)
    assert found.estimate == pytest.approx(1.0)
    assert found.standard_error == pytest.approx((u + added) ** 0.5)
    assert found.degrees_of_freedom == pytest.approx(expected)
    assert found.standard_error > inference.pool(q, [u] * m).standard_error
    alike = inference.pool_filled([[1.0, 2.0]] * 3, [[u, u]] * 3, rows=rows)
    assert alike.degrees_of_freedom == pytest.approx([99 * 100 / 102] * 2)
    with pytest.raises(ValueError, match="two filled tables"):
        inference.pool_filled([1.0], [u], rows=rows)
