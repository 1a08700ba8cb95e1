"""Log-linear regressions of small tables: what they recover of few rows, what they leave out to
protect people, and that they are sound samplers.
"""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from simulacra_schema.table import TableSchema
from simulacra_trainer.families.base import ModelFileError, no_progress
from simulacra_trainer.families.codec import fit_codec
from simulacra_trainer.families.forest import FOREST, ForestModel
from simulacra_trainer.families.forest.growth import column_regression
from simulacra_trainer.families.forest.growth.decided_values import decided_values
from simulacra_trainer.families.forest.growth.training_rows import TrainingRows
from simulacra_trainer.families.forest.regression.loglinear_terms import (
    functions_of,
    group_names,
    group_ordered,
    scores_of,
)
from simulacra_trainer.families.forest.samplers import Context, LogLinear
from trainer_tables import clean, levels_column, numbers_column

ODD_PLACES = {f"p{at:03d}" for at in range(1, 30, 2)}
EFFECTS = np.array([1.0, -0.8, 0.6, 0.5, -0.4, 0.0])


def poll(n: int, seed: int = 0) -> tuple[pa.Table, TableSchema]:
    """Return six answers, age with missing values, and a vote that follows them log-linearly."""
    rng = np.random.default_rng(seed)
    answers = rng.random((6, n)) < 0.5
    age = np.round(rng.normal(50, 15, n))
    odds = EFFECTS @ answers - 0.4 + 0.03 * (age - 50)
    vote = rng.random(n) < 1.0 / (1.0 + np.exp(-odds))
    age[rng.random(n) < 0.08] = np.nan
    return clean(
        *(levels_column(f"a{j}", np.where(of, "yes", "no")) for j, of in enumerate(answers)),
        numbers_column("age", age, 0),
        levels_column("vote", np.where(vote, "left", "right")),
    )


def fit(
    table: pa.Table, schema: TableSchema, method: str | None = "loglinear", scale: float = 1.0
) -> ForestModel:
    names = [column.name for column in schema.learned()]
    methods = {"methods": dict.fromkeys(names, method)} if method else {}
    options = {"scale": scale, **methods}
    return FOREST.fit(table, schema, names, seed=0, options=options, progress=no_progress)


def shift_of_vote(model: ForestModel, column: str = "a0") -> float:
    """Return how much do(column) moves the log-odds of a vote for the left."""
    odds = []
    for level in ("no", "yes"):
        drawn = model.sample(20_000, np.random.default_rng(0), do={column: level})
        share = np.mean(np.array(drawn.column("vote").to_pylist()) == "left")
        odds.append(np.log(share / (1.0 - share)))
    return odds[1] - odds[0]


@pytest.fixture(scope="module")
def table_and_schema() -> tuple[pa.Table, TableSchema]:
    return poll(500)


@pytest.fixture(scope="module")
def model(table_and_schema) -> ForestModel:
    return fit(*table_and_schema)


def test_log_linear_truth_is_recovered_from_500_rows(model: ForestModel, table_and_schema) -> None:
    unseen, _ = poll(4000, seed=9)
    regression = model.samplers[7]
    assert isinstance(regression, LogLinear)
    found = np.zeros(6)
    for j, effects in zip(regression.columns, regression.tables, strict=True):
        if j < 6:
            odds = effects[:, 0] - effects[:, 1]  # left against right
            found[j] = odds[2] - odds[1]  # yes against no
    slope = found @ EFFECTS / (EFFECTS @ EFFECTS)
    assert 0.6 < slope < 1.2
    assert np.abs(found - EFFECTS).max() < 0.5
    chosen = fit(*table_and_schema, method=None)
    assert chosen.methods["vote"] == "loglinear"
    trees = fit(*table_and_schema, method="trees")
    gain = model.log_likelihood(unseen, model.grids) - trees.log_likelihood(unseen, model.grids)
    assert gain.mean() > 0.02


