"""What the report counts as rare, replaced and left out, and words that one respondent gave."""

from __future__ import annotations

import pyarrow as pa

from simulacra_schema.privacy_verdict import privacy
from simulacra_schema.table import CleaningNote, ColumnSchema, LevelSchema, TableSchema
from simulacra_trainer.report import build_report, render_html
from simulacra_trainer.report.facts import columns_read
from simulacra_trainer.report.left_out import figures_of_words, left_out
from trainer_tables import clean, levels_column

PRIVATE = {"exact_copies": 0.0, "exact_base": 0.0, "dcr_share": 0.5, "membership_pass": 1.0}
PRIVATE |= {"membership_measured": 1.0, "rare_numbers_pass": 1.0, "pairs_pass": 1.0}
JOBS = ["clerk"] * 60 + ["nurse"] * 36 + ["astronaut"] + ["welder"] * 3


def table(jobs: list[str], kind: str = "categorical") -> tuple[pa.Table, TableSchema]:
    mood = ["good", "bad"] * (len(jobs) // 2)
    return clean(levels_column("job", jobs, kind), levels_column("mood", mood))


def counted(generated: list[str], **changed: object) -> dict:
    real, schema = table(JOBS)
    schema.columns[0] = schema.columns[0].model_copy(update=changed)
    drawn = table(generated)[0]
    return left_out(real, drawn, schema, columns_read(schema), [])


def test_words_of_one_respondent_are_counted_in_the_generated_rows() -> None:
    found = counted(["clerk"] * 80 + ["astronaut"] * 2 + ["welder"] * 18)
    job, mood = found["columns"]
    drawn, schema = table(JOBS)
    report = build_report(drawn, None, drawn, schema) | {"left_out": found}
    page = " ".join(render_html(report).split())
    assert "2 of fewer than five people, 1 of one" in page
    assert "20.0 % of the generated rows carry a word that one to four respondents" in page
    assert "job (20.0 %). Such words may name" in page
    assert (job["rare_levels"], job["single_levels"]) == (2, 1)
    assert (job["rare_rows"], job["few_rows"], job["single_rows"]) == (None, 0.2, 0.02)
    assert (mood["rare_levels"], mood["single_rows"]) == (0, 0.0)
    assert (found["single_columns"], found["single_rows"]) == (1, 0.02)
    assert (found["few_columns"], found["few_rows"]) == (1, 0.2)
    assert not any(word in str(found) for word in JOBS)
    assert privacy(PRIVATE | figures_of_words(found)).level == "poor"


def test_words_of_two_to_four_respondents_that_come_back_are_poor_too() -> None:
    found = counted(["clerk"] * 98 + ["welder"] * 2)
    assert (found["few_columns"], found["few_rows"], found["single_columns"]) == (1, 0.02, 0)
    assert privacy(PRIVATE | figures_of_words(found)).level == "poor"


def test_words_that_no_generated_row_carries_do_no_harm() -> None:
    found = counted(["clerk"] * 100)
    assert (found["columns"][0]["single_levels"], found["single_rows"]) == (1, 0.0)
    assert privacy(PRIVATE | figures_of_words(found)).level == "good"


def test_answers_of_a_code_list_and_yes_and_no_are_no_words_of_a_respondent() -> None:
    levels = [LevelSchema(value=one, share=0.25, code=str(at)) for at, one in enumerate(set(JOBS))]
    generated = ["astronaut"] * 100
    assert counted(generated, levels=levels)["single_rows"] == 0.0
    assert counted(generated, kind="boolean")["single_rows"] == 0.0
    assert counted(generated)["single_rows"] == 1.0


def test_columns_that_are_replaced_left_out_or_not_pictured_are_listed() -> None:
    real, schema = table(JOBS)
    name = ColumnSchema(
        name="name", kind="text", storage="string", learned=False, personal_data="name"
    )
    note = "words of fewer than 5 persons were replaced by others"
    schema = schema.model_copy(
        update={
            "columns": [*schema.columns, name.model_copy(update={"role": "personal_data"})],
            "cleaning": [CleaningNote(column="job", action=note, count=7)],
        }
    )
    pictures = [{"column": "mood", "cells": ["good"], "edges": []}]
    job, mood, person = left_out(real, real, schema, columns_read(schema), pictures)["columns"]
    assert (job["words_replaced"], job["pictured"], mood["pictured"]) == (7, False, True)
    assert (person["use"], person["pictured"]) == ("invented", False)
