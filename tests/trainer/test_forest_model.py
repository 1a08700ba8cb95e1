"""The forest family: what it keeps of a table, what it must not copy, that it is deterministic and
survives a disk.
"""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from safetensors.numpy import load_file, save_file

from simulacra_schema.table import ColumnSchema, TableSchema
from simulacra_trainer.families.base import ModelFileError, no_progress
from simulacra_trainer.families.codec import fit_codec
from simulacra_trainer.families.forest import FOREST, ForestModel
from simulacra_trainer.report.privacy import exact_copies
from trainer_tables import clean, levels_column, numbers_column, survey


def fit(table: pa.Table, schema: TableSchema, penalty: float = 3.0) -> ForestModel:
    return FOREST.fit(
        table,
        schema,
        table.column_names,
        seed=0,
        options={"penalty": penalty},
        progress=no_progress,
    )


def draw(model: ForestModel, n: int, seed: int = 0, **kwargs: object) -> pa.Table:
    return model.sample(n, np.random.default_rng(seed), **kwargs)


@pytest.fixture(scope="module")
def table_and_schema() -> tuple[pa.Table, TableSchema]:
    return survey(3000, seed=1)


@pytest.fixture(scope="module")
def trees(table_and_schema: tuple[pa.Table, TableSchema]) -> ForestModel:
    table, schema = table_and_schema
    options = {"methods": dict.fromkeys(table.column_names, "trees")}
    names = table.column_names
    return FOREST.fit(table, schema, names, seed=0, options=options, progress=no_progress)


def test_trees_taken_over_give_the_rows_of_a_fit_from_scratch() -> None:
    table, schema = survey(5000, seed=1)
    options = {"methods": dict.fromkeys(table.column_names, "trees")}
    names = table.column_names
    trees = FOREST.fit(table, schema, names, seed=0, options=options, progress=no_progress)
    fitted, chosen = fit(table, schema), trees.with_chosen_methods()
    assert set(chosen.methods.values()) == {"trees", "scores"}
    assert chosen.methods == fitted.methods
    assert draw(chosen, 500).equals(draw(fitted, 500))


@pytest.fixture(scope="module")
def model(table_and_schema: tuple[pa.Table, TableSchema]) -> ForestModel:
    return fit(*table_and_schema)


def test_drawn_table_has_types_and_levels_of_the_clean_table(
    model: ForestModel, table_and_schema
) -> None:
    table, _ = table_and_schema
    drawn = draw(model, 500)
    assert drawn.schema.equals(table.schema)
    assert drawn.column("city").chunk(0).dictionary.equals(table.column("city").chunk(0).dictionary)
    prices = np.array(drawn.column("price").to_pylist())
    assert np.allclose(prices, np.round(prices, 2), atol=1e-12)
    assert pc.min(drawn.column("age")).as_py() >= 18


def test_same_seed_gives_the_same_rows_with_any_number_of_threads(
    table_and_schema, monkeypatch
) -> None:
    drawn = []
    for threads in ("1", "4"):
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
        drawn.append(draw(fit(*table_and_schema), 2000, seed=9))
    assert drawn[0].equals(drawn[1])
    assert not draw(fit(*table_and_schema), 2000, seed=10).equals(drawn[0])


def test_marginals_and_a_strong_dependence_are_preserved(
    model: ForestModel, table_and_schema
) -> None:
    table, _ = table_and_schema
    drawn = draw(model, 20_000)
    for name in ("city", "segment"):
        real, made = (Counter(t.column(name).to_pylist()) for t in (table, drawn))
        for level in real:
            assert abs(real[level] / 3000 - made[level] / 20_000) < 0.03
    real_missing, made_missing = (
        t.column("income").null_count / t.num_rows for t in (table, drawn)
    )
    assert abs(real_missing - made_missing) < 0.02
    spend, age = (np.array(drawn.column(n).to_pylist(), float) for n in ("spend", "age"))
    real = np.corrcoef(*(np.array(table.column(n).to_pylist(), float) for n in ("spend", "age")))[
        0, 1
    ]
    assert abs(np.corrcoef(spend, age)[0, 1] - real) < 0.06


