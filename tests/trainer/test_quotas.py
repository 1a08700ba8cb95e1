"""Quotas: met to the row, nearest to the learned distribution, contradictions and misses named."""

import datetime as dt

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from simulacra_crds.tasks import FitRequest, GenerateRequest
from simulacra_intake.errors import InputError
from simulacra_schema.conditions import ConditionSet
from simulacra_schema.table import ColumnSchema
from simulacra_trainer.conditions import InfeasibleError, plan_rows
from simulacra_trainer.conditions.cells import find_cells
from simulacra_trainer.conditions.conflicts import refuse_contradictions
from simulacra_trainer.conditions.margins import rake
from simulacra_trainer.conditions.plan import _request
from simulacra_trainer.conditions.quota_cells import quota_conditions, rows_in
from simulacra_trainer.pipeline.fit import TrainedModel, fit_model
from simulacra_trainer.pipeline.generate import generate_rows, plan_generation
from simulacra_trainer.pipeline.generation_report import report_generation
from simulacra_trainer.pipeline.row_plan import draw_chunk
from simulacra_trainer.report import render_html
from trainer_tables import clean, levels_column, numbers_column

SETTINGS = settings(max_examples=80, deadline=None, derandomize=True)


def pool_of(rows: int, seed: int) -> pa.Table:
    rng = np.random.default_rng(seed)
    age = rng.integers(18, 90, rows)
    words = np.array(["a", "b", "c"])[(age // 25 + rng.integers(0, 2, rows)) % 3]
    return pa.table(
        {
            "age": pa.array(age, mask=rng.random(rows) < 0.05),
            "segment": pa.array(words).dictionary_encode(),
            "price": pa.array(rng.normal(5, 1, rows)),
        }
    )


def random_cell(rng: np.random.Generator) -> dict:
    where: dict = {}
    if rng.random() < 0.7:
        low = int(rng.integers(18, 80))
        where["age"] = {"min": low, "max": low + int(rng.integers(5, 40))}
    if rng.random() < 0.6:
        where["segment"] = [*rng.choice(["a", "b", "c"], rng.integers(1, 3), replace=False)]
    if not where or rng.random() < 0.3:
        where["price"] = {"max": round(float(rng.normal(5, 1)), 2)}
    return where


@st.composite
def feasible_sheets(draw):
    """Overlapping quotas that a weighting of the pool's rows has, exact and with ends."""
    seed = draw(st.integers(0, 2**31))
    rng = np.random.default_rng(seed)
    pool = pool_of(draw(st.sampled_from([300, 5_000])), seed)
    weight = rng.dirichlet(np.full(pool.num_rows, 0.5))
    quotas = []
    for _ in range(draw(st.integers(1, 6))):
        where = random_cell(rng)
        inside = rows_in(ConditionSet(quotas=[{"where": where, "min": 0.0}]).quotas[0], pool)
        share = float(min(weight[inside].sum(), 1.0))
        ends = {"min": share * 0.9, "max": min(share * 1.05, 1.0)}
        quotas.append({"where": where, **({"share": share} if rng.random() < 0.6 else ends)})
    shares = {
        level: float(weight[np.array(pool.column("segment").to_pylist()) == level].sum())
        for level in ("a", "b")
    }
    conditions = {
        "quotas": quotas,
        "categorical": {"segment": shares} if rng.random() < 0.4 else {},
    }
    return pool, ConditionSet.model_validate(conditions), draw(st.sampled_from([1_000, 20_000]))


@SETTINGS
@given(feasible_sheets())
def test_every_feasible_sheet_is_met_to_the_row(case) -> None:
    pool, conditions, n = case
    plan = plan_rows(pool, conditions, n, np.random.default_rng(1), behind=500.0)
    drawn = pool.take(pa.array(plan.indices))
    for quota, found in zip(conditions.quotas, plan.attainment.quotas, strict=True):
        rows = int(rows_in(quota, drawn).sum())
        low, high = quota.bounds
        assert (found.rows, found.attained) == (rows, rows / n)
        # feasible as fractions; whole rows on a sparse support may lie one row off, never more
        assert low * n - 2 < rows < high * n + 2
        is_met = low * n - 1 + 1e-6 < rows < high * n + 1 - 1e-6
        assert is_met or not found.met
        assert found.met or found.why
    if pool.num_rows > 1_000:
        assert plan.attainment.status == "exact"


@SETTINGS
@given(st.integers(0, 2**31))
def test_bounded_quotas_are_raked_to_the_nearest_distribution(seed: int) -> None:
    rng = np.random.default_rng(seed)
    pool = pool_of(400, seed)
    cells = [random_cell(rng) for _ in range(3)]
    asked = ConditionSet(quotas=[{"where": where, "min": 0.0} for where in cells]).quotas
    inside = np.array([rows_in(one, pool) for one in asked])
    wanted = inside @ rng.dirichlet(np.full(pool.num_rows, 0.3))
    ends = [{"min": max(w - 0.02, 0), "max": min(w + 0.02, 1)} for w in wanted]
    quotas = quota_conditions(
        ConditionSet(quotas=[{"where": w, **e} for w, e in zip(cells, ends, strict=True)]).quotas
    )
    request = _request([], quotas)
    of_rows = find_cells([q.classify(pool) for q in quotas], [2] * 3, pool.num_rows)
    p, error = rake(of_rows, of_rows.weight, request.bounds.low, 5_000, request.bounds)
    if error > 1e-9:  # on the boundary of what is attainable
        return
    assert request.bounds.distance(of_rows.margins(p)).max() < 1e-7

    def divergence(q: np.ndarray) -> float:
        return float(np.sum(q * np.log(np.maximum(q, 1e-300) / of_rows.weight)))

    rows = of_rows.incidence.toarray()[::2]
    low, high = request.bounds.low[::2], request.bounds.high[::2]
    best = minimize(
        divergence,
        p,
        jac=lambda q: np.log(np.maximum(q, 1e-300) / of_rows.weight) + 1,
        bounds=[(1e-12, 1)] * len(p),
        constraints=[
            {"type": "eq", "fun": lambda q: q.sum() - 1},
            {"type": "ineq", "fun": lambda q: rows @ q - low},
            {"type": "ineq", "fun": lambda q: high - rows @ q},
        ],
    )
    if best.success:
        assert divergence(p) <= divergence(best.x) + 1e-5


def test_a_rest_that_no_quota_names_keeps_its_mix() -> None:
    pool = pool_of(50_000, 3)
    asked = ConditionSet(quotas=[{"where": {"age": {"max": 30}}, "share": 0.6}])
    plan = plan_rows(pool, asked, 20_000, np.random.default_rng(0))
    drawn, young = pool.take(pa.array(plan.indices)), rows_in(asked.quotas[0], pool)
    of_drawn = rows_in(asked.quotas[0], drawn)
    for before, after in ((young, of_drawn), (~young, ~of_drawn)):
        mix = [
            np.mean(np.array(table.column("segment").to_pylist())[rows] == "a")
            for table, rows in ((pool, before), (drawn, after))
        ]
        assert mix[1] == pytest.approx(mix[0], abs=0.02)


def test_contradictions_name_the_quotas_that_they_need(trained: TrainedModel) -> None:
    asked = ConditionSet(
        quotas=[
            {"where": {"city": "ada"}, "min": 0.1},
            {"where": {"age": {"max": 40}}, "share": 0.5},
            {"where": {"segment": "switcher"}, "share": 0.7},
            {"where": {"age": {"min": 41}, "segment": "switcher"}, "max": 0.1},
        ]
    )
    with pytest.raises(InfeasibleError) as caught:
        refuse_contradictions(asked, trained.schema)
    assert caught.value.pointer == "/conditions/quotas/1"
    assert 'and "age" at least 41 and "segment" "switcher" (at most 10 %)' in caught.value.detail
    assert "city" not in caught.value.detail
    assert "age" not in str(caught.value)
    refuse_contradictions(asked.model_copy(update={"quotas": asked.quotas[:3]}), trained.schema)


def test_what_the_data_cannot_give_is_told_with_its_reason() -> None:
    pool = pool_of(2_000, 5).append_column("sex", pa.array(["m"] * 2_000).dictionary_encode())
    asked = ConditionSet(
        quotas=[
            {"where": {"age": {"min": 200}}, "share": 0.2},
            {"where": {"segment": "a"}, "share": 0.5},
            {"where": {"segment": ["a", "b"], "sex": "m"}, "max": 0.4},
        ]
    )
    found = plan_rows(pool, asked, 1_000, np.random.default_rng(0)).attainment
    nobody, *others = found.quotas
    assert (found.status, nobody.met, nobody.rows) == ("partial", False, 0)
    assert "draws no row" in nobody.why
    (missed,) = [one for one in others if not one.met]
    assert "quota 2" in missed.why
    assert "quota 3" in missed.why
    assert "quota 1" not in missed.why
    assert (found.summary().asked, found.summary().met) == (3, 1)
    assert found.summary().max_abs_error == pytest.approx(0.2)


def asked_rows(trained: TrainedModel, n: int = 2_000, **conditions) -> tuple:
    request = GenerateRequest(row_count=n, seed=4, conditions=conditions)
    plan = plan_generation(trained, request)
    return plan, pa.concat_tables(generate_rows(trained, plan)), request


def test_a_rare_cell_has_as_many_numbers_as_its_range(trained: TrainedModel) -> None:
    first = {"where": {"price": {"min": 5.4, "max": 5.6}, "age": {"min": 30}}, "share": 0.5}
    where = {"where": {"price": {"min": 5.49, "max": 5.49}}, "share": 0.3}
    plan, table, _ = asked_rows(trained, quotas=[where, first])
    price = np.array(table.column("price").to_pylist(), dtype=float)
    assert plan.attainment.status == "exact"
    assert (price == 5.49).sum() == 600
    age = np.array(table.column("age").to_pylist(), dtype=float)
    assert ((price >= 5.4) & (price <= 5.6) & (age >= 30)).sum() == 1_000
    assert np.unique(age[price == 5.49]).size > 20
    backing = [one.backing for one in plan.attainment.quotas]
    assert 0 <= backing[0] < backing[1] < 3_000


def test_weights_of_rare_cells_keep_the_learned_distribution(trained: TrainedModel) -> None:
    rare = {"where": {"price": {"min": 5.49, "max": 5.5}}, "max": 1.0}
    plan, _, _ = asked_rows(trained, quotas=[rare])
    assert plan.weights is not None
    price = np.array(plan.given.column("price").to_pylist(), dtype=float)
    drawn = trained.model.sample(100_000, np.random.default_rng(0))
    learned = np.array(drawn.column("price").to_pylist(), dtype=float)
    inside, there = (price >= 5.49) & (price <= 5.5), (learned >= 5.49) & (learned <= 5.5)
    share = plan.weights[inside].sum() / plan.weights.sum()
    assert share == pytest.approx(there.mean(), rel=0.15)
    assert np.average(price, weights=plan.weights) == pytest.approx(learned.mean(), rel=0.01)


@pytest.fixture(scope="module")
def visits() -> TrainedModel:
    rng = np.random.default_rng(2)
    days = rng.integers(0, 366, 900)
    spring = (days > 60) & (days < 152)
    moments = [dt.datetime(2024, 1, 1) + dt.timedelta(days=int(day)) for day in days]
    word = np.where(rng.random(900) < np.where(spring, 0.8, 0.3), "yes", "no")
    table, schema = clean(
        (
            pa.array(moments, pa.timestamp("us")),
            ColumnSchema(
                name="visited",
                kind="datetime",
                storage="date32[day]",
                minimum=dt.datetime(2024, 1, 1, tzinfo=dt.UTC).timestamp(),
                maximum=dt.datetime(2024, 12, 31, tzinfo=dt.UTC).timestamp(),
            ),
        ),
        levels_column("bought", word.tolist()),
        numbers_column("spent", np.round(rng.normal(50, 10, 900), 2)),
    )
    return fit_model(table, schema, FitRequest(seed=1))


def test_dates_are_ranges_of_all_rows_and_of_quotas(visits: TrainedModel) -> None:
    spring = {"visited": {"earliest": "2024-03-01", "latest": "2024-05-31"}, "bought": "yes"}
    one_day = {"visited": {"earliest": "2024-07-04", "latest": "2024-07-04"}}
    plan, table, request = asked_rows(
        visits,
        1_000,
        quotas=[{"where": spring, "share": 0.4}, {"where": one_day, "share": 0.1}],
        numeric={"visited": {"earliest": "2024-02-01", "latest": "2024-08-31"}},
    )
    assert plan.attainment.status == "exact"
    days = table.column("visited").to_pylist()
    assert min(days) >= dt.date(2024, 2, 1)
    assert max(days) <= dt.date(2024, 8, 31)
    bought = table.column("bought").to_pylist()
    inside = [dt.date(2024, 3, 1) <= day <= dt.date(2024, 5, 31) for day in days]
    assert sum(i and b == "yes" for i, b in zip(inside, bought, strict=True)) == 400
    assert days.count(dt.date(2024, 7, 4)) == 100
    (of_all,) = plan.attainment.conditions
    assert (of_all.earliest, of_all.latest, of_all.met) == ("2024-02-01", "2024-08-31", True)
    report = report_generation(visits, request, plan, draw_chunk(plan, 0, 0, 1_000))
    assert report["asked"]["reweighted"] is False  # few people came on that one day
    alone, _, asked = asked_rows(visits, 1_000, quotas=[{"where": spring, "share": 0.4}])
    compared = report_generation(visits, asked, alone, draw_chunk(alone, 0, 0, 1_000))
    assert compared["asked"]["reweighted"] is True
    assert report["conditions"]["quotas"][0]["met"] is True
    page = render_html(report)
    for said in ("visited between 2024-03-01 and 2024-05-31", "from 2024-02-01 to 2024-08-31"):
        assert said in page


def test_quotas_hold_with_interventions_and_in_pairs(trained: TrainedModel) -> None:
    quota = {"where": {"age": {"min": 18, "max": 27}, "segment": "switcher"}, "share": 0.3}
    request = GenerateRequest(
        row_count=1_000,
        seed=1,
        conditions={"quotas": [quota]},
        interventions={"price": 5.49},
        counterfactual=True,
    )
    table = pa.concat_tables(generate_rows(trained, plan_generation(trained, request)))
    facts = table.filter(
        pa.array([world == "factual" for world in table.column("world").to_pylist()])
    )
    age = np.array(facts.column("age").to_pylist(), dtype=float)
    of = np.array(facts.column("segment").to_pylist())
    assert ((age >= 18) & (age <= 27) & (of == "switcher")).sum() == 150


def test_a_wrong_quota_is_refused_before_rows_are_drawn(trained: TrainedModel) -> None:
    request = GenerateRequest(
        row_count=10, conditions={"quotas": [{"where": {"agee": {"min": 3}}, "share": 0.1}]}
    )
    with pytest.raises(InputError) as caught:
        plan_generation(trained, request)
    assert caught.value.pointer == "/conditions/quotas/0/where/agee"
