"""The wave summary: what it tells, what it never tells, and the same answers as one file."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pytest

from simulacra_crds.tasks import FitRequest
from simulacra_intake.errors import InputError
from simulacra_schema.description import parse_description
from simulacra_schema.questions.knowledge import Knowledge
from simulacra_schema.wave_summary import MAX_CONTENT_BYTES, SummaryWave, WaveSummary, later
from simulacra_trainer.cell_keys import METADATA
from simulacra_trainer.in_process import read_described
from simulacra_trainer.pipeline.fit import fit_model
from simulacra_trainer.pipeline.fit_context import FitContext
from simulacra_trainer.trained_model import load_model, save_model
from simulacra_trainer.waves.labels import label_of
from simulacra_trainer.waves.report import waves_report
from simulacra_trainer.waves.summary import LINKED, PRIVATE, _of_size, wave_summary
from simulacra_trainer.waves.told_tables import told_cells

SIZE = 400
SECRET = np.random.default_rng(1).bytes(32)


def survey(wave: int, seed: int = 5, **more: Any) -> dict[str, Any]:
    """Return one wave of a tracker with clusters and weights; in the third the brand is known."""
    rng = np.random.default_rng([seed, wave])
    aware = rng.random(SIZE) < (0.6 if wave == 3 else 0.35)
    return {
        "quarter": np.repeat(f"2026-Q{wave}", SIZE),
        "age": rng.choice(["18-34", "35-54", "55+"], SIZE, p=[0.3, 0.4, 0.3]),
        "sex": rng.choice(["female", "male"], SIZE),
        "aware": np.where(aware, "yes", "no"),
        "likes": rng.choice(["a", "b", "c", "d"], SIZE),
        "rare": np.where(np.arange(SIZE) < 3, "never", rng.choice(["often", "seldom"], SIZE)),
        "spend": np.round(rng.gamma(3.0, 20.0, SIZE), 2),
        "point": [f"{wave}-{at}" for at in np.repeat(np.arange(SIZE // 10), 10)],
        "w": np.round(rng.uniform(0.5, 2.0, SIZE), 3),
        **more,
    }


ROLES = {"quarter": "wave", "point": "cluster", "w": "weight"}


def joined(*waves: dict[str, Any]) -> dict[str, Any]:
    return {name: np.concatenate([one[name] for one in waves]) for name in waves[0]}


def read(
    folder: Path, table: dict[str, Any], earlier: WaveSummary | None = None, **more: Any
) -> Any:
    path = folder / "tracker.csv"
    pyarrow.csv.write_csv(pa.table(table), path)
    fields = [{"name": n, "x-simulacra": {"role": r}} for n, r in ROLES.items() if n in table]
    document = {"fields": fields, "x-simulacra": {"version": 1, **more}}
    clean = read_described(path, parse_description(document), None, earlier).clean
    # The same noise in each run: with another secret three persons may count as five.
    known = {**(clean.table.schema.metadata or {}), METADATA: SECRET}
    return replace(clean, table=clean.table.replace_schema_metadata(known))


@dataclass
class Tracker:
    """Three waves as one file; the first two, their summary, and the third alone."""

    both: Any
    old: Any
    summary: WaveSummary
    new: Any


@pytest.fixture(scope="module")
def tracker(tmp_path_factory: pytest.TempPathFactory) -> Tracker:
    folder = tmp_path_factory.mktemp("tracker")
    waves = [survey(one) for one in (1, 2, 3)]
    old = read(folder, joined(*waves[:2]))
    summary = wave_summary(old.table, old.schema, Knowledge())
    return Tracker(read(folder, joined(*waves)), old, summary, read(folder, waves[2], summary))


def test_a_summary_tells_each_wave_and_no_rows(tracker: Tracker) -> None:
    found = tracker.summary
    assert (found.column, found.labels) == ("quarter", ["2026-Q1", "2026-Q2"])
    text = found.content()
    assert WaveSummary.model_validate_json(text).content() == text
    assert len(text) < 20_000
    wave = found.waves[-1]
    assert (wave.banner, wave.clusters) == (["age", "sex"], 40)
    assert abs(wave.rows - SIZE) < 6
    assert wave.attack < 0.67
    asked = {one.name: one for one in wave.questions}
    assert not {"point", "w", "quarter"} & asked.keys(), "design and waves are no questions"
    assert asked["rare"].hits[asked["rare"].levels.index("never")] is None, "three persons"
    assert asked["aware"].by["sex"].hits[0][0] > 5
    numbers = asked["spend"].edges
    assert numbers == [round(one) for one in numbers], "ends of bands are no person's values"


def test_nothing_tells_how_few_did_not_answer(tmp_path: Path) -> None:
    """Without clusters, degrees of freedom were the persons who answered, less one."""
    waves = joined(survey(1), survey(2))
    likes = waves["likes"].astype(object)
    likes[:3] = None
    table = {name: of for name, of in waves.items() if name not in ("point", "w")}
    clean = read(tmp_path, table | {"likes": likes})
    found = wave_summary(clean.table, clean.schema, Knowledge(), seed=1)
    for wave in found.waves:
        told = [q for q in wave.questions if None not in q.hits]
        assert {of for q in told for of in q.freedom} == {400.0}
        assert all(hits == round(hits) for q in told for hits in q.hits if hits is not None)


def test_a_wave_of_one_sampling_point_has_an_error(tmp_path: Path) -> None:
    """Its points' totals do not vary, so its answers were taken for exact."""
    waves = joined(survey(1), survey(2, point=np.repeat("z", SIZE)))
    clean = read(tmp_path, waves)
    found = wave_summary(clean.table, clean.schema, Knowledge(), seed=1)
    of_points, of_one = ({one.name: one for one in wave.questions} for wave in found.waves)
    assert of_points["sex"].freedom == [39.0, 39.0]
    assert of_one["sex"].freedom == [1.0, 1.0]
    assert all(0.8 < effect < 1.3 for effect in of_one["sex"].effects if effect is not None)