def test_a_functional_dependency_holds_in_both_orders_of_its_columns(table_and_schema) -> None:
    table, schema = table_and_schema
    for order in (["city", "region"], ["region", "city"]):
        rest = [c for c in table.column_names if c not in order]
        model = FOREST.fit(table, schema, [*order, *rest], seed=0, options={}, progress=no_progress)
        drawn = draw(model, 5000)
        pairs = set(
            zip(drawn.column("city").to_pylist(), drawn.column("region").to_pylist(), strict=True)
        )
        assert {city for city, region in pairs if region == "north"} == {"ada", "cel"}
        assert len(pairs) == 6


def test_exact_values_determined_by_another_column_are_not_mixed() -> None:
    rng = np.random.default_rng(5)
    year = rng.choice([2018, 2019, 2020, 2021], 6000)
    brackets = {
        y: np.round(np.exp(np.linspace(8, 12, 90)) * (1 + 0.013 * (y - 2018)))
        for y in (2018, 2019, 2020, 2021)
    }
    bracket = rng.integers(0, 90, 6000)
    income = np.array([brackets[y][b] for y, b in zip(year, bracket, strict=True)])
    table, schema = clean(
        numbers_column("year", year.astype(float), 0), numbers_column("income", income, 0)
    )
    drawn = draw(fit(table, schema), 6000)
    pairs = zip(drawn.column("year").to_pylist(), drawn.column("income").to_pylist(), strict=True)
    lawful = np.mean([income in brackets[year] for year, income in pairs])
    assert lawful > 0.9


def test_rare_levels_are_drawn_independently_of_their_owners() -> None:
    rng = np.random.default_rng(6)
    common = rng.choice(["x", "y"], 4000)
    rare = [f"rare{i}" for i in range(60)]
    job = np.where(
        np.arange(4000) < 60, np.resize(rare, 4000), np.where(common == "x", "baker", "smith")
    )
    side = np.where(np.arange(4000) < 60, "owner", "other")
    table, schema = clean(levels_column("side", list(side)), levels_column("job", list(job)))
    drawn = draw(fit(table, schema), 40_000)
    jobs = Counter(drawn.column("job").to_pylist())
    found = [jobs[name] for name in rare]
    assert min(found) > 0
    assert abs(sum(found) / 40_000 - 60 / 4000) < 0.004


def test_drawn_rows_copy_no_more_often_than_unseen_rows_do() -> None:
    table, schema = survey(4000, seed=11)
    train, holdout = table.slice(0, 2000), table.slice(2000)
    model = fit(train, schema)
    copies, base = exact_copies(train, holdout, draw(model, 20_000), table.column_names)
    assert copies <= base + 0.002


def test_do_keeps_other_mechanisms_and_differs_from_conditioning(model: ForestModel) -> None:
    """Switchers are young and the young spend more: conditioning on switchers moves spend,
    do(switcher) does not.
    """
    drawn = draw(model, 40_000)
    spend = np.array(drawn.column("spend").to_pylist())
    age = np.array(drawn.column("age").to_pylist())
    switcher = np.array(drawn.column("segment").to_pylist()) == "switcher"
    done = draw(model, 40_000, do={"segment": "switcher"})
    assert set(done.column("segment").to_pylist()) == {"switcher"}
    assert spend[switcher].mean() - spend.mean() > 20
    assert abs(np.mean(done.column("spend").to_pylist()) - spend.mean()) < 6
    assert abs(np.mean(done.column("age").to_pylist()) - age.mean()) < 0.5


def test_do_of_a_cause_moves_its_effect_by_the_mechanism(model: ForestModel) -> None:
    spends = [
        np.mean(draw(model, 20_000, do={"price": p}).column("spend").to_pylist())
        for p in (4.0, 7.0)
    ]
    assert -45 < spends[1] - spends[0] < -20  # the mechanism says -12 a unit, floored at zero


def test_first_reorders_columns_and_keeps_given_values(model: ForestModel) -> None:
    again = model.first(["spend", "segment"])
    assert again.columns[:2] == ["spend", "segment"]
    assert again.columns[2:] == [c for c in model.columns if c not in ("spend", "segment")]
    front = draw(again, 3000, only=2)
    assert front.column_names == ["spend", "segment"]
    rows = draw(again, 3000, seed=3, given=front)
    assert rows.select(["spend", "segment"]).equals(front)
    assert (
        again.first(["segment"])
        .first(model.columns)
        .sample(50, np.random.default_rng(0))
        .equals(draw(model, 50))
    )


