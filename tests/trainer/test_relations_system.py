"""Relations as a system: a basis of few values is learned, the rest follows, all is checked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from simulacra_crds.tasks import FitRequest, GenerateRequest
from simulacra_intake.errors import InputError
from simulacra_schema.table import RelationSchema
from simulacra_trainer.cleaning.clean import CleanTable, clean_table
from simulacra_trainer.families.base import FittedModel
from simulacra_trainer.families.forest import FOREST
from simulacra_trainer.linked.model import fit_linked
from simulacra_trainer.linked.tables import linked_tables
from simulacra_trainer.pipeline.fit import fit_model
from simulacra_trainer.pipeline.generate import generate_rows, plan_generation
from simulacra_trainer.relations.compute import sentence, violations, without_computed
from simulacra_trainer.relations.find import with_basis
from simulacra_trainer.relations.pairs import Identity
from simulacra_trainer.relations.plan import usable_relations, with_relations
from simulacra_trainer.trained_model import load_model, save_model

ROWS = 900


def cleaned(columns: dict[str, np.ndarray]) -> CleanTable:
    return clean_table(pa.table({name: pa.array(values) for name, values in columns.items()}))


def fitted(clean: CleanTable, order: list[str] | None = None) -> FittedModel:
    learned = without_computed(clean.schema)
    names = order or [column.name for column in learned.learned()]
    forest = FOREST.fit(clean.table, learned, names, seed=0, options={}, progress=lambda _: None)
    return with_relations(forest, clean.schema, clean.table)


def numbers(rows: pa.Table, name: str) -> np.ndarray:
    return rows.column(name).cast(pa.float64()).to_numpy(zero_copy_only=False)


def broken(rows: pa.Table, clean: CleanTable) -> dict[str, int]:
    counts = {sentence(one): violations(rows, one, clean.schema) for one in clean.schema.relations}
    return {text: count for text, count in counts.items() if count}


def shop(rows: int = ROWS, seed: int = 0) -> dict[str, np.ndarray]:
    """Return sales of two brands: shelf prices and discounts from a list, and what follows."""
    rng = np.random.default_rng(seed)
    week = rng.integers(0, 52, rows)
    store = rng.integers(0, 5, rows)
    price = np.array([1.69, 1.75, 1.79, 1.86, 1.89, 1.96, 1.99, 2.09])
    ours = price[np.clip(week // 9 + store % 2, 0, 7)]
    theirs = price[np.clip(week // 8 + 1 + store % 3 // 2, 0, 7)]
    cuts = np.array([0, 0, 0, 0.1, 0.17, 0.2, 0.3, 0.4, 0.24, 0.37])
    cut = cuts[(week * 7 + store) % 10]
    cut[:3] = 0.27  # a discount of three rows
    sale = np.round(ours - cut, 2)
    return {
        "week": week,
        "store": store,
        "sale": sale,
        "gap": np.round(theirs - sale, 2),
        "percent": np.array([float(f"{x:.6f}") * (1 + 2e-16) for x in cut / ours]),
        "cut": cut,
        "ours": ours,
        "theirs": theirs,
        "between": np.round(theirs - ours, 2),
        "bought": np.where(rng.random(rows) < 0.3 + 0.5 * (sale < 1.7), "ours", "theirs"),
    }


@pytest.fixture(scope="module")
def prices() -> tuple[CleanTable, FittedModel]:
    clean = cleaned(shop())
    return clean, fitted(clean)


def test_a_price_list_has_a_basis_of_few_values(prices: tuple[CleanTable, FittedModel]) -> None:
    clean, _ = prices
    assert {one.column for one in clean.schema.computed()} == {"sale", "gap", "percent", "between"}
    found = {frozenset([one.column, *one.of]) for one in clean.schema.relations}
    assert {
        frozenset(one)
        for one in (
            ("ours", "cut", "sale"),
            ("theirs", "sale", "gap"),
            ("cut", "ours", "percent"),
            ("theirs", "ours", "between"),
        )
    } <= found


@pytest.mark.parametrize("do", [{}, {"cut": 0.3}, {"ours": 1.99}])
def test_prices_are_of_the_list_and_add_up(
    prices: tuple[CleanTable, FittedModel], do: dict[str, float]
) -> None:
    clean, model = prices
    rows = model.sample(3_000, np.random.default_rng(1), do=do)
    assert broken(rows, clean) == {}
    assert np.allclose(numbers(rows, "sale"), numbers(rows, "ours") - numbers(rows, "cut"))
    share = numbers(rows, "cut") / numbers(rows, "ours")
    assert np.abs(numbers(rows, "percent") - share).max() < 1e-6
    listed = ["ours", "theirs", "cut"] + ([] if do else ["sale", "between"])
    for name in listed:
        real = np.round(numbers(clean.table, name), 2)
        assert set(np.round(numbers(rows, name), 2)) <= set(real), name
    twins = model.counterfactual(rows, {"cut": 0.1}, np.random.default_rng(2))
    assert broken(twins, clean) == {}
    assert set(numbers(twins, "cut")) == {0.1}


def test_identities_that_compute_nothing_are_checked() -> None:
    names = ["a", "b", "c", "d", "e"]

    def total(column: str, *of: str) -> Identity:
        one = RelationSchema(kind="linear", column=column, of=list(of), coefficients=[1, 1])
        return Identity((one,))

    found = with_basis(
        [total("c", "a", "b"), total("e", "c", "d"), total("e", "a", "d")], {}, names, 10
    )
    assert [(one.column, one.implied) for one in found] == [("c", False), ("e", False), ("e", True)]
    clean = cleaned({name: np.arange(60.0) % 11 for name in "ae"} | {"d": np.arange(60.0) % 7})
    assert violations(clean.table, found[2], clean.schema) > 0


def test_a_column_of_few_values_gets_no_new_ones() -> None:
    rng = np.random.default_rng(3)
    size = rng.choice([0.5, 0.75, 1.0, 1.5, 3.0], 700, p=[0.3, 0.3, 0.2, 0.199, 0.001])
    size[:4] = [2.25, 2.25, 4.5, 6.0]
    clean = cleaned({"size": size, "weight": size * 10 + rng.normal(size=700)})
    rows = fitted(clean).sample(20_000, np.random.default_rng(1))
    assert set(numbers(rows, "size")) <= set(size)


def interviews(rows: int = ROWS, seed: int = 4) -> dict[str, np.ndarray]:
    """Return interviews of three months: a length in minutes that depends on the mode."""
    rng = np.random.default_rng(seed)
    mode = rng.choice(["face", "web"], rows)
    minutes = np.where(mode == "face", rng.normal(75, 12, rows), rng.normal(50, 6, rows))
    start = np.datetime64("2024-01-08T08:00", "us") + rng.integers(
        0, 60 * 24 * 90, rows
    ) * np.timedelta64(1, "m")
    begun = rng.integers(480, 1200, rows)
    return {
        "end": start + np.maximum(np.round(minutes), 20).astype(int) * np.timedelta64(1, "m"),
        "mode": mode,
        "begun": begun,
        "ended": begun + rng.integers(1, 15, rows),
        "start": start,
    }


def minutes(rows: pa.Table) -> np.ndarray:
    end, start = (rows.column(n).cast(pa.int64()).to_numpy() for n in ("end", "start"))
    return (end - start) / 60e6


def test_start_and_end_keep_their_difference(tmp_path: Path) -> None:
    clean = cleaned(interviews())
    follow = clean.schema.following()
    assert follow == {"end": ["start"], "ended": ["begun"]}
    trained = fit_model(clean.table, clean.schema, FitRequest(family="forest"))
    assert trained.graph.order.index("start") < trained.graph.order.index("end")
    assert "start" in trained.graph.parents("end")
    assert "mode" in {*trained.graph.parents("end"), *trained.graph.parents("mode")} | {
        edge["source"] for edge in trained.graph.edges if edge["target"] == "end"
    } | {edge["target"] for edge in trained.graph.edges if edge["source"] == "end"}
    save_model(trained, tmp_path)
    loaded = load_model(tmp_path)
    real = minutes(clean.table)
    face = np.array(clean.table.column("mode").to_pylist()) == "face"
    for model in (trained.model, loaded.model):
        rows = model.sample(3_000, np.random.default_rng(1))
        drawn = minutes(rows)
        assert real.min() <= drawn.min() <= drawn.max() <= real.max()
        assert abs(np.median(drawn) - np.median(real)) < 4
        of_face = np.array(rows.column("mode").to_pylist()) == "face"
        gap = np.median(real[face]) - np.median(real[~face])
        assert np.median(drawn[of_face]) - np.median(drawn[~of_face]) > 0.7 * gap
        length = numbers(rows, "ended") - numbers(rows, "begun")
        assert 1 <= length.min() <= length.max() <= 14
    twins = trained.model.counterfactual(rows, {"begun": 600.0}, np.random.default_rng(2))
    assert set(numbers(twins, "ended") - 600) <= set(range(1, 15))
    asked = GenerateRequest.model_validate(
        {"rowCount": 500, "conditions": {"numeric": {"ended": {"min": 700, "max": 720}}}}
    )
    held = pa.concat_tables(generate_rows(trained, plan_generation(trained, asked)))
    assert 700 <= numbers(held, "ended").min() <= numbers(held, "ended").max() <= 720
    assert (numbers(held, "ended") - numbers(held, "begun")).max() <= 14
    with pytest.raises(InputError) as raised:
        plan_generation(trained, GenerateRequest(row_count=10, interventions={"ended": 800.0}))
    assert 'set one of these: "begun"' in str(raised.value.detail)


def test_a_column_that_edges_name_is_learned_itself() -> None:
    clean = cleaned(interviews())
    edge = {"source": "ended", "target": "mode"}
    for knowledge in ({"required": [edge]}, {"tiers": [["ended"], ["begun"]]}):
        request = FitRequest.model_validate({"knowledge": knowledge})
        assert set(usable_relations(clean.schema, request).following()) == {"end"}


def trips(rows: int = ROWS, seed: int = 5) -> dict[str, np.ndarray]:
    """Return trips with a price of each mode and the price of the chosen one, and dummies."""
    rng = np.random.default_rng(seed)
    modes = np.array(["bus", "car", "train"])
    prices = np.round(rng.gamma(3, 10, (3, rows)) + 5, 2)
    chosen = np.argmin(prices * rng.uniform(0.5, 1.5, (3, rows)), axis=0)
    region = rng.choice(5, rows, p=[0.4, 0.3, 0.2, 0.095, 0.005])
    dummies = {f"region_{k}": (region == k).astype(np.int64) for k in range(5)}
    paid = prices[chosen, np.arange(rows)]
    job = rng.choice(3, rows)
    return {
        "price": paid,
        **{f"price_{mode}": prices[k] for k, mode in enumerate(modes)},
        "people": rng.integers(1, 5, rows),
        **dummies,
        "works": np.where(job == 1, "yes", "no"),
        "studies": np.where(job == 2, "yes", "no"),
        "mode": modes[chosen],
        "mood": rng.normal(size=rows) + region,
    }


@pytest.fixture(scope="module")
def travel() -> tuple[CleanTable, FittedModel]:
    clean = cleaned(trips())
    return clean, fitted(clean)


def test_picks_and_groups_are_found(travel: tuple[CleanTable, FittedModel]) -> None:
    clean, _ = travel
    found = {one.kind: one for one in clean.schema.relations if one.kind != "not_above"}
    assert set(found) == {"picked", "exactly_one", "at_most_one"}
    assert found["picked"].column == "price"
    picks = {case.of[0]: case.value for case in found["picked"].cases}
    assert picks == {mode: f"price_{mode}" for mode in ("bus", "car", "train")}
    one, most = found["exactly_one"], found["at_most_one"]
    assert {one.column, *one.of} == {f"region_{k}" for k in range(5)}
    assert {most.column, *most.of} == {"works", "studies"}


@pytest.mark.parametrize("do", [{}, {"mode": "bus"}, {"region_3": 1.0}, {"region_0": 0.0}])
def test_picks_and_groups_hold(
    travel: tuple[CleanTable, FittedModel], do: dict[str, float | str]
) -> None:
    clean, model = travel
    rng = np.random.default_rng(1)
    rows = model.sample(2_000, rng, do=do)
    assert broken(rows, clean) == {}
    for name, value in do.items():
        assert set(rows.column(name).to_pylist()) == {value}
    mode = np.array(rows.column("mode").to_pylist())
    for kind in ("bus", "car", "train"):
        at = mode == kind
        assert (numbers(rows, "price")[at] == numbers(rows, f"price_{kind}")[at]).all()
    share = np.mean(numbers(rows, "region_1"))
    if not do:
        assert abs(share - np.mean(numbers(clean.table, "region_1"))) < 0.05
    if do:
        twins = model.counterfactual(model.sample(500, rng), do, rng)
        assert broken(twins, clean) == {}
    given = clean.table.select(["region_2"]).slice(0, 500)
    held = model.first(["region_2"]).sample(500, rng, given=given)
    assert broken(held, clean) == {}
    assert held.column("region_2").equals(given.column("region_2"))


def test_one_row_that_differs_ends_picks_and_groups() -> None:
    columns = trips()
    columns["price"][3] += 1
    columns["region_0"][5] = columns["region_1"][5] = 1
    columns["works"][np.flatnonzero(columns["studies"] == "yes")[0]] = "yes"
    kinds = {one.kind for one in cleaned(columns).schema.relations}
    assert not kinds & {"picked", "exactly_one"}


def test_rare_yes_answers_are_no_group() -> None:
    rng = np.random.default_rng(6)
    columns = {f"rare_{k}": (rng.random(600) < 0.02).astype(np.int64) for k in range(30)}
    assert cleaned(columns | {"x": rng.normal(size=600)}).schema.relations == []


def test_equal_columns_stay_equal() -> None:
    columns = trips()
    columns["again"] = columns["price_car"]
    clean = cleaned(columns)
    assert "again = price_car" in {sentence(one) for one in clean.schema.relations}
    picks = next(one for one in clean.schema.relations if one.kind == "picked").cases
    assert {str(case.value) for case in picks} == {f"price_{case.of[0]}" for case in picks}


def test_dummies_of_few_persons_are_a_group_in_linked_rows() -> None:
    rng = np.random.default_rng(0)
    who = np.repeat(np.arange(150), 4)
    place, trade = rng.choice(4, who.size), rng.choice(5, 150)[who]
    clean = cleaned(
        {
            "customer_id": np.array([f"C{p:04d}" for p in who]),
            **{f"place_{k}": (place == k).astype(int) for k in range(4)},
            **{f"trade_{k}": (trade == k).astype(int) for k in range(5)},
            "mood": rng.integers(1, 6, who.size),
        }
    )
    groups = [one for one in clean.schema.relations if one.kind == "exactly_one"]
    assert [len(one.of) for one in groups] == [3, 4]
    tables = linked_tables(clean.table, clean.schema)
    assert tables is not None
    schemas = tables.subject_schema, tables.event_schema
    methods = tuple({c.name: "trees" for c in s.learned()} for s in (*schemas, schemas[1]))
    order = [column.name for column in clean.schema.learned()]
    linked = fit_linked(tables, order, {"penalty": 3.0, "scale": 1.0}, methods)
    people = linked.subjects.sample(100, np.random.default_rng(1))
    rows, _ = linked.histories(people, np.random.default_rng(2))
    assert violations(rows, groups[0], clean.schema) == 0
    assert violations(people, groups[1], clean.schema) == 0