def test_no_cell_of_few_persons_follows_from_the_others() -> None:
    persons = np.array([[50.0, 3.0, 40.0], [60.0, 70.0, 80.0], [90.0, 85.0, 95.0]])
    told = told_cells(persons)
    assert not told[0, 1]
    assert (~told).sum(axis=0).tolist() == [2, 2, 0] or (~told).sum() >= 4
    assert all((~line).sum() != 1 for line in (*told, *told.T))


def test_newest_rows_with_a_summary_give_the_answers_of_one_file(tracker: Tracker) -> None:
    """Apart from noise of one person, which another secret draws, and bands of numbers."""
    whole = waves_report(tracker.both.table, tracker.both.schema, Knowledge(), seed=0)
    part = waves_report(
        tracker.new.table, tracker.new.schema, Knowledge(), seed=0, earlier=tracker.summary
    )
    assert whole is not None
    assert part is not None
    for name in ("newest", "before", "column", "background"):
        assert part[name] == whole[name]
    assert part["carried"] == ["2026-Q1", "2026-Q2"]
    assert {one["column"] for one in part["answers"]} == {one["column"] for one in whole["answers"]}
    ours, theirs = (
        {
            (one["column"], one["answer"]): one
            for one in found["answers"]
            if one["column"] != "spend"
        }
        for found in (part, whole)
    )
    shared = ours.keys() & theirs.keys()
    assert len(shared) >= 8, "of two answers the other one may stand for both"
    for key in shared:
        one, other = ours[key], theirs[key]
        assert one["verdict"] == other["verdict"], key
        for name in ("change", "low", "high"):
            assert one[name] == pytest.approx(other[name], abs=0.025), (key, name)
    moved = ours["aware", "yes"]
    assert moved["verdict"] == "moved"
    assert moved["composition"]["answers"]["change"] > 0.15
    assert abs(moved["composition"]["composition"]["change"]) < 0.05


def test_a_summary_carries_earlier_waves_on(tracker: Tracker) -> None:
    table, schema = tracker.new.table, tracker.new.schema
    found = wave_summary(table, schema, Knowledge(), earlier=tracker.summary)
    assert found.labels == ["2026-Q1", "2026-Q2", "2026-Q3"]
    assert found.waves[:2] == tracker.summary.waves
    edges = [{q.name: q.edges for q in wave.questions}["spend"] for wave in found.waves]
    assert edges[2] == edges[1], "bands stay, so that shares can be compared"