def test_true_rows_are_likelier_than_shuffled_ones(model: ForestModel, table_and_schema) -> None:
    table, _ = table_and_schema
    unseen, _ = survey(1000, seed=77)
    shuffled = unseen.set_column(
        5,
        "spend",
        unseen.column("spend").take(pa.array(np.random.default_rng(0).permutation(1000))),
    )
    real, broken, seen = (model.log_likelihood(t).mean() for t in (unseen, shuffled, table))
    assert real > broken + 0.5
    assert seen >= real - 0.1
    assert np.isfinite([real, broken, seen]).all()


def test_saved_model_draws_the_same_rows(
    model: ForestModel, table_and_schema, tmp_path: Path
) -> None:
    model.save(tmp_path)
    loaded = FOREST.load(tmp_path, *table_and_schema)
    assert draw(loaded, 3000, seed=4).equals(draw(model, 3000, seed=4))
    assert loaded.columns == model.columns


def damage_feature(tensors: dict) -> None:
    tensors["feature"][:] = 99


def damage_child(tensors: dict) -> None:
    tensors["child"][:] = 0


def damage_stop(tensors: dict) -> None:
    tensors["stop"][:] = 2**30


def damage_donors(tensors: dict) -> None:
    tensors["donors"][:] = 10_000


def damage_type(tensors: dict) -> None:
    tensors["values"] = tensors["values"].astype(np.float32)


def damage_names(tensors: dict) -> None:
    tensors["more"] = np.zeros(3)


@pytest.mark.parametrize(
    "damage", [damage_feature, damage_child, damage_stop, damage_donors, damage_type, damage_names]
)
def test_damaged_tensors_are_rejected_before_a_kernel_reads_them(
    trees, table_and_schema, tmp_path: Path, damage
) -> None:
    trees.save(tmp_path)
    tensors = dict(load_file(tmp_path / "model.safetensors"))
    damage(tensors)
    save_file(tensors, tmp_path / "model.safetensors")
    with pytest.raises(ModelFileError):
        FOREST.load(tmp_path, *table_and_schema)


def test_damaged_outline_is_rejected(model, table_and_schema, tmp_path: Path) -> None:
    model.save(tmp_path)
    path = tmp_path / "forest.json"
    whole = path.read_text()
    outline = json.loads(whole)
    first = outline["parts"]["0"]
    for damaged in (
        whole[:100],
        json.dumps({**outline, "order": [0, 0, 1, 2, 3, 4, 5]}),
        json.dumps({**outline, "parts": {**outline["parts"], "0": {**first, "kind": "pickle"}}}),
        json.dumps({**outline, "parts": {"0": first}}),
    ):
        path.write_text(damaged)
        with pytest.raises(ModelFileError):
            FOREST.load(tmp_path, *table_and_schema)


def test_frequent_value_has_its_own_bin() -> None:
    values = np.concatenate([np.zeros(5000), np.random.default_rng(0).normal(50, 10, 5000)])
    array, schema = numbers_column("x", values)
    codec = fit_codec(pa.chunked_array([array]), schema)
    codes = codec.encode(values)
    assert len(np.unique(codes[values == 0])) == 1
    assert not np.isin(codes[values != 0], codes[0]).any()
    assert 150 < np.unique(codes).size <= 250


def test_datetimes_keep_their_calendar_unit() -> None:
    rng = np.random.default_rng(0)
    days = rng.integers(0, 3000, 2000)
    moments = pa.array(days * 86_400_000_000, pa.timestamp("us"))
    late = levels_column("late", list(np.where(days > 1500, "yes", "no")))
    table, schema = clean(
        (moments, ColumnSchema(name="day", kind="datetime", storage="timestamp[us]")), late
    )
    drawn = draw(fit(table, schema), 2000)
    assert drawn.schema.field("day").type == pa.timestamp("us")
    moved = drawn.column("day").cast(pa.int64()).to_numpy()
    assert not (moved % 86_400_000_000).any()
    agree = (moved // 86_400_000_000 > 1500) == (
        np.array(drawn.column("late").to_pylist()) == "yes"
    )
    assert agree.mean() > 0.99


