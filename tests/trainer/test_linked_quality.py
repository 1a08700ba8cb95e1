"""What is measured of linked rows, and the verdicts that they have of their own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from simulacra_crds.tasks import FitRequest, GenerateRequest
from simulacra_schema.verdicts import verdicts_of_linked
from simulacra_trainer.cleaning.clean import clean_table
from simulacra_trainer.linked.privacy import LinkedTrial, LinkedTuning
from simulacra_trainer.linked.quality import impossible_rows, linked_figures, linked_report
from simulacra_trainer.linked.tables import LinkedTables, linked_tables
from simulacra_trainer.pipeline.fit import fit_model
from simulacra_trainer.pipeline.generate import generate_rows, plan_generation
from simulacra_trainer.pipeline.generation_report import report_generation, verdicts_on
from simulacra_trainer.report import render_html
from simulacra_trainer.trained_model import TrainedModel

PERSONS, ROWS = 240, 6
LEVELS = np.array(["x", "y", "z"])


def panel(seed: int, *, holds: bool = True) -> pa.Table:
    """Return persons with a habit; one of three marks is set in each row, if the rule holds."""
    rng = np.random.default_rng(seed)
    who = np.repeat(np.arange(PERSONS), ROWS)
    sex = rng.integers(0, 2, PERSONS)
    habit = rng.integers(0, 3, PERSONS)
    stays = rng.random(who.size) < 0.8
    if not holds:
        habit, sex = rng.permutation(habit), rng.permutation(sex)
        stays = np.zeros(who.size, np.bool_)
    chosen = np.where(stays, habit[who], rng.integers(0, 3, who.size))
    pay = 3 + 0.8 * (sex[who] if holds else rng.integers(0, 2, who.size))
    marks = {f"mark_{level}": (chosen == at).astype(np.int64) for at, level in enumerate(LEVELS)}
    if not holds:
        marks = {name: rng.permutation(of) for name, of in marks.items()}
    columns = {
        "person_id": [f"P{one:05d}" for one in who],
        "year": np.tile(np.arange(2015, 2015 + ROWS), PERSONS),
        "sex": np.array(["f", "m"])[sex[who]],
        **marks,
        "pay": np.round(pay + rng.normal(0, 0.4, who.size), 2),
    }
    return pa.table(columns)


def halves(seed: int, *, holds: bool) -> tuple[LinkedTables, LinkedTables, LinkedTables]:
    """Return persons of both halves, and persons drawn with the relations or without."""
    real = clean_table(panel(seed))
    tables = linked_tables(real.table, real.schema)
    other = clean_table(panel(seed + 1, holds=holds))
    drawn = linked_tables(other.table, other.schema)
    assert tables is not None
    assert drawn is not None
    cut = np.arange(PERSONS)
    return tables.of_persons(cut[::2]), tables.of_persons(cut[1::2]), drawn


def found(*, holds: bool) -> dict[str, Any]:
    seen, unseen, drawn = halves(5, holds=holds)
    trial = LinkedTrial(seen, unseen, drawn.subjects, drawn.events, drawn.who)
    other = replace(trial, seen=unseen, unseen=seen)
    tuning = LinkedTuning(1.0, 1.0, 0.51, 0.01, 0.0, 0.0, True, ({}, {}, {}), (trial, other))
    return linked_report(tuning, float(PERSONS), seed=0)


def test_linked_rows_that_lose_their_relations_are_told_by_name() -> None:
    lost = found(holds=False)
    words = {tuple(one["columns"]): one["kept"] for one in lost["pairs"]}
    within, of_person, in_time = (
        ("mark_x", "mark_y"),
        ("sex", "pay"),
        ("mark_x", "mark_x (row before)"),
    )
    assert {words[pair] for pair in (within, of_person, in_time)} == {"lost"}
    assert lost["impossible"]["generated"] > 0.1 > lost["impossible"]["unseen"]
    figures = linked_figures(lost)
    assert all(name.startswith("linked_") for name in figures)
    assert lost["membership"]["measured"]
    assert figures["linked_membership_gain"] < 0.1, "other people's rows tell nothing"
    none = {"single_word_columns": 0.0, "rare_word_columns": 0.0}
    own = {"linked_membership_pass": 1.0, "linked_rare_numbers_pass": 1.0, "linked_pairs_pass": 1.0}
    likeness, privacy = verdicts_of_linked(figures | none | own)
    assert (likeness.level, privacy.level) == ("poor", "good")
    told = verdicts_of_linked(figures | none | own | {"linked_membership_pass": 0.0})[1]
    assert (told.level, "Persons in the table can be told" in told.sentence) == ("poor", True)


def test_persons_whose_rows_come_back_are_told_by_their_own_values() -> None:
    seen, unseen, _ = halves(5, holds=True)
    trial = LinkedTrial(seen, unseen, seen.subjects, seen.events, seen.who)
    other = LinkedTrial(unseen, seen, unseen.subjects, unseen.events, unseen.who)
    tuning = LinkedTuning(1.0, 1.0, 0.51, 0.01, 0.0, 0.0, True, ({}, {}, {}), (trial, other))
    copied = linked_report(tuning, float(PERSONS), seed=0)
    assert not copied["membership"]["passes"]
    assert linked_figures(copied)["linked_membership_pass"] == 0.0


def test_linked_rows_like_the_table_are_not_called_poor() -> None:
    like = found(holds=True)
    words = [one["kept"] for one in like["pairs"]]
    assert len(words) > 5
    assert words.count("lost") <= 0.05 * len(words)
    assert like["impossible"]["generated"] < 0.02
    assert like["c2st_auc"] < 0.6
    assert verdicts_of_linked(linked_figures(like))[0].level == "good"


def test_a_rule_of_two_columns_is_broken_by_rows_that_have_both() -> None:
    one = pa.table({"a": [1, 0] * 50, "b": [0, 1] * 50})
    two = pa.table({"a": [1, 0, 1, 0], "b": [0, 1, 1, 0]})
    assert impossible_rows(one, one, two, ["a", "b"]) == (0.5, 0.0)
    assert impossible_rows(one.slice(0, 8), one, two, ["a", "b"]) == (0.0, 0.0)


@pytest.fixture(scope="module")
def model() -> TrainedModel:
    clean = clean_table(panel(3))
    return fit_model(clean.table, clean.schema, FitRequest.model_validate({"seed": 1}))


def test_a_generation_of_persons_has_the_verdicts_of_linked_rows(model: TrainedModel) -> None:
    failed = {"linked_dcr_share": 0.57, "linked_passes": 0.0, "linked_c2st_auc": 0.9}
    fine = {"dcr_share": 0.5, "c2st_auc": 0.5, "pairs_lost": 0.0, "kept_ratio": 0.9}
    fine |= {"membership_pass": 1.0, "rare_word_columns": 0.0}
    figures = model.figures | failed | fine
    missed = replace(model, figures=figures)
    linked, plain = (
        GenerateRequest.model_validate(of) for of in ({"persons": 40}, {"row_count": 40})
    )
    levels = {}
    for request in (linked, plain):
        plan = plan_generation(missed, request)
        levels[request.persons] = {one.code: one.level for one in verdicts_on(missed, plan)}
    assert levels[40] == {"likeness": "poor", "privacy": "poor", "worth": "unknown"}
    assert "poor" not in (levels[None]["likeness"], levels[None]["privacy"])
    plan, drawn = plan_generation(missed, linked), []
    list(generate_rows(missed, plan, on_first=drawn.append))
    report = report_generation(missed, linked, plan, drawn[0])
    assert report["privacy"]["of_model"] is None
    assert report["worth"]["pairs"] == model.report["linked"]["pairs"]
    page = render_html(report)
    assert "Do not publish them." in page
    assert "No sign of copying" not in page


def test_the_report_of_a_model_shows_what_linked_rows_keep(model: TrainedModel) -> None:
    told = {one["code"] for one in model.report["linked"]["verdicts"]}
    assert told == {"likeness", "privacy"}
    page = " ".join(render_html(model.report).split())
    assert "Likeness of linked rows:" in page
    assert "mark_x (row before)" in page
    assert model.figures["linked_passes"] in (0.0, 1.0)