def test_weakest_banner_goes_first_and_what_tells_too_much_is_not_told(
    tracker: Tracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    strict = wave_summary(tracker.old.table, tracker.old.schema, Knowledge(), strict=True)
    assert all(wave.attack <= 0.60 for wave in strict.waves)
    margins = min(one.attack for one in tracker.summary.waves) - 0.005
    monkeypatch.setitem(wave_summary.__globals__["CAPS"], "standard", margins)
    fewer = wave_summary(tracker.old.table, tracker.old.schema, Knowledge())
    assert all(len(one.banner) < 2 for one in fewer.waves)
    monkeypatch.setitem(wave_summary.__globals__["CAPS"], "standard", 0.5)
    none = wave_summary(tracker.old.table, tracker.old.schema, Knowledge())
    assert not none.waves
    assert "Even shares of single answers" in str(none.reason)


def test_a_summary_stays_within_its_size(tracker: Tracker) -> None:
    wave = tracker.summary.waves[0]
    many = [
        wave.model_copy(update={"label": str(at), "questions": wave.questions * 60})
        for at in range(9)
    ]
    found = _of_size(WaveSummary(waves=many))
    assert len(found.content()) <= MAX_CONTENT_BYTES
    assert found.waves[-1].label == "8"


def test_a_table_without_waves_is_one_and_linked_rows_have_none(tmp_path: Path) -> None:
    plain = {name: of for name, of in survey(1).items() if name != "quarter"}
    plain["kids"] = np.where(np.arange(SIZE) < 3, 2, np.arange(SIZE) % 3 // 2 * 3)
    clean = read(tmp_path, plain, banner=["likes"])
    found = wave_summary(clean.table, clean.schema, Knowledge())
    assert (found.labels, found.column, found.waves[0].banner) == (["1"], None, ["likes"])
    kids = next(one for one in found.waves[0].questions if one.name == "kids")
    assert (kids.levels, kids.edges) == (["0", "3"], None), "2 is of three persons"
    assert label_of(clean.schema, found) == (None, "2")
    named = read(tmp_path, survey(3), found)
    assert label_of(named.schema, None) == ("quarter", "2026-Q3")
    persons = clean.schema.model_copy(deep=True)
    persons.columns[0].role = "subject"
    assert wave_summary(clean.table, persons, Knowledge()).reason == LINKED


@pytest.mark.parametrize(
    ("wave", "detail"),
    [(2, "ends with wave '2026-Q2'"), (1, "begins with '2026-Q1'")],
    ids=["the same wave", "an earlier one"],
)
def test_a_summary_of_a_later_wave_is_refused(
    wave: int, detail: str, tracker: Tracker, tmp_path: Path
) -> None:
    with pytest.raises(InputError) as caught:
        read(tmp_path, survey(wave), tracker.summary)
    assert detail in caught.value.detail
    assert caught.value.pointer == "/earlier"
    assert "2026" not in caught.value.message, "labels are the customer's"
    assert later("10", "9")
    assert not later("2026-Q1", "2026-Q2")


@pytest.mark.parametrize(
    ("banner", "detail"),
    [("nope", "no such column"), ("point", "shown by levels"), ("town", "13 levels")],
)
def test_a_banner_column_needs_levels_and_few(banner: str, detail: str, tmp_path: Path) -> None:
    table = survey(1, town=[f"town {at % 13}" for at in range(SIZE)])
    del table["quarter"]
    with pytest.raises(InputError) as caught:
        read(tmp_path, table, banner=[banner])
    assert [one.pointer for one in caught.value.errors] == ["/x-simulacra/banner/0"]
    assert detail in caught.value.errors[0].detail


def test_a_fit_makes_the_summary_and_its_report_uses_the_earlier_one(
    tracker: Tracker, tmp_path: Path
) -> None:
    table, schema = tracker.new.table, tracker.new.schema
    context = FitContext(earlier=tracker.summary)
    trained = fit_model(table, schema, FitRequest(family="forest"), context=context)
    assert trained.report["waves"]["carried"] == ["2026-Q1", "2026-Q2"]
    save_model(trained, tmp_path / "model")
    loaded = load_model(tmp_path / "model").summary
    assert loaded == trained.summary
    assert loaded is not None
    assert loaded.labels[-1] == "2026-Q3"
    assert METADATA.decode() not in json.dumps(loaded.model_dump())


def test_differential_privacy_has_no_summary(tmp_path: Path) -> None:
    plain = {name: of for name, of in survey(1).items() if name in ("age", "sex", "aware", "likes")}
    clean = read(tmp_path, plain)
    request = FitRequest(family="forest", privacy={"epsilon": 1.0})
    found = fit_model(clean.table, clean.schema, request).summary
    assert found is not None
    assert (found.waves, found.reason) == ([], PRIVATE)


def test_waves_of_a_summary_have_labels_of_their_own(tracker: Tracker) -> None:
    wave: SummaryWave = tracker.summary.waves[0]
    with pytest.raises(ValueError, match="label of its own"):
        WaveSummary(waves=[wave, wave])