def test_close_relation_of_two_numbers_is_kept() -> None:
    rng = np.random.default_rng(0)
    income = rng.normal(size=400)
    tax = 0.97 * income + np.sqrt(1.0 - 0.97**2) * rng.normal(size=400)
    table, schema = clean(numbers_column("income", income, 3), numbers_column("tax", tax, 3))
    rows = fit(table, schema).sample(20_000, np.random.default_rng(0))
    ranks = [rows.column(name).to_numpy().argsort().argsort() for name in ("income", "tax")]
    assert np.corrcoef(*ranks)[0, 1] > 0.93  # of 0.97; if intercepts are held near 0, 0.89


def test_interaction_that_no_regression_has_keeps_its_tree() -> None:
    rng = np.random.default_rng(1)
    one, other = rng.random(1500) < 0.7, rng.random(1500) < 0.3
    differ = np.where(rng.random(1500) < 0.95, one ^ other, one)
    table, schema = clean(
        *(
            levels_column(name, np.where(of, "yes", "no"))
            for name, of in (("one", one), ("other", other), ("differ", differ))
        )
    )
    assert fit(table, schema, method=None).methods["differ"] == "trees"


def test_smaller_scale_weakens_effects_and_reuses_the_priors(
    model: ForestModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def learn_prior(_: object) -> None:
        raise AssertionError("the prior does not depend on the scale")

    monkeypatch.setattr(column_regression, "learn_prior", learn_prior)
    shifts = [abs(shift_of_vote(model.with_strength(3.0, scale))) for scale in (2.0, 1.0, 0.2)]
    assert shifts[0] >= shifts[1] - 0.05
    assert shifts[1] > 1.5 * shifts[2]


def test_answer_for_those_not_asked_is_theirs_alone() -> None:
    rng = np.random.default_rng(4)
    line = rng.choice(["none", "copper", "fiber"], 600, p=[0.2, 0.4, 0.4])
    long = rng.random(600) < 0.5
    odds = 1.5 * long - 1.0 + 0.8 * (line == "fiber")
    backup = np.where(rng.random(600) < 1.0 / (1.0 + np.exp(-odds)), "yes", "no")
    asked = np.where(line == "none", "has no line", backup).astype(object)
    asked[(line != "none") & (rng.random(600) < 0.1)] = None  # they were asked, and did not answer
    hours = np.where(line == "none", 0.0, np.round(rng.gamma(4.0, 3.0, 600)) + 1.0)
    table, schema = clean(
        levels_column("line", line),
        levels_column("long", np.where(long, "yes", "no")),
        levels_column("backup", asked),
        numbers_column("hours", hours, 0),
    )
    model = fit(table, schema)
    assert model.methods["backup"] == model.methods["hours"] == "loglinear"
    for drawn in (
        model.sample(10_000, np.random.default_rng(0)),
        model.first(["hours", "backup"]).sample(10_000, np.random.default_rng(1)),
        model.sample(2_000, np.random.default_rng(2), do={"line": "none"}),
    ):
        found = {name: np.array(drawn.column(name).to_pylist()) for name in drawn.column_names}
        has_none = found["line"] == "none"
        assert has_none.any()
        assert np.array_equal(found["backup"] == "has no line", has_none)
        assert np.array_equal(found["hours"] == 0, has_none)
    drawn = model.sample(20_000, np.random.default_rng(3))
    of = [np.array(drawn.column(name).to_pylist()) for name in ("line", "long", "backup")]
    yes, no = ((of[2] == "yes")[(of[0] == "fiber") & (of[1] == at)].mean() for at in ("yes", "no"))
    assert yes - no > 0.1
    assert drawn.column("backup").null_count / 20_000 == pytest.approx(0.08, abs=0.03)


def test_value_is_not_decided_by_what_tells_persons_apart() -> None:
    """Each code has the rows of one or two of 60 persons, who all give the same answer."""
    persons = np.repeat(np.arange(60), 10)
    codes = (persons % 50).astype(np.uint8)[None]
    values = np.where((persons >= 10) & (persons < 50) & (persons % 2 == 0), 1.0, 0.0)
    candidates = np.zeros(1, np.int32)
    rows = TrainingRows(codes, [], [], [], penalty=0.0)
    assert decided_values(rows, values, candidates).tolist() == [0.0, 1.0]
    rows = TrainingRows(codes, [], [], [], penalty=0.0, persons=persons)
    assert decided_values(rows, values, candidates).size == 0


def test_value_of_fewer_than_five_persons_is_not_decided() -> None:
    persons = np.append(np.repeat(np.arange(4), 50), np.arange(4, 804))
    values = np.where(persons < 4, 1.0, 0.0)
    codes = (persons < 4).astype(np.uint8)[None]
    rows = TrainingRows(codes, [], [], [], penalty=0.0, persons=persons)
    assert decided_values(rows, values, np.zeros(1, np.int32)).tolist() == [0.0]


def test_rare_levels_are_not_tied_to_their_owners() -> None:
    rng = np.random.default_rng(2)
    owner = np.arange(600) < 4
    kind = np.where(owner, "rare", np.where(rng.random(600) < 0.5, "a", "b"))
    group = np.where(owner | (rng.random(600) < 0.1), "x", "y")
    table, schema = clean(levels_column("group", group), levels_column("kind", kind))
    drawn = fit(table, schema).sample(40_000, np.random.default_rng(0))
    is_rare = np.array(drawn.column("kind").to_pylist()) == "rare"
    in_x = np.array(drawn.column("group").to_pylist()) == "x"
    assert 0.003 < is_rare.mean() < 0.012
    assert is_rare[in_x].mean() < 2.0 * is_rare.mean()


def test_answer_follows_a_column_of_more_levels_than_codes() -> None:
    rng = np.random.default_rng(5)
    place = np.repeat(np.arange(330), [20] * 30 + [2] * 300)
    choice = np.where(rng.random(1_200) < 0.9, place % 2, rng.integers(0, 2, 1_200))
    table, schema = clean(
        levels_column("place", [f"p{at:03d}" for at in place]),
        levels_column("choice", np.where(choice == 1, "a", "b")),
    )
    drawn = fit(table, schema).sample(1_000, np.random.default_rng(0))
    of_odd = [c for p, c in zip(*drawn.to_pydict().values(), strict=True) if p in ODD_PLACES]
    assert np.mean(np.array(of_odd) == "a") > 0.75


def test_rare_answer_of_two_follows_nothing() -> None:
    """The scores of the frequent answer would tie the other one, which gains what it loses."""
    rare = group_names(np.repeat([0.0, 1.0], [3, 97]), None)
    frequent = group_names(np.repeat([0.0, 1.0], [5, 95]), None)
    assert not scores_of(rare, np.ones(100)).values.any()
    assert scores_of(frequent, np.ones(100)).values.any()


def test_levels_and_bins_need_five_persons_not_five_rows() -> None:
    values = np.repeat(np.arange(4.0), [40, 40, 6, 14])
    persons = np.arange(100)
    persons[80:86] = 80  # six rows of one person
    table, schema = clean(levels_column("k", [f"k{int(v)}" for v in values]))
    codec = fit_codec(table.column("k"), schema.columns[0])
    codes = codec.encode(codec.values(table.column("k")))
    assert functions_of(codes, codec, None).table.shape[1] == 4
    assert functions_of(codes, codec, persons).table.shape[1] == 3
    assert group_names(values, None).is_tied.all()
    alone = group_names(values, persons)
    assert alone.is_tied.tolist() == [True, True, True, False]
    numbers, of = clean(numbers_column("v", values))
    number = fit_codec(numbers.column("v"), of.columns[0])
    assert group_ordered(values, number, None).is_tied.size == 4
    merged = group_ordered(values, number, persons)
    assert merged.is_tied.size == 3
    assert merged.y[80] == merged.y[99], "the smaller neighbor takes it in"


def test_code_without_rows_is_scored_by_its_place_not_as_the_median() -> None:
    table, schema = clean(numbers_column("v", np.repeat(np.arange(5.0), 20)))
    codec = fit_codec(table.column("v"), schema.columns[0])
    codes = codec.encode(np.repeat([1.0, 2.0, 4.0], 20))
    line = functions_of(codes, codec, None).table[1:, 0]
    assert line[0] == line[1] < line[2] < line[3] < line[4] == line[5]


def test_cell_probabilities_sum_to_one(model: ForestModel) -> None:
    rows = np.arange(40, dtype=np.int32)
    context = Context(model.data.codes, model.data.values)
    for j in (3, 6, 7):
        grid = model.grids[j]
        each = [
            model.samplers[j].probabilities(grid, context, rows, np.full(40, k))
            for k in range(grid.size)
        ]
        assert np.all(np.array(each) > 0)
        assert np.sum(each, axis=0) == pytest.approx(np.ones(40), abs=1e-6)


def test_noise_of_a_row_draws_the_row_again(model: ForestModel) -> None:
    drawn = model.sample(2000, np.random.default_rng(3))
    codecs = model.data.codecs
    values = [codec.values(drawn.column(codec.name)) for codec in codecs]
    context = Context(np.stack([c.encode(v) for c, v in zip(codecs, values, strict=True)]), values)
    rows, rng = np.arange(2000, dtype=np.int32), np.random.default_rng(4)
    for j in (6, 7):
        sampler = model.samplers[j]
        u = sampler.abduct(context, rows, values[j], rng.random(2000))
        again = codecs[j].tidy(sampler.draw(context, rows, u.copy()))
        assert np.mean((again == values[j]) | (np.isnan(again) & np.isnan(values[j]))) > 0.99
    shares = model.samplers[7].level_shares(context, rows, 3)
    assert shares.sum(axis=1) == pytest.approx(np.ones(2000))
    assert shares[:, 0].max() < 0.01, "a vote is never missing"


def test_do_moves_effects_and_leaves_causes(model: ForestModel, table_and_schema) -> None:
    assert 0.5 < shift_of_vote(model) < 1.3
    facts = model.sample(3000, np.random.default_rng(5))
    twins = model.counterfactual(facts, {"a0": "yes"}, np.random.default_rng(6))
    was, now = (np.array(of.column("vote").to_pylist()) for of in (facts, twins))
    held = np.array(facts.column("a0").to_pylist()) == "yes"
    assert np.array_equal(was[held], now[held])
    assert not np.any((was == "left") & (now == "right")), "the odds of the left only rise"
    assert np.mean((was == "right") & (now == "left")) > 0.03


def test_number_responds_under_do_on_its_own_scale() -> None:
    rng = np.random.default_rng(7)
    dose = rng.normal(size=800)
    effect = 2.0 * dose + rng.normal(size=800)
    model = fit(*clean(numbers_column("dose", dose), numbers_column("effect", effect)))
    means = [
        model.sample(20_000, np.random.default_rng(0), do={"dose": at})
        .column("effect")
        .to_numpy()
        .mean()
        for at in (-1.0, 1.0)
    ]
    assert means[1] - means[0] == pytest.approx(4.0, abs=0.4)


def test_first_keeps_the_distribution(model: ForestModel) -> None:
    ahead = model.first(["vote"])
    assert ahead.columns[0] == "vote"
    drawn = [
        of.sample(20_000, np.random.default_rng(8)).select(["a0", "vote"]) for of in (model, ahead)
    ]
    tables = [
        np.histogram2d(
            np.array(of.column("a0").to_pylist()) == "yes",
            np.array(of.column("vote").to_pylist()) == "left",
            bins=2,
        )[0]
        / of.num_rows
        for of in drawn
    ]
    assert np.abs(tables[0] - tables[1]).max() < 0.03


def test_survey_weights_shape_regressions() -> None:
    rng = np.random.default_rng(10)
    green = rng.random(1200) < 0.5
    cause = np.where(green, rng.random(1200) < 0.7, rng.random(1200) < 0.3)
    weights = np.where(green, 1.0, 4.0)
    table, schema = clean(
        levels_column("cause", np.where(cause, "yes", "no")),
        levels_column("green", np.where(green, "yes", "no")),
    )
    array, of = numbers_column("w", weights)
    table = table.append_column("w", array)
    of = of.model_copy(update={"kind": "weight", "learned": False})
    schema = schema.model_copy(update={"columns": [*schema.columns, of]})
    model = fit(table, schema)
    assert model.data.row_information.sum() < 0.9 * 1200
    drawn = model.sample(40_000, np.random.default_rng(0))
    for level in ("yes", "no"):
        at = cause == (level == "yes")
        truth = np.average(green[at], weights=weights[at])
        chosen = np.array(drawn.column("cause").to_pylist()) == level
        share = np.mean(np.array(drawn.column("green").to_pylist())[chosen] == "yes")
        assert share == pytest.approx(truth, abs=0.06)


def test_rows_that_all_have_no_weight_are_alike() -> None:
    rng = np.random.default_rng(11)
    line, cause = rng.choice(["none", "copper", "fiber"], 400), rng.random(400) < 0.5
    asked = line != "none"
    answer = np.where(rng.random(400) < np.where(cause, 0.8, 0.2), "yes", "no").astype(object)
    answer[~asked] = None
    table, schema = clean(
        levels_column("line", line),
        levels_column("cause", np.where(cause, "yes", "no")),
        levels_column("answer", answer),
    )
    array, of = numbers_column("w", np.where(asked, 0.0, 1.0))
    of = of.model_copy(update={"kind": "weight", "learned": False})
    schema = schema.model_copy(update={"columns": [*schema.columns, of]})
    model = fit(table.append_column("w", array), schema)
    assert model.methods["answer"] == "loglinear"
    given = table.select(["line", "cause"])
    drawn = model.sample(400, np.random.default_rng(0), given=given).column("answer").to_pylist()
    share = np.mean(np.array(drawn)[asked & cause] == "yes")
    assert share == pytest.approx(0.8, abs=0.15)


@pytest.mark.parametrize(("independent", "expected"), [(True, 1.0), (False, 0.5)])
def test_rows_without_any_weight_count_as_much_as_others_of_their_persons(
    independent: bool, expected: float
) -> None:
    codes, persons = np.zeros((1, 40), np.uint8), np.repeat(np.arange(20), 2)
    weights = np.repeat([0.0, 2.0], 20)
    rows = TrainingRows(
        codes, [], [], [], 0.0, weights=weights, persons=persons, independent=independent
    )
    asked = np.arange(20, dtype=np.int32)
    assert rows.information_of(asked).tolist() == [expected] * 20


def test_saved_model_loads_and_a_damaged_one_is_rejected(
    model: ForestModel, table_and_schema, tmp_path: Path
) -> None:
    scaled = model.with_strength(3.0, 0.7)
    scaled.save(tmp_path)
    again = FOREST.load(tmp_path, *table_and_schema)
    assert again.data.scale == 0.7
    assert again.methods == scaled.methods
    for n, do in ((500, None), (200, {"a1": "yes"})):
        drawn = [m.sample(n, np.random.default_rng(0), do=do) for m in (scaled, again)]
        assert drawn[0].equals(drawn[1])
    path = tmp_path / "forest.json"
    outline = json.loads(path.read_text())
    node = outline["parts"]["6"]
    assert node["kind"] == "loglinear"
    assert node["parts"]
    assert scaled.samplers[6].columns_used <= set(range(6))
    for damage in (
        {"columns": [99] * len(node["columns"])},
        {"codes": [*node["codes"], 3]},
        {"codes": [300] * len(node["codes"])},
        {"offsets": {"values": [0, 1]}},
        {"tables": {"values": [0, 2**40]}},
        {"parts": {"99": next(iter(node["parts"].values()))}},
        {"parts": {"0": {**node, "parts": {}}}},
    ):
        damaged = {**outline, "parts": {**outline["parts"], "6": {**node, **damage}}}
        path.write_text(json.dumps(damaged))
        with pytest.raises(ModelFileError):
            FOREST.load(tmp_path, *table_and_schema)
