"""Generation: conditions met to the row, interventions apart from them, one plan for all shards."""

import itertools
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from simulacra_crds.tasks import FitRequest, GenerateRequest
from simulacra_intake.errors import InputError
from simulacra_schema.conditions import ConditionSet, NumericRange
from simulacra_schema.questions.knowledge import Knowledge
from simulacra_trainer.conditions import InfeasibleError
from simulacra_trainer.pipeline import generate
from simulacra_trainer.pipeline.fit import TrainedModel, fit_model
from simulacra_trainer.pipeline.generate import generate_rows, plan_generation, shard_range
from trainer_tables import clean, levels_column, numbers_column


def rows(trained: TrainedModel, request: GenerateRequest) -> pa.Table:
    return pa.concat_tables(generate_rows(trained, plan_generation(trained, request)))


def column(table: pa.Table, name: str) -> np.ndarray:
    return np.array(table.column(name).to_pylist(), dtype=object)


def ask(
    n: int = 1000, seed: int = 0, do: dict | None = None, numeric: dict | None = None, **shares
) -> GenerateRequest:
    conditions = ConditionSet(categorical=shares, numeric=numeric or {})
    return GenerateRequest(row_count=n, seed=seed, conditions=conditions, interventions=do or {})


def test_columns_have_the_order_and_types_of_the_upload(trained: TrainedModel) -> None:
    table = rows(trained, ask(300))
    names = [c.name for c in trained.schema.columns]
    assert table.column_names == [*names, "evidence_weight"]
    stored = [c.storage for c in trained.schema.columns]
    assert [str(f.type) for f in table.schema] == [*stored, "double"]
    assert table.num_rows == 300


shares = st.floats(0.0, 1.0).map(lambda x: round(x, 3))


@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(
    n=st.integers(1, 700),
    switcher=shares,
    ada=st.floats(0.0, 0.5).map(lambda x: round(x, 3)),
    fay=st.floats(0.0, 0.5).map(lambda x: round(x, 3)),
    low=st.integers(18, 60),
    width=st.integers(3, 40),
    cents=st.integers(300, 900),
)
def test_every_share_is_met_to_the_row_inside_every_range(
    trained, n, switcher, ada, fay, low, width, cents
) -> None:
    price = cents / 100
    numeric = {
        "age": NumericRange(min=low, max=low + width),
        "price": NumericRange(min=price, max=price + 0.5),
    }
    request = ask(n, numeric=numeric, segment={"switcher": switcher}, city={"ada": ada, "fay": fay})
    try:
        plan = plan_generation(trained, request)
    except InfeasibleError:  # only where all are asked to be what no one of that age is
        if switcher in (0.0, 1.0) and (low > 45 or low < 20):
            return
        raise
    table = pa.concat_tables(generate_rows(trained, plan))
    age, paid = column(table, "age").astype(float), column(table, "price").astype(float)
    assert table.num_rows == n
    assert age.min() >= low
    assert age.max() <= low + width
    assert paid.min() >= price
    assert paid.max() <= price + 0.5
    assert plan.attainment is not None
    asked = {("segment", "switcher"): switcher, ("city", "ada"): ada, ("city", "fay"): fay}
    for outcome in plan.attainment.conditions:
        if outcome.level is not None:
            attained = np.mean(column(table, outcome.column) == outcome.level)
            assert attained == pytest.approx(outcome.attained)
            if outcome.met:
                assert abs(attained - asked[outcome.column, outcome.level]) * n <= 1 + 1e-6
    if plan.attainment.status == "exact":
        assert all(o.met for o in plan.attainment.conditions)
    else:  # only where the learned table has too few of such people: switchers are young
        assert low > 30 or n < 5 or low < 22


def test_fixed_values_of_two_continuous_columns_hold_in_every_row(trained: TrainedModel) -> None:
    numeric = {"price": NumericRange(min=5.49, max=5.49), "spend": NumericRange(min=60.0, max=60.0)}
    request = ask(500, numeric=numeric, segment={"switcher": 0.4})
    plan = plan_generation(trained, request)
    table = pa.concat_tables(generate_rows(trained, plan))
    assert set(table.column("price").to_pylist()) == {5.49}
    assert set(table.column("spend").to_pylist()) == {60.0}
    assert Counter(table.column("segment").to_pylist())["switcher"] == 200
    assert plan.attainment is not None
    assert plan.attainment.kl_nats > 3  # a narrow request is far from what was learned, and says so


def test_a_condition_changes_other_columns_as_in_the_data(trained: TrainedModel) -> None:
    young = column(rows(trained, ask(3000, segment={"switcher": 1.0})), "age").astype(float).mean()
    everyone = column(rows(trained, ask(3000)), "age").astype(float).mean()
    real = column(trained.table, "age")[column(trained.table, "segment") == "switcher"].astype(
        float
    )
    assert everyone - young > 10
    assert abs(young - np.mean(real)) < 2


def test_conflicting_ranges_are_refused_with_a_pointer(trained: TrainedModel) -> None:
    numeric = {"age": NumericRange(min=85), "spend": NumericRange(min=150)}
    with pytest.raises(InputError) as caught:
        plan_generation(trained, ask(100, numeric=numeric))
    assert caught.value.reason == "ConditionsInfeasible"
    assert caught.value.pointer is not None
    assert caught.value.pointer.startswith("/conditions/numeric/")
    assert "spend" not in caught.value.message


