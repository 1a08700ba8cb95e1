"""Waves of repeated cross-sections: how they are read, what moved, and what is never told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pytest

from simulacra_crds.tasks import FitRequest, GenerateRequest
from simulacra_intake.errors import InputError
from simulacra_schema.description import parse_description
from simulacra_trainer.in_process import read_described
from simulacra_trainer.pipeline.fit import fit_model
from simulacra_trainer.pipeline.generate import generate_rows, plan_generation


def tracker(waves: int = 4, size: int = 400, seed: int = 5) -> dict[str, Any]:
    """Return waves of other persons: in the last, half as many again know the brand."""
    rng = np.random.default_rng(seed)
    wave = np.repeat(np.arange(1, waves + 1), size)
    rows = wave.size
    age = rng.choice(["18-34", "35-54", "55+"], rows, p=[0.3, 0.4, 0.3])
    aware = rng.random(rows) < np.where(wave == waves, 0.55, 0.35)
    return {
        "wave": wave,
        "age": age,
        "sex": rng.choice(["female", "male"], rows),
        "aware": np.where(aware, "yes", "no"),
        "likes": rng.choice(["a", "b", "c", "d"], rows),
        "spend": np.round(rng.gamma(3.0, 20.0, rows), 2),
    }


def read(table: dict[str, Any], folder: Path, **roles: str) -> Any:
    path = folder / "tracker.csv"
    pyarrow.csv.write_csv(pa.table(table), path)
    fields = [{"name": name, "x-simulacra": {"role": role}} for name, role in roles.items()]
    return read_described(path, parse_description({"fields": fields}), None)


@pytest.mark.parametrize(
    ("cells", "levels", "storage"),
    [
        (np.repeat([2021, 2022, 2024], 200), ["2021", "2022", "2024"], "int64"),
        (np.repeat(["2026-Q1", "2025-Q4"], 300), ["2025-Q4", "2026-Q1"], "string"),
        (
            np.repeat(["wave 2", "wave 10", "wave 1"], 200),
            ["wave 1", "wave 2", "wave 10"],
            "string",
        ),
    ],
    ids=["years", "two quarters", "numbered"],
)
def test_waves_are_levels_in_order(
    cells: Any, levels: list[str], storage: str, tmp_path: Path
) -> None:
    others = {name: of[:600] for name, of in tracker().items() if name != "wave"}
    found = read({"when": cells, **others}, tmp_path, when="wave")
    column = found.clean.schema.wave()
    assert (column.kind, column.level_values(), column.storage) == ("ordinal", levels, storage)
    again = read_described(tmp_path / "tracker.csv", parse_description(found.document), None)
    assert again.clean.schema.wave().level_values() == levels


GAPS = [None if at % 80 == 0 else 1 + at // 800 for at in range(1600)]


@pytest.mark.parametrize(
    ("cells", "detail"),
    [
        (GAPS, "20 rows have no wave. Fill the gaps, or leave those rows out."),
        (
            np.ones(1600, int),
            "All rows are of one wave; at least 2 are needed. Leave the role out.",
        ),
        (np.arange(1600) // 20, "80 waves, and 40 at most can be compared. Group them, such as "),
        (np.linspace(0.1, 9.7, 1600), "A wave has an order: numbers, periods, or ordered "),
        (np.repeat(["north", "south"], 800), "A wave has an order: numbers, periods, or ordered "),
    ],
    ids=["gaps", "one", "many", "measured", "words"],
)
def test_what_is_no_wave_is_refused(cells: Any, detail: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        read({**tracker(), "wave": pa.array(cells)}, tmp_path, wave="wave")
    assert detail in (caught.value.detail or "")
    assert caught.value.pointer == "/fields/0/x-simulacra/role"


def test_a_wave_of_few_rows_is_noted(tmp_path: Path) -> None:
    table = {**tracker(), "wave": np.repeat([1, 2, 3], [1500, 60, 40])}
    notes = read(table, tmp_path, wave="wave").clean.schema.cleaning
    small = "waves of fewer than 100 rows: what moved is not tested in them"
    assert [one.action for one in notes if one.column == "wave"][-1] == small


def test_a_wave_is_proposed_by_its_name_and_never_taken(tmp_path: Path) -> None:
    for name in ("Welle", "survey_year", "vague", "四半期"):
        table = {name: of for name, of in tracker().items() if name != "wave"}
        schema = read({name: tracker()["wave"], **table}, tmp_path).clean.schema
        column = schema.find(name)
        assert (column.to_confirm, column.role, column.kind) == ("wave", None, "integer")
        assert schema.wave() is None
        stated = read({name: tracker()["wave"], **table}, tmp_path, **{name: "none"})
        assert stated.clean.schema.find(name).to_confirm is None
    short = {name: of[::5] for name, of in tracker().items()}
    assert read(short, tmp_path).clean.schema.find("wave").to_confirm is None


def test_the_wave_of_a_panel_is_its_order_as_before(tmp_path: Path) -> None:
    persons = {"person": np.tile([f"P{n:03d}" for n in range(400)], 4), **tracker()}
    schema = read(persons, tmp_path, person="subject", wave="wave").clean.schema
    assert (schema.order, schema.wave(), schema.find("wave").kind) == ("wave", None, "integer")


def test_nothing_causes_a_wave_and_rows_stay_in_its_levels(tmp_path: Path) -> None:
    clean = read(tracker(), tmp_path, wave="wave").clean
    said = {"tiers": [["likes"], ["wave"]]}
    request = FitRequest.model_validate({"family": "forest", "seed": 0, "knowledge": said})
    trained = fit_model(clean.table, clean.schema, request)
    assert trained.graph.order[0] == "wave"
    assert trained.graph.knowledge.confirmed == [["wave"]]
    assert "wave" not in {edge["target"] for edge in trained.graph.edges}
    plan = plan_generation(trained, GenerateRequest(row_count=200, seed=1))
    rows = pa.concat_tables(generate_rows(trained, plan))
    assert set(rows.column("wave").to_pylist()) == {1, 2, 3, 4}
