"""do() changes no background, stated or proposed: a property over random tables."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from simulacra_schema.background import propose_background
from simulacra_schema.questions.knowledge import Knowledge
from simulacra_trainer.cleaning.clean import clean_table
from simulacra_trainer.families.base import no_progress
from simulacra_trainer.families.forest import FOREST
from simulacra_trainer.graph import learn_graph

ROWS = 400


def _table(seed: int) -> tuple[pa.Table, list[str], str]:
    """Return a table in random column order, its background columns and one that is stated."""
    rng = np.random.default_rng([seed, 3])
    sex, age = rng.integers(0, 2, ROWS), rng.integers(18, 80, ROWS)
    race, town = rng.integers(0, 3, ROWS), rng.integers(0, 4, ROWS)
    pulls = rng.normal(size=(4, 4)) * rng.choice([0.5, 2.0], 4)
    seen = np.column_stack([sex, (age - 49) / 18, race - 1, town - 1.5])
    columns: dict[str, np.ndarray] = {
        "female": np.array(["no", "yes"])[sex],
        "age": age,
        "race": np.array(["a", "b", "c"])[race],
        "town": np.array(["n", "e", "s", "w"])[town],
    }
    for k in range(4):
        score = seen @ pulls[:, k] + rng.normal(size=ROWS)
        columns[f"trust_{k}"] = np.digitize(score, np.quantile(score, [0.2, 0.4, 0.6, 0.8])) + 1
        seen = np.column_stack([seen, score])
        pulls = np.vstack([pulls, rng.normal(size=(1, 4))])
    names = [*rng.permutation(list(columns))]
    return pa.table({name: columns[name] for name in names}), ["female", "age", "race"], "town"


@pytest.mark.parametrize("seed", range(4))
def test_do_changes_no_background_in_rows_and_pairs(seed: int) -> None:
    table, proposed, stated = _table(seed)
    clean = clean_table(table)
    assert {one.column for one in propose_background(clean.schema)} == set(proposed)
    knowledge = Knowledge(confirmed=[[stated]])
    graph = learn_graph(clean.table, clean.schema, knowledge, seed=seed, budget_s=2.0)
    forest = FOREST.fit(
        clean.table, clean.schema, list(graph.order), seed=seed, options={}, progress=no_progress
    )
    facts = forest.sample(500, np.random.default_rng(seed))
    background = [*proposed, stated]
    moved = False
    for name in (f"trust_{k}" for k in range(4)):
        for value in (1.0, 5.0):
            under = forest.sample(500, np.random.default_rng(seed), do={name: value})
            twins = forest.counterfactual(facts, {name: value}, np.random.default_rng(seed))
            # The same random numbers: what do() cannot change is equal row by row.
            for rows in (under, twins):
                assert rows.select(background).equals(facts.select(background))
                assert set(rows.column(name).to_pylist()) == {value}
            moved |= not under.drop_columns([name]).equals(facts.drop_columns([name]))
    assert moved


def test_a_statement_places_what_was_proposed() -> None:
    table, _, _ = _table(0)
    clean = clean_table(table)
    knowledge = Knowledge(tiers=[["trust_0"], ["age"]])
    graph = learn_graph(clean.table, clean.schema, knowledge, seed=0, budget_s=2.0)
    place = {name: at for at, name in enumerate(graph.order)}
    assert place["trust_0"] < place["age"]
    assert max(place["female"], place["race"]) < min(place["trust_1"], place["town"])
    # Nobody said so: no edge at a proposed column counts as stated.
    assert not [e for e in graph.edges if e["source"] == "female" and e["basis"] == "stated"]