@pytest.mark.parametrize(
    ("request_", "where"),
    [
        (ask(10, nothing={"a": 0.5}), "/conditions/categorical/nothing"),
        (ask(10, segment={"nobody": 0.5}), "/conditions/categorical/segment/nobody"),
        (ask(10, segment={"switcher": 0.7, "loyal": 0.7}), "/conditions/categorical/segment"),
        (ask(10, numeric={"age": NumericRange(min=200)}), "/conditions/numeric/age"),
        (ask(10, numeric={"segment": NumericRange(min=1)}), "/conditions/numeric/segment"),
        (ask(10, do={"price": "cheap"}), "/interventions/price"),
        (ask(10, do={"segment": "nobody"}), "/interventions/segment"),
        (ask(10, do={"segment": "loyal"}, segment={"loyal": 0.5}), "/interventions/segment"),
        (ask(0), "/row_count"),
    ],
)
def test_a_wrong_request_names_the_field(
    trained: TrainedModel, request_: GenerateRequest, where: str
) -> None:
    with pytest.raises(InputError) as caught:
        plan_generation(trained, request_)
    assert caught.value.reason == "RequestInvalid"
    assert caught.value.pointer == where
    assert where in caught.value.detail


def test_a_range_without_a_whole_number_is_refused_for_integers(trained: TrainedModel) -> None:
    with pytest.raises(InputError) as caught:
        plan_generation(trained, ask(10, numeric={"age": NumericRange(min=30.2, max=30.8)}))
    assert caught.value.pointer == "/conditions/numeric/age"


@pytest.fixture(scope="module")
def dosed() -> TrainedModel:
    """severity moves dose and cure, dose cures: in the data the dosed are cured less often, though
    dose helps.
    """
    rng = np.random.default_rng(8)
    severity = rng.random(6000)
    dose = rng.random(6000) < 0.1 + 0.8 * severity
    cured = rng.random(6000) < np.clip(0.9 - 0.8 * severity + 0.25 * dose, 0, 1)
    words = [
        levels_column(n, list(np.where(v, "yes", "no")))
        for n, v in (("dose", dose), ("cured", cured))
    ]
    table, schema = clean(numbers_column("severity", np.round(severity, 3), 3), *words)
    knowledge = Knowledge(tiers=[["severity"], ["dose"], ["cured"]])
    return fit_model(table, schema, FitRequest(knowledge=knowledge, seed=2))


def rate(table: pa.Table) -> float:
    return float(np.mean(column(table, "cured") == "yes"))


def test_do_gives_the_effect_that_conditioning_misses(dosed: TrainedModel) -> None:
    n = 20_000
    seen = rate(rows(dosed, ask(n, dose={"yes": 1.0}))) - rate(
        rows(dosed, ask(n, dose={"no": 1.0}))
    )
    done = rate(rows(dosed, ask(n, do={"dose": "yes"}))) - rate(
        rows(dosed, ask(n, do={"dose": "no"}))
    )
    assert seen < 0.05
    assert 0.15 < done < 0.3  # the mechanism adds 0.25, less where it is clipped


def test_conditions_before_an_intervention_select_the_population(dosed: TrainedModel) -> None:
    numeric = {"severity": NumericRange(min=0.9)}
    treated = rows(dosed, ask(8000, do={"dose": "yes"}, numeric=numeric))
    untreated = rows(dosed, ask(8000, do={"dose": "no"}, numeric=numeric))
    assert column(treated, "severity").astype(float).min() >= 0.9
    assert set(column(treated, "dose")) == {"yes"}
    assert 0.12 < rate(treated) - rate(untreated) < 0.35
    severity = [column(t, "severity").astype(float).mean() for t in (treated, untreated)]
    assert abs(severity[0] - severity[1]) < 0.01


def test_conditions_after_an_intervention_are_met_on_its_outcome(dosed: TrainedModel) -> None:
    table = rows(dosed, ask(2000, do={"dose": "yes"}, cured={"no": 0.9}))
    assert Counter(table.column("cured").to_pylist()) == {"no": 1800, "yes": 200}
    assert set(column(table, "dose")) == {"yes"}
    everyone = column(rows(dosed, ask(8000)), "severity").astype(float).mean()
    assert (
        column(table, "severity").astype(float).mean() > everyone + 0.1
    )  # those not cured despite it are worse off


def test_rows_do_not_depend_on_the_number_of_shards(
    trained: TrainedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generate, "CHUNK_ROWS", 128)
    plan = plan_generation(trained, ask(1000, segment={"switcher": 0.37}))
    whole = pa.concat_tables(generate_rows(trained, plan))
    for shards in (2, 3, 7):
        parts = [t for i in range(shards) for t in generate_rows(trained, plan, i, shards)]
        assert pa.concat_tables(parts).equals(whole)
    assert Counter(whole.column("segment").to_pylist())["switcher"] == 370


@given(n=st.integers(1, 10_000_000), shards=st.integers(1, 1000))
def test_shards_cover_the_rows_once(n: int, shards: int) -> None:
    ranges = [shard_range(n, i, shards) for i in range(shards)]
    assert ranges[0][0] == 0
    assert ranges[-1][1] == n
    assert all(a[1] == b[0] for a, b in itertools.pairwise(ranges))
    assert max(b - a for a, b in ranges) - min(b - a for a, b in ranges) <= 1
