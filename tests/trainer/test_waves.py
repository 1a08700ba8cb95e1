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
from simulacra_schema.questions.knowledge import Knowledge
from simulacra_trainer.in_process import read_described
from simulacra_trainer.pipeline.fit import fit_model
from simulacra_trainer.pipeline.generate import generate_rows, plan_generation
from simulacra_trainer.pipeline.generation_report import report_generation
from simulacra_trainer.report import render_html
from simulacra_trainer.trained_model import TrainedModel
from simulacra_trainer.waves.moves import holm, reach, verdicts
from simulacra_trainer.waves.report import waves_report
from simulacra_trainer.waves.shares import Estimate


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
            np.repeat(["very low", "low", "don't know", "high"], [700, 500, 20, 380]),
            "20 rows have no wave.",
        ),
        (
            np.ones(1600, int),
            "All rows are of one wave; at least 2 are needed. Leave the role out.",
        ),
        (np.arange(1600) // 20, "80 waves, and 40 at most can be compared. Group them, such as "),
        (np.linspace(0.1, 9.7, 1600), "A wave has an order: numbers, periods, or ordered "),
        (np.repeat(["north", "south"], 800), "A wave has an order: numbers, periods, or ordered "),
    ],
    ids=["gaps", "answers apart", "one", "many", "measured", "words"],
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


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> TrainedModel:
    clean = read(tracker(), tmp_path_factory.mktemp("waves"), wave="wave").clean
    said = {"tiers": [["likes"], ["wave"]]}
    request = FitRequest.model_validate({"family": "forest", "seed": 0, "knowledge": said})
    return fit_model(clean.table, clean.schema, request)


def test_nothing_causes_a_wave_and_rows_stay_in_its_levels(trained: TrainedModel) -> None:
    assert trained.graph.order[0] == "wave"
    assert trained.graph.knowledge.confirmed == [["wave"]]
    assert "wave" not in {edge["target"] for edge in trained.graph.edges}
    plan = plan_generation(trained, GenerateRequest(row_count=200, seed=1))
    rows = pa.concat_tables(generate_rows(trained, plan))
    assert set(rows.column("wave").to_pylist()) == {1, 2, 3, 4}


def test_the_report_says_what_moved_and_shows_it(trained: TrainedModel) -> None:
    found = trained.report["waves"]
    assert (found["newest"], found["before"], found["background"]) == ("4", "3", ["age", "sex"])
    first = found["answers"][0]
    assert (first["column"], first["answer"], first["verdict"]) == ("aware", "yes", "moved")
    assert first["low"] > 0.05
    assert first["earlier"]["waves"] == ["1", "2", "3"]
    page = render_html(trained.report)
    assert page.count(first["sentence"]) == 1
    assert 'aria-label="aware: yes in waves 1 to 4"' in page
    assert "real rows alone" in page.lower()


def test_generated_rows_are_never_tested(trained: TrainedModel) -> None:
    asked = GenerateRequest(row_count=100, seed=1)
    plan = plan_generation(trained, asked)
    report = report_generation(trained, asked, plan, trained.table.slice(0, 100))
    assert "waves" not in report
    assert "What moved" not in render_html(report)


def report_of(table: dict[str, Any], folder: Path, **roles: str) -> dict[str, Any]:
    clean = read(table, folder, wave="wave", **roles).clean
    found = waves_report(clean.table, clean.schema, Knowledge(), seed=0)
    assert found is not None
    return found


def test_a_table_without_waves_has_no_such_part(tmp_path: Path) -> None:
    clean = read(tracker(), tmp_path).clean
    assert waves_report(clean.table, clean.schema, Knowledge(), seed=0) is None


def test_differential_privacy_leaves_the_part_out(tmp_path: Path) -> None:
    table = {name: tracker(size=120)[name] for name in ("wave", "sex", "aware")}
    clean = read(table, tmp_path, wave="wave").clean
    privacy = {"epsilon": 3.0, "delta": 1e-6}
    request = FitRequest.model_validate({"family": "forest", "seed": 0, "privacy": privacy})
    assert "waves" not in fit_model(clean.table, clean.schema, request).report


def test_cells_of_few_persons_are_left_out(tmp_path: Path) -> None:
    table = tracker()
    rare = np.where(np.arange(1600) % 20 == 0, "rare", "usual").astype(object)
    rare[400:800] = "usual"
    rare[400:402] = "rare"  # two persons of the second wave
    newest = np.where(np.arange(1600) % 10 == 0, "some", "none").astype(object)
    newest[1200:] = "none"
    newest[1200:1202] = "some"
    report = report_of({**table, "early": rare, "late": newest}, tmp_path)
    early = next(one for one in report["answers"] if one["column"] == "early")
    assert [share is None for share in early["shares"]] == [False, True, False, False]
    assert [margin is None for margin in early["margins"]] == [False, True, False, False]
    assert "late" not in {one["column"] for one in report["answers"]}


def test_waves_of_few_rows_are_not_tested(tmp_path: Path) -> None:
    table = {name: of[: 3 * 400 + 90] for name, of in tracker().items()}
    report = report_of(table, tmp_path)
    assert [one["tested"] for one in report["waves"]] == [True, True, True, False]
    assert (report["newest"], report["before"]) == ("3", "2")
    short = {name: of[:490] for name, of in tracker().items()}
    alone = report_of(short, tmp_path)
    assert (alone["newest"], alone["answers"]) == (None, [])
    assert alone["sentence"] == "Fewer than 2 waves have 100 rows, so nothing is tested."


def test_what_tells_the_wave_is_no_question(tmp_path: Path) -> None:
    table = tracker()
    report = report_of({**table, "month": [f"m{one}" for one in table["wave"]]}, tmp_path)
    assert "month" not in {one["column"] for one in report["answers"]}


