"""Canonical variates: what many weak effects add up to, when nothing is found, and that a model
keeps them.
"""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from simulacra_schema.table import TableSchema
from simulacra_trainer.families.base import ModelFileError, no_progress
from simulacra_trainer.families.forest import FOREST, ForestModel
from simulacra_trainer.families.forest.growth import tree_growth
from simulacra_trainer.families.forest.regression import variates
from simulacra_trainer.families.forest.regression.additive import FEW_FUNCTIONS
from simulacra_trainer.families.forest.regression.variates import (
    MAX_CLASSES,
    MAX_VARIATES,
    MIN_ROWS,
    fit_variates,
)
from simulacra_trainer.families.forest.trees.tree import Variate
from trainer_tables import clean, levels_column

COLUMNS = 12
CATEGORIES = np.eye(256)[:3]
"""Functions of a column with three levels, as `functions_of` gives them."""


def answers(n: int, seed: int) -> tuple[pa.Table, TableSchema]:
    """Return twelve answers, and a verdict of three levels that each of them moves a little."""
    rng = np.random.default_rng(seed)
    asked = rng.integers(0, 3, (n, COLUMNS))
    lean = (asked - 1.0) @ np.linspace(0.2, 0.4, COLUMNS)
    verdict = np.digitize(lean + rng.logistic(size=n), [-1.0, 1.0])
    columns = [levels_column(f"q{j}", [f"a{k}" for k in asked[:, j]]) for j in range(COLUMNS)]
    return clean(*columns, levels_column("verdict", [f"v{k}" for k in verdict]))


def fit(table: pa.Table, schema: TableSchema) -> ForestModel:
    names = table.column_names
    options = {"penalty": 3.0, "methods": dict.fromkeys(names, "trees")}
    return FOREST.fit(table, schema, names, seed=0, options=options, progress=no_progress)


@pytest.fixture(scope="module")
def table_and_schema() -> tuple[pa.Table, TableSchema]:
    return answers(2500, 0)


@pytest.fixture(scope="module")
def model(table_and_schema) -> ForestModel:
    return fit(*table_and_schema)


def test_many_weak_effects_make_unseen_rows_likelier(
    model, table_and_schema, monkeypatch: pytest.MonkeyPatch
) -> None:
    unseen, _ = answers(2000, 1)
    monkeypatch.setattr(tree_growth, "fit_variates", lambda *_: [])
    columns_alone = fit(*table_and_schema)
    assert model.samplers[COLUMNS].tree.variates
    assert not columns_alone.samplers[COLUMNS].tree.variates
    gain = model.log_likelihood(unseen) - columns_alone.log_likelihood(unseen)
    assert gain.mean() > 3 * gain.std() / np.sqrt(gain.size)
    assert gain.mean() > 0.03


def test_variate_adds_up_the_effects_on_the_class() -> None:
    rng = np.random.default_rng(2)
    codes = rng.integers(0, 3, (6, 4000)).astype(np.uint8)
    lean = (codes[:4] - 1.0).sum(axis=0)
    y = (lean + rng.logistic(size=4000) > 0).astype(np.int32)
    (variate,) = fit_variates(codes, [CATEGORIES] * 6, y, 2, 3.0)
    assert set(variate.columns[:4]) == {0, 1, 2, 3}
    assert (
        abs(np.corrcoef(variate.codes(codes, np.arange(4000, dtype=np.int32)), lean)[0, 1]) > 0.98
    )


def test_noise_and_a_single_column_have_no_variate() -> None:
    rng = np.random.default_rng(3)
    codes = rng.integers(0, 3, (20, 1000)).astype(np.uint8)
    y = rng.integers(0, 4, 1000).astype(np.int32)
    assert fit_variates(codes, [CATEGORIES] * 20, y, 4, 12.0) == []
    moved = codes[0].astype(np.int32)
    assert fit_variates(codes[:1], [CATEGORIES], moved, 3, 3.0) == []
    assert fit_variates(codes, [CATEGORIES] * 20, np.zeros(1000, np.int32), 1, 3.0) == []
    assert fit_variates(codes, [np.empty((0, 256))] * 20, y, 4, 3.0) == [], (
        "columns without a function"
    )


