"""Counterfactual pairs: twins of generated rows on models whose truth is known."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from simulacra_crds.tasks import FitRequest, GenerateRequest
from simulacra_intake.errors import InputError
from simulacra_schema.conditions import ConditionSet, NumericRange
from simulacra_schema.questions.knowledge import Knowledge
from simulacra_trainer.cleaning.clean import CleanTable, clean_table
from simulacra_trainer.families.base import no_progress
from simulacra_trainer.families.forest import FOREST, ForestModel
from simulacra_trainer.families.forest.samplers import Context
from simulacra_trainer.families.gumbel import gumbel_twins
from simulacra_trainer.in_process import generate_file
from simulacra_trainer.pipeline.fit import TrainedModel, fit_model
from simulacra_trainer.pipeline.generate import generate_rows, plan_generation, with_options

ORDER = ["z", "x", "y", "g", "b", "k"]


def scm(n: int = 5000, seed: int = 0) -> CleanTable:
    """Return rows of y = 2x + z + noise, a choice g by utilities of x, b monotone in y, counts k of
    x.
    """
    rng = np.random.default_rng(seed)
    z = rng.normal(size=n)
    x = z + rng.normal(size=n)
    y = 2 * x + z + rng.normal(size=n)
    choice = np.argmax(np.c_[x, -x, 0 * x] + rng.gumbel(size=(n, 3)), axis=1)
    b = rng.random(n) < 1 / (1 + np.exp(-y))
    g = np.array(["loyal", "switch", "none"])[choice]
    rows = {
        "z": z,
        "x": x,
        "y": y,
        "g": g,
        "b": b,
        "k": rng.poisson(np.exp(0.3 * x)),
        "id": np.arange(n) + 7,
    }
    return clean_table(pa.table(rows))


@pytest.fixture(scope="module")
def forest() -> ForestModel:
    clean = scm()
    return FOREST.fit(clean.table, clean.schema, ORDER, seed=0, options={}, progress=no_progress)


@pytest.fixture(scope="module")
def facts(forest: ForestModel) -> pa.Table:
    return forest.sample(8000, np.random.default_rng(1))


@pytest.fixture(scope="module")
def trained() -> TrainedModel:
    clean = scm()
    known = Knowledge(tiers=[["z"], ["x"], ["y"], ["g", "b", "k"]])
    return fit_model(clean.table, clean.schema, FitRequest(seed=1, knowledge=known))


def of(table: pa.Table, name: str) -> np.ndarray:
    return np.array(table.column(name).to_pylist())


@pytest.mark.parametrize("value", [0.0, 1.5])
def test_a_twin_keeps_the_additive_noise_of_its_row(forest, facts, value: float) -> None:
    twins = forest.counterfactual(facts, {"x": value}, np.random.default_rng(2))
    assert np.array_equal(of(facts, "z"), of(twins, "z"))  # a cause of x is not touched
    assert set(of(twins, "x")) == {value}
    truth = of(facts, "y") + 2 * (value - of(facts, "x"))
    stranger = of(forest.sample(8000, np.random.default_rng(3), do={"x": value}), "y")
    assert (
        np.sqrt(np.mean((of(twins, "y") - truth) ** 2))
        < 0.65
        < 1.5
        < np.sqrt(np.mean((stranger - truth) ** 2))
    )
    assert abs(np.mean(of(twins, "y") - truth)) < 0.1


def test_twins_have_the_distribution_of_rows_under_the_intervention(forest, facts) -> None:
    twins = forest.counterfactual(facts, {"x": 1.0}, np.random.default_rng(2))
    drawn = forest.sample(8000, np.random.default_rng(4), do={"x": 1.0})
    for name in ("g", "b", "k"):
        for level in set(of(drawn, name)):
            assert np.mean(of(twins, name) == level) == pytest.approx(
                np.mean(of(drawn, name) == level), abs=0.03
            )
    for name in ("z", "y"):
        assert of(twins, name).mean() == pytest.approx(of(drawn, name).mean(), abs=0.08)
        assert of(twins, name).std() == pytest.approx(of(drawn, name).std(), rel=0.12)


def test_a_row_that_has_the_value_already_does_not_change(forest, facts) -> None:
    few = facts.slice(0, 40)
    for i in range(few.num_rows):
        one = few.slice(i, 1)
        do = {"x": one.column("x")[0].as_py()}
        assert (
            forest.counterfactual(one, do, np.random.default_rng(i)).to_pylist() == one.to_pylist()
        )


def test_booleans_change_monotonically_and_choices_are_stable(forest, facts) -> None:
    twins = forest.counterfactual(facts, {"x": 2.0}, np.random.default_rng(2))
    more = of(twins, "y") > of(facts, "y")
    assert (
        np.mean((of(facts, "b") == "true") & (of(twins, "b") == "false") & more) < 0.01
    )  # no defiers
    higher = of(facts, "x") < 2.0
    was, now = of(facts, "g")[higher], of(twins, "g")[higher]
    assert np.mean(now[was == "loyal"] == "loyal") > 0.97  # its odds only rise with x
    assert np.mean(now[was == "switch"] == "loyal") > 0.4


def test_abducted_noise_reproduces_the_row(forest, facts) -> None:
    codecs = forest.data.codecs
    values = [codec.values(facts.column(codec.name)) for codec in codecs]
    context = Context(np.stack([c.encode(v) for c, v in zip(codecs, values, strict=True)]), values)
    rows = np.arange(facts.num_rows, dtype=np.int32)
    for j, codec in enumerate(codecs):
        u = forest.samplers[j].abduct(
            context, rows, values[j], np.random.default_rng(j).random(rows.size)
        )
        assert 0 <= u.min() <= u.max() < 1
        assert abs(u.mean() - 0.5) < 0.03  # of rows that the model drew, the noise is uniform again
        assert np.allclose(
            codec.tidy(forest.samplers[j].draw(context, rows, u)), values[j], atol=1e-9
        )


def test_gumbel_twins_have_the_shares_of_their_world() -> None:
    rng = np.random.default_rng(0)
    p, q = np.array([0.5, 0.3, 0.2, 0.0]), np.array([0.2, 0.3, 0.4, 0.1])
    seen = rng.choice(4, 40_000, p=p)
    twins = gumbel_twins(np.tile(p, (40_000, 1)), np.tile(q, (40_000, 1)), seen, rng)
    assert np.bincount(twins, minlength=4) / 40_000 == pytest.approx(q, abs=0.01)
    assert not np.any(twins[seen == 2] == 1)  # the odds of 2 against 1 rose
    assert not np.any(twins[seen == 2] == 0)
    assert np.array_equal(
        gumbel_twins(np.tile(p, (9, 1)), np.tile(p, (9, 1)), seen[:9], rng), seen[:9]
    )


def ask(
    rows: int = 400, conditions: ConditionSet | None = None, **do: float | str
) -> GenerateRequest:
    asked = conditions or ConditionSet()
    return GenerateRequest(
        row_count=rows, conditions=asked, interventions=do, counterfactual=True, seed=3
    )


def pairs(trained: TrainedModel, request: GenerateRequest, shards: int = 1) -> pa.Table:
    plan = plan_generation(trained, request)
    return pa.concat_tables(
        [t for s in range(shards) for t in generate_rows(trained, plan, s, shards)]
    )


def test_rows_and_twins_alternate_and_share_an_identifier(trained) -> None:
    table = pairs(trained, ask(x=1.0))
    names = [c.name for c in trained.schema.columns]
    assert table.column_names == ["pair", "world", *names, "evidence_weight"]
    assert of(table, "pair").tolist() == [i // 2 for i in range(400)]
    assert of(table, "world").tolist() == ["factual", "counterfactual"] * 200
    assert np.array_equal(of(table, "id")[::2], of(table, "id")[1::2])
    assert set(of(table, "x")[1::2]) == {1.0}
    assert table.equals(pairs(trained, ask(x=1.0), shards=3))
    plan = plan_generation(trained, GenerateRequest(row_count=200, seed=3))
    plain = pa.concat_tables(generate_rows(trained, plan))
    assert of(table, "y")[::2].tolist() == of(plain, "y").tolist()


def test_conditions_may_name_columns_that_the_intervention_changes(trained) -> None:
    evidence = ConditionSet(categorical={"b": {"true": 1.0}}, numeric={"x": NumericRange(max=-0.5)})
    table = pairs(trained, ask(2000, evidence, x=2.0))
    facts = table.filter(pa.array([True, False] * 1000))
    twins = table.filter(pa.array([False, True] * 1000))
    assert of(facts, "b").all()
    assert of(facts, "x").max() <= -0.5
    truth = of(facts, "y") + 2 * (2.0 - of(facts, "x"))  # their unusual noise goes with them
    assert abs(np.mean(of(twins, "y") - truth)) < 0.25
    drawn = GenerateRequest(row_count=2000, interventions={"x": 2.0}, seed=4)
    strangers = pa.concat_tables(generate_rows(trained, plan_generation(trained, drawn)))
    assert np.mean(of(twins, "z")) < np.mean(of(strangers, "z")) - 0.1
    assert of(twins, "b").mean() > 0.95


def test_identification_names_assumptions_and_open_edges(trained) -> None:
    found = plan_generation(trained, ask(x=1.0)).identification
    assert "Gumbel-max" in found.assumption
    beyond = plan_generation(trained, ask(x=50.0)).identification
    assert (beyond.identified, beyond.verdict.kind) == (False, "unanswerable")
    assert plan_generation(trained, ask(x="50.0")).identification == beyond
    assert with_options(ask(b=True, x="2"), trained.schema).interventions == {"b": "true", "x": 2.0}
    assert "'50' lies outside the observed values of x." in beyond.verdict.text
    assert "nothing says how reliable they are" in beyond.assumption
    assert plan_generation(trained, GenerateRequest(row_count=2)).identification is None
    free = scm(2000)
    unknown = fit_model(free.table.select(["x", "y"]), free.schema.model_copy(
        update={"columns": [c for c in free.schema.columns if c.name in ("x", "y")]}
    ), FitRequest(seed=1))  # fmt: skip
    open_ended = plan_generation(unknown, ask(x=1.0)).identification
    assert not open_ended.identified
    assert "What comes before 'x' is open" in open_ended.warnings[0]
    assert (open_ended.verdict.kind, open_ended.verdict.asks) == ("open", "y")
    unstated = {"undecided": [], "knowledge": Knowledge()}
    many = replace(trained, graph=trained.graph.model_copy(update=unstated))
    untried = plan_generation(many, ask(x=1.0)).identification.verdict
    assert (untried.kind, len(trained.graph.order) > 4) == ("open", True)
    assert "Nobody placed" in untried.text
    stated = Knowledge(tiers=[["x"], ["y"]])
    said = replace(unknown, graph=unknown.graph.model_copy(
        update={"knowledge": stated, "undecided": []}
    ))  # fmt: skip
    settled = plan_generation(said, ask(x=1.0)).identification
    assert settled.verdict.kind == "assumed"
    assert settled.identified
    assert settled.verdict.rests_on[0].later == ["y"]


@pytest.mark.parametrize(
    ("request_", "at"),
    [
        (ask(3, x=1.0), "/row_count"),
        (ask(4), "/counterfactual"),
        (ask(4, x="much"), "/interventions/x"),
    ],
)
def test_requests_that_give_no_pairs_are_refused(
    trained, request_: GenerateRequest, at: str
) -> None:
    with pytest.raises(InputError) as caught:
        plan_generation(trained, request_)
    assert caught.value.pointer == at


def test_a_file_of_pairs_comes_with_their_assumptions(trained, tmp_path: Path) -> None:
    out = tmp_path / "rows.parquet"
    asked = GenerateRequest(row_count=10, interventions={"x": 1.0}, counterfactual=True)
    made = generate_file(trained, asked, out)
    assert pq.read_table(out).column_names[:2] == ["pair", "world"]
    assert made.plan.identification.assumption.startswith("Pairs need assumptions that data cannot")
    with pytest.raises(InputError):
        generate_file(trained, GenerateRequest(row_count=10, counterfactual=True), out)


@pytest.mark.neural
@pytest.mark.reliability
def test_the_neural_family_draws_twins() -> None:
    neural = pytest.importorskip("simulacra_trainer.families.neural").NEURAL
    clean = scm(4000)
    model = neural.fit(clean.table, clean.schema, ORDER, seed=0, options={}, progress=no_progress)
    facts = model.sample(5000, np.random.default_rng(1))
    twins = model.counterfactual(facts, {"x": 1.0}, np.random.default_rng(2))
    drawn = model.sample(5000, np.random.default_rng(3), do={"x": 1.0})
    truth = of(facts, "y") + 2 * (1.0 - of(facts, "x"))
    paired, stranger = (np.sqrt(np.mean((of(t, "y") - truth) ** 2)) for t in (twins, drawn))
    assert paired < 0.8 < stranger
    assert np.array_equal(of(facts, "z"), of(twins, "z"))
    assert of(twins, "y").mean() == pytest.approx(of(drawn, "y").mean(), abs=0.12)
    one = facts.slice(0, 1)
    same = model.counterfactual(one, {"x": one["x"][0].as_py()}, np.random.default_rng(4))
    assert same.to_pylist() == one.to_pylist()