def test_a_change_is_split_into_who_was_asked_and_what_they_said(tmp_path: Path) -> None:
    wave, old = np.repeat([1, 1, 2, 2], [900, 2100, 1800, 1200]), np.zeros(6000, bool)
    old[:900] = old[3000:4800] = True
    at = np.arange(6000) % 20
    told = {
        "made": at < np.where(old, 14, 6),  # by age alone
        "said": at < np.where(wave == 1, 8, 11),  # whatever the age
    }
    table = {
        "wave": wave,
        "age": np.where(old, "55+", "18-54"),
        "sex": np.where(np.arange(6000) // 20 % 2, "f", "m"),
    }
    table |= {name: np.where(of, "yes", "no") for name, of in told.items()}
    found = {one["column"]: one for one in report_of(table, tmp_path)["answers"]}
    made, said = (found[name]["composition"] for name in told)
    assert made["composition"]["low"] < 0.12 < made["composition"]["high"]
    assert made["answers"]["low"] < 0.0 < made["answers"]["high"]
    assert said["composition"]["low"] < 0.0 < said["composition"]["high"]
    assert said["answers"]["low"] < 0.15 < said["answers"]["high"]
    assert "People alike in age and sex show no change" in found["made"]["sentence"]
    assert "People alike in age and sex answer differently" in found["said"]["sentence"]
    assert found["age"]["composition"] is None


def test_sampling_points_widen_intervals_and_shared_ones_narrow_them(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    wave, point = np.repeat([1, 2], 800), np.tile(np.repeat(np.arange(40), 20), 2)
    likes = rng.standard_normal(40)[point] + rng.standard_normal(1600) > 0
    table = {"wave": wave, "point": point, "likes": np.where(likes, "yes", "no")}
    table |= {"sex": rng.choice(["f", "m"], 1600), "other": rng.choice(["a", "b"], 1600)}
    apart = {**table, "point": point + 40 * (wave - 1)}
    widths = {
        name: next(
            one["high"] - one["low"]
            for one in report_of(of, tmp_path, **roles)["answers"]
            if one["column"] == "likes"
        )
        for name, of, roles in (
            ("rows", table, {"point": "none"}),
            ("shared", table, {"point": "cluster"}),
            ("apart", apart, {"point": "cluster"}),
        )
    }
    assert widths["apart"] > 1.5 * widths["rows"]
    assert widths["shared"] < 0.8 * widths["apart"]


def test_replicate_weights_widen_intervals_as_the_points_that_made_them(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    wave, point = np.repeat([1, 2], 800), np.repeat(np.arange(80), 20)
    likes = rng.standard_normal(80)[point] + rng.standard_normal(1600) > 0
    old = rng.random(1600) < np.where(wave == 2, 0.7, 0.5)
    table = {
        "wave": wave,
        "likes": np.where(likes, "yes", "no"),
        "sex": rng.choice(["f", "m"], 1600),
    }
    table |= {"age group": np.where(old, "60+", "under 60"), "w": np.ones(1600)}
    jackknife = {f"rep{one}": np.where(point == one, 0.0, 80 / 79) for one in range(80)}
    extension = {"version": 1, "weights": "w"}
    design = {"replicateWeights": "rep*", "replicates": "jk1"}
    fields = [{"name": "wave", "x-simulacra": {"role": "wave"}}]
    cluster = {"name": "point", "x-simulacra": {"role": "cluster"}}
    found = []
    for own, more, stated in (
        ({"point": point}, [cluster], extension),
        (jackknife, [], extension | {"design": design}),
    ):
        described = parse_description({"fields": [*fields, *more], "x-simulacra": stated})
        clean = read_described(pa.table(table | own), described).clean
        report = waves_report(clean.table, clean.schema, Knowledge(), seed=0)
        assert report is not None
        answers = {one["column"]: one for one in report["answers"]}
        found.append([answers[name]["high"] - answers[name]["low"] for name in ("likes", "sex")])
    assert found[1] == pytest.approx(found[0], rel=0.1)
    assert found[0][0] > 1.5 * found[0][1]


def test_p_values_are_adjusted_for_all_answers() -> None:
    p = np.array([0.01, 0.04, 0.03, 0.005])
    assert holm(p).tolist() == pytest.approx([0.03, 0.06, 0.06, 0.02])
    estimates = [Estimate(one, 9.0, 1000.0, 1.0) for one in (5.0, 2.7, 2.6, 2.5, *[0.1] * 6)]
    assert verdicts(estimates) == ["moved", *["probably moved"] * 3, *["no sign"] * 6]


def test_intervals_hold_together_and_allow_for_few_points() -> None:
    one = Estimate(0.0, 1.0, 1e6, 9.0)
    assert reach(one, 1) == pytest.approx(1.96, abs=1e-3)
    assert reach(one, 10) == pytest.approx(2.807, abs=1e-3)
    assert reach(Estimate(0.0, 1.0, 4.0, 9.0), 1) == pytest.approx(2.776, abs=1e-3)


def test_earlier_waves_end_where_they_differ(tmp_path: Path) -> None:
    table, at = tracker(waves=6), np.arange(2400) % 20
    table["aware"] = np.where(at < np.where(table["wave"] == 2, 14, 7), "yes", "no")
    table["sex"] = np.where(at % 2 == 0, "f", "m")
    found = {one["column"]: one for one in report_of(table, tmp_path)["answers"]}
    assert found["aware"]["earlier"]["waves"] == ["3", "4", "5"]
    assert found["sex"]["earlier"]["waves"] == ["2", "3", "4", "5"]