def test_most_informative_of_many_functions_are_used() -> None:
    rng = np.random.default_rng(4)
    codes = rng.integers(0, 30, (40, 5000)).astype(np.uint8)
    bases = [np.eye(256)[:30]] * 40
    assert sum(map(len, bases)) > FEW_FUNCTIONS
    lean = (codes[3] > 14).astype(float) + (codes[37] > 14)
    y = np.digitize(lean + 0.5 * rng.normal(size=5000), [0.5, 1.5]).astype(np.int32)
    found = fit_variates(codes, bases, y, 3, 3.0)
    assert 0 < len(found) <= MAX_VARIATES
    assert {3, 37} <= set(found[0].columns.tolist())


def test_few_rows_or_too_many_classes_have_no_variate(monkeypatch: pytest.MonkeyPatch) -> None:
    codes = np.random.default_rng(4).integers(0, 3, (6, 8000)).astype(np.uint8)
    ways = 3 ** np.arange(6)
    y = (ways @ codes % (MAX_CLASSES + 1)).astype(np.int32)
    assert fit_variates(codes, [CATEGORIES] * 6, y, MAX_CLASSES + 1, 3.0) == []
    monkeypatch.setattr(variates, "MAX_CLASSES", MAX_CLASSES + 1)
    assert fit_variates(codes, [CATEGORIES] * 6, y, MAX_CLASSES + 1, 3.0) != []
    low = (codes[:2].sum(axis=0) > 2).astype(np.int32)
    assert fit_variates(codes[:, :MIN_ROWS], [CATEGORIES] * 6, low[:MIN_ROWS], 2, 3.0) != []
    assert (
        fit_variates(codes[:, : MIN_ROWS - 1], [CATEGORIES] * 6, low[: MIN_ROWS - 1], 2, 3.0) == []
    )


def test_code_of_a_sum_is_its_whole_part_clipped_to_a_byte() -> None:
    tables = np.zeros((2, 256))
    tables[0, :4] = [-5.0, 10.2, 200.0, 1e300]
    tables[1, 1] = 0.9
    codes = np.array([[0, 1, 1, 2, 3], [0, 0, 1, 1, 1]], np.uint8)
    variate = Variate(np.array([0, 1], np.int32), tables)
    assert variate.codes(codes, np.arange(5, dtype=np.int32)).tolist() == [0, 10, 11, 200, 255]


def test_do_affects_a_column_through_a_variate(model: ForestModel) -> None:
    part = model.samplers[COLUMNS]
    through = {int(column) for variate in part.tree.variates for column in variate.columns}
    assert len(through) > COLUMNS // 2
    assert through <= part.columns_used <= set(range(COLUMNS))
    low, high = (
        np.mean(
            np.array(model.sample(20_000, np.random.default_rng(5), do={"q11": level})["verdict"])
            == "v2"
        )
        for level in ("a0", "a2")
    )
    assert high > low + 0.05


def test_saved_model_loads_and_a_damaged_one_is_rejected(
    model: ForestModel, table_and_schema, tmp_path: Path
) -> None:
    model.save(tmp_path)
    loaded = FOREST.load(tmp_path, *table_and_schema)
    rows = model.sample(500, np.random.default_rng(6))
    assert loaded.sample(500, np.random.default_rng(6)).equals(rows)
    outline = json.loads((tmp_path / "forest.json").read_text())
    tree = outline["parts"][str(COLUMNS)]["tree"]
    whole = json.dumps(tree)
    for damage in (
        lambda: tree["variates"][0]["columns"].__setitem__(0, COLUMNS + 1),
        lambda: tree["variates"][0]["columns"].pop(),
        lambda: tree["variates"].append(tree["variates"][0]),
        lambda: tree.pop("variates"),
    ):
        damage()
        (tmp_path / "forest.json").write_text(json.dumps(outline))
        with pytest.raises(ModelFileError):
            FOREST.load(tmp_path, *table_and_schema)
        tree.clear()
        tree.update(json.loads(whole))