@pytest.mark.parametrize(
    "order", [["wage", "log_wage", "rounded"], ["rounded", "log_wage", "wage"]]
)
def test_monotone_copies_of_a_number_stay_consistent(order: list[str], tmp_path: Path) -> None:
    rng = np.random.default_rng(12)
    wage = np.round(np.exp(rng.normal(3, 0.6, 1500)), 2)
    wage[rng.random(1500) < 0.1] = np.nan
    table, schema = clean(
        numbers_column("wage", wage, 2),
        numbers_column("log_wage", np.round(-np.log(wage), 5), 5),
        numbers_column("rounded", np.round(wage, 0), 0),
        levels_column("sex", list(rng.choice(["f", "m"], 1500))),
    )
    model = FOREST.fit(table, schema, [*order, "sex"], seed=0, options={}, progress=no_progress)
    drawn = draw(model, 4000)
    made, logged, rounded = (
        np.array(drawn.column(c).to_pylist(), float) for c in ("wage", "log_wage", "rounded")
    )
    assert np.array_equal(np.isnan(made), np.isnan(logged))
    known = ~np.isnan(made)
    off = np.abs(logged + np.log(made))[known]
    assert np.quantile(off, 0.99) < 0.005  # straight lines between the keys: the tails are sparse
    assert off.max() < 0.1
    apart = np.abs(rounded - made)[known]
    assert np.quantile(apart, 0.99) < 1.01
    assert (apart < 1.01 + 0.04 * made[known]).all()  # beyond the last five persons
    assert np.isin(made[known], wage).mean() < 0.9  # interpolated, not copied
    assert np.isfinite(model.log_likelihood(table)).all()
    model.save(tmp_path)
    assert draw(FOREST.load(tmp_path, table, schema), 500).equals(draw(model, 500))


def test_numbers_that_rank_alike_do_not_tell_who_was_in_the_table() -> None:
    def persons(seed: int) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng(seed)
        x = np.sort(np.round(rng.lognormal(4, 0.6, 400), 3))
        y = 10 * np.log(x)
        return x, np.round(y + rng.uniform(0, 0.9, 400) * np.diff(y, append=y[-1] + 0.1), 4)

    members, others = persons(1), persons(2)
    sex = levels_column("sex", list(np.random.default_rng(0).choice(["f", "m"], 400)))
    numbers = (numbers_column(n, of, 4) for n, of in zip("xy", members, strict=True))
    drawn = draw(fit(*clean(*numbers, sex)), 8000)
    x, y = (np.array(drawn.column(name)) for name in "xy")
    order = np.argsort(x)
    off = [np.abs(np.interp(a, x[order], y[order]) - b) for a, b in (members, others)]
    nearer = np.mean(off[0][:, None] < off[1][None, :])
    assert 0.42 < nearer < 0.6  # 0.93 with a point of each person; error .02
    assert np.abs(y - 10 * np.log(x)).mean() < 0.1


def test_key_of_one_person_decides_nothing() -> None:
    rng = np.random.default_rng(5)
    key = np.append(np.repeat(np.arange(20, 80), 7), 85)
    points = np.round(rng.uniform(0, 1000, 100), 2)
    table, schema = clean(
        numbers_column("key", key.astype(float), 0),
        numbers_column("points", points[key], 2),
        levels_column("sex", list(rng.choice(["f", "m"], key.size))),
    )
    drawn = np.array(draw(fit(table, schema), 8000).column("points"))
    assert not (drawn == points[85]).any()
    assert set(drawn) == set(points[20:80])


def test_correlated_columns_are_not_a_dependency() -> None:
    rng = np.random.default_rng(13)
    a = np.round(rng.normal(0, 1, 800), 3)
    b = np.round(a + rng.normal(0, 0.02, 800), 3)
    table, schema = clean(numbers_column("a", a, 3), numbers_column("b", b, 3))
    drawn = draw(fit(table, schema), 800)
    gap = np.array(drawn.column("a").to_pylist()) - np.array(drawn.column("b").to_pylist())
    assert 0.005 < gap.std() < 0.1


def test_square_stays_a_square_in_both_column_orders() -> None:
    rng = np.random.default_rng(14)
    age = rng.integers(15, 50, 3000).astype(float)
    born = 1990 - age - (rng.random(3000) < 0.4)  # ranks as age does, but does not decide it
    table, schema = clean(
        numbers_column("born", born, 0),
        numbers_column("square", age**2, 0),
        numbers_column("age", age, 0),
    )
    drawn = draw(fit(table, schema), 3000)
    squares, ages, births = (
        np.array(drawn.column(c).to_pylist(), float) for c in ("square", "age", "born")
    )
    assert np.array_equal(squares, ages**2)
    assert set(np.unique(1990 - births - ages)) == {0.0, 1.0}
