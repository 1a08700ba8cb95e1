"""Names inside one another (a town in its region) lie in one another in every generated row."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pyarrow as pa
import pytest

from simulacra_crds.reasons import Reason
from simulacra_crds.tasks import GenerateRequest
from simulacra_intake.errors import InputError
from simulacra_schema.table import RelationSchema
from simulacra_trainer.cleaning.clean import CleanTable, clean_table
from simulacra_trainer.families.base import FittedModel, no_progress
from simulacra_trainer.families.forest import FOREST
from simulacra_trainer.graph import CausalGraph
from simulacra_trainer.pipeline.generate import generate_rows, plan_generation
from simulacra_trainer.relations.compute import sentence, without_computed
from simulacra_trainer.relations.plan import counted, with_relations
from simulacra_trainer.trained_model import TrainedModel, load_family

ORDERS = [
    ["country", "region", "town"],
    ["town", "region", "country"],
    ["region", "town", "country"],
]


def places(rows: int = 1_200, seed: int = 1) -> dict[str, np.ndarray]:
    """Return towns in regions in countries, some of them gaps, some towns of few persons."""
    rng = np.random.default_rng(seed)
    size = 1 / (np.arange(140) + 6.0)
    town = rng.choice(140, rows, p=size / size.sum())
    town[:6] = [140, 140, 140, 141, 141, 141]  # three persons each
    region = np.random.default_rng(0).integers(0, 40, 142)[town]
    answer = np.round(region % 4 + 0.3 * (town % 3) + rng.normal(size=rows), 2)
    names = {
        "country": np.array([f"country {k % 3}" for k in region], object),
        "region": np.array([f"region {k}" for k in region], object),
        "town": np.array([f"town {k}" for k in town], object),
    }
    names["town"][rng.random(rows) < 0.04] = None
    names["region"][rng.random(rows) < 0.03] = None
    return {**names, "answer": answer, "vote": rng.choice(["x", "y", "z"], rows)}


def cleaned(columns: dict[str, np.ndarray]) -> CleanTable:
    return clean_table(pa.table({name: pa.array(values) for name, values in columns.items()}))


def nested(columns: dict[str, np.ndarray]) -> dict[tuple[str, str], RelationSchema]:
    return {(one.of[0], one.column): one for one in cleaned(columns).schema.nested()}


def related(clean: CleanTable, order: list[str], family: str = "forest") -> FittedModel:
    names = [*order, *(name for name in clean.table.column_names if name not in order)]
    fit = (FOREST if family == "forest" else load_family(family)).fit
    learned = without_computed(clean.schema)
    model = fit(clean.table, learned, names, seed=0, options={}, progress=no_progress)
    return with_relations(model, clean.schema, clean.table)


def faults(rows: pa.Table, columns: dict[str, np.ndarray], *pairs: tuple[str, str]) -> int:
    """Return how often a level that five rows have lies elsewhere than in the upload."""
    wrong = 0
    for inner, outer in pairs or (("town", "region"), ("town", "country"), ("region", "country")):
        real = Counter(zip(columns[inner], columns[outer], strict=True))
        known = dict(pair for pair, count in real.items() if count >= 5 and None not in pair)
        drawn = zip(rows.column(inner).to_pylist(), rows.column(outer).to_pylist(), strict=True)
        wrong += sum(a in known and b not in (None, known[a]) for a, b in drawn)
    return wrong


def test_names_inside_one_another_are_found() -> None:
    columns = places()
    found = nested(columns)
    assert set(found) == {("town", "region"), ("town", "country"), ("region", "country")}
    assert sentence(found["region", "country"]) == "country is decided by region"
    assert found["town", "region"].gaps
    assert not found["region", "country"].gaps
    notes = {(one.column, one.action) for one in cleaned(columns).schema.cleaning}
    assert ("country", "is decided by region, as in every row") in notes
    at = (columns["region"] == "region 25") & (columns["town"] == "town 1")
    columns["country"][np.flatnonzero(at)[0]] = "country 2"
    assert set(nested(columns)) == {("town", "region")}


def test_a_level_of_few_persons_does_not_tell_where_it_lies() -> None:
    columns = {name: np.repeat(values, 2) for name, values in places().items()}
    columns["customer_id"] = np.array([f"P{k:05d}" for k in np.arange(2_400) // 2])
    listed = {case.of[0]: case.value for case in nested(columns)["town", "region"].cases}
    assert {"town 140", "town 141", "(other)"}.isdisjoint(listed)
    assert listed["town 5"] == "region 1"
    few = np.flatnonzero(columns["town"] == "town 5")
    columns["region"][few[8:]] = None  # four persons with two rows each tell its region, at most
    assert "town 5" not in {case.of[0] for case in nested(columns)["town", "region"].cases}


def test_two_independent_names_and_a_gate_are_not_inside_one_another() -> None:
    rng = np.random.default_rng(0)
    kind = rng.choice(["house", "flat", "boat"], 600)
    rooms = np.where(kind == "house", rng.choice(["few", "many"], 600), None)
    assert not nested({"kind": kind, "rooms": rooms, "vote": rng.choice(["x", "y"], 600)})


@pytest.mark.parametrize("order", ORDERS)
def test_names_lie_in_one_another_in_any_order(order: list[str]) -> None:
    columns = places()
    clean = cleaned(columns)
    model = related(clean, order)
    rng = np.random.default_rng(1)
    rows = model.sample(3_000, rng)
    assert faults(rows, columns) == 0
    for name in ("town", "region", "country"):
        real, drawn = (Counter(of.column(name).to_pylist()) for of in (clean.table, rows))
        off = sum(abs(drawn[level] / 3_000 - real[level] / 1_200) for level in real) / 2
        assert off < 0.09
    for held in ("town", "region", "country"):  # as conditions do
        given = clean.table.select([held]).slice(0, 600)
        fixed = model.first([held]).sample(600, rng, given=given)
        assert fixed.column(held).equals(given.column(held))
        assert faults(fixed, columns) == 0
    for do in ({"town": "town 3"}, {"region": "region 25"}):
        for moved in (model.sample(600, rng, do=do), model.counterfactual(rows, do, rng)):
            ((name, value),) = do.items()
            assert set(moved.column(name).to_pylist()) == {value}
            is_free = name == "region" and order.index("town") < order.index("region")
            pairs = [("town", "region")] if not is_free else []
            assert faults(moved, columns, ("region", "country"), *pairs) == 0
            assert all(one["violations"] == 0 for one in counted(moved, clean.schema, do))


def test_a_name_inside_two_others_fits_both() -> None:
    rng = np.random.default_rng(2)
    group, brand = rng.integers(0, 6, 90), rng.integers(0, 8, 90)
    item = rng.integers(0, 90, 1_500)
    columns = {
        "group": np.array([f"group {k}" for k in group[item]]),
        "brand": np.array([f"brand {k}" for k in brand[item]]),
        "item": np.array([f"item {k}" for k in item]),
        "price": np.round(group[item] + rng.normal(size=1_500), 2),
    }
    clean = cleaned(columns)
    for order in (
        ["price", "group", "brand", "item"],
        ["item", "brand", "group"],
        ["brand", "item"],
    ):
        rows = related(clean, order).sample(2_000, rng)
        assert faults(rows, columns, ("item", "group"), ("item", "brand")) == 0


@pytest.mark.neural
def test_names_lie_in_one_another_in_the_neural_family(monkeypatch: pytest.MonkeyPatch) -> None:
    training = pytest.importorskip("simulacra_trainer.families.neural.training")
    monkeypatch.setattr(training, "BUDGET_S", 1.5)
    monkeypatch.setattr(training, "MIN_BUDGET_S", 0.5)
    columns = places()
    clean = cleaned(columns)
    model = related(clean, ORDERS[0], "neural")
    rng = np.random.default_rng(1)
    rows = model.sample(2_000, rng)
    given = clean.table.select(["region"]).slice(0, 600)
    fixed = model.first(["region"]).sample(600, rng, given=given)
    assert faults(rows, columns) == faults(fixed, columns) == 0


def test_requests_keep_the_names_inside_one_another() -> None:
    columns = places()
    clean = cleaned(columns)
    model = related(clean, ORDERS[0])
    graph = CausalGraph(order=model.columns, parent_lists={name: [] for name in model.columns})
    trained = TrainedModel(model, "forest", clean.table, clean.schema, graph)

    def drawn(**request: object) -> pa.Table:
        plan = plan_generation(trained, GenerateRequest(row_count=1_000, **request))
        return pa.concat_tables(generate_rows(trained, plan))

    assert faults(drawn(), columns) == 0
    levels = {"categorical": {"region": {"region 25": 0.5}, "country": {"country 0": 0.2}}}
    assert faults(drawn(conditions=levels), columns) == 0
    assert faults(drawn(conditions={"categorical": {"town": {"town 3": 0.4}}}), columns) == 0
    elsewhere = {"categorical": {"region": {"region 25": 1.0}, "country": {"country 0": 1.0}}}
    with pytest.raises(InputError) as raised:
        drawn(conditions=elsewhere)
    assert raised.value.reason is Reason.CONDITIONS_INFEASIBLE
