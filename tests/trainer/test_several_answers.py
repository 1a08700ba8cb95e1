"""Several answers in a cell: read as options, learned as yes or no, written as in the file."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulacra_crds.tasks import FitRequest, GenerateRequest
from simulacra_intake.errors import InputError
from simulacra_intake.output.restore import restore
from simulacra_intake.raw_table import ORIGIN
from simulacra_schema.conditions import ConditionSet
from simulacra_schema.faults import Fault
from simulacra_schema.questions.knowledge import Edge, Knowledge, check_knowledge
from simulacra_schema.questions.rows import RowsQuestion
from simulacra_schema.table import TableSchema
from simulacra_trainer.cleaning.clean import CleanTable, clean_table
from simulacra_trainer.graph.constraints import read_knowledge
from simulacra_trainer.pipeline.fit import fit_model
from simulacra_trainer.pipeline.generate import generate_rows, plan_generation
from simulacra_trainer.trained_model import TrainedModel, load_model, save_model

pytestmark = pytest.mark.usefixtures("exact_counts")

WORDS = (
    st.text("abcdefgh éü&-", min_size=2, max_size=12)
    .map(str.strip)
    .filter(lambda word: len(word) > 1 and any(map(str.isalpha, word)))
)
MEDIA = ["TV", "Radio", "Web", "Zeitung", "Podcast"]


def answers(
    rows: int, separator: str, options: list[str], *, exclusive: str | None = None, seed: int = 1
) -> list[str]:
    """Return cells with each option in 40 % of them, some empty, some with the exclusive one."""
    rng = np.random.default_rng(seed)
    cells = [
        separator.join(o for o, has in zip(options, row, strict=True) if has)
        for row in rng.random((rows, len(options))) < 0.4
    ]
    return [exclusive if exclusive and rng.random() < 0.1 else cell for cell in cells]


def cleaned(cells: list[str], csv: bool = True, **others: list[str]) -> CleanTable:
    age = [str(20 + i % 50) for i in range(len(cells))] if csv else np.arange(len(cells)) % 50
    sex = ["m", "f"] * len(cells)
    table = pa.table({"media": cells, "age": age, "sex": sex[: len(cells)], **others})
    return clean_table(table.replace_schema_metadata({ORIGIN: b"csv"} if csv else None))


def kind(cells: list[str]) -> str:
    found = cleaned(cells).schema.find("media")
    assert found is not None
    return found.kind


@settings(max_examples=25, deadline=None)
@given(
    separator=st.sampled_from([";", "; ", "|", " | ", ",", ", ", " / ", "/", "┋"]),
    options=st.lists(WORDS, min_size=4, max_size=9, unique=True),
    seed=st.integers(0, 1000),
)
def test_cells_of_options_are_read_and_written_alike(
    separator: str, options: list[str], seed: int
) -> None:
    cells = answers(300, separator, options, seed=seed)
    clean = cleaned(cells)
    column = clean.schema.find("media")
    assert column is not None
    assert (column.kind, column.separator) == ("multi", separator)
    assert column.level_values() == options
    assert column.missing_share == pytest.approx(cells.count("") / 300)
    back = restore(clean.table, clean.schema, rng=np.random.default_rng(0))
    assert back.column("media").to_pylist() == [cell or None for cell in cells]


@pytest.mark.parametrize(
    "options",
    [
        ["电视", "广播", "网络", "报纸, 杂志"],
        ["A.微信", "B.微博", "C.抖音/快手", "D.其他"],
        ["Bus", "U-Bahn", "Fahrrad; zu Fuß", "Auto"],
    ],
)
def test_answers_of_chinese_survey_tools_are_read_and_written_alike(options: list[str]) -> None:
    cells = answers(300, "┋", options)
    clean = cleaned(cells)
    column = clean.schema.find("media")
    assert column is not None
    assert (column.separator, column.level_values()) == ("┋", options)
    back = restore(clean.table, clean.schema, rng=np.random.default_rng(0))
    assert back.column("media").to_pylist() == [cell or None for cell in cells]


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000))
def test_parts_in_any_order_are_not_read_as_options(seed: int) -> None:
    rng = np.random.default_rng(seed)
    cells = [", ".join(rng.permutation(MEDIA)[: rng.integers(1, 4)]) for _ in range(300)]
    assert kind(cells) != "multi"


@pytest.mark.parametrize(
    "cells",
    [
        ["Washington, DC", "Portland, OR", "Boston, MA", "Reno, NV", "Austin, TX"] * 40,
        [f"{size}/{color}" for size in "SML" for color in ("red", "blue", "green")] * 30,
        ["TV", "Radio", "Books, magazines", "Web"] * 50,
        [f"Q{q}/20{y}" for q in range(1, 5) for y in range(10, 25)] * 5,
        ["good, but too long", "fine", "I liked the food, the talks, and the people"] * 50,
        ["https://a.example/b/c", "https://a.example/b", "https://a.example/d/c"] * 60,
        [f"{first}.x@mail.org; {last}.y@mail.org" for first in "abc" for last in "def"] * 20,
    ],
)
def test_words_that_hold_a_separator_stay_words(cells: list[str]) -> None:
    assert kind(cells) != "multi"


def test_typed_columns_are_read_as_text_columns_are() -> None:
    cells = answers(300, "; ", MEDIA)
    typed = cleaned(cells, csv=False).schema.columns[0]
    assert cleaned(cells).schema.columns[0] == typed


@pytest.mark.parametrize("sign", ["/", "."])
def test_answers_between_spaces_are_read_where_options_have_columns(sign: str) -> None:
    cells = ["tap river", "river", "well tap", "tap", "tap well river"] * 12
    options = {
        f"media{sign}{o}": [str(int(o in c)) for c in cells] for o in ("tap", "river", "well")
    }
    column = cleaned(cells, **options).schema.find("media")
    assert column is not None
    assert (column.kind, column.separator) == ("multi", " ")
    assert kind(cells) != "multi"


def test_a_separator_after_the_last_answer_is_written_again() -> None:
    cells = [cell and f"{cell};" for cell in answers(300, ";", MEDIA)]
    clean = cleaned(cells)
    back = restore(clean.table, clean.schema, rng=np.random.default_rng(0))
    assert clean.schema.columns[0].terminated
    assert back.column("media").to_pylist() == [cell or None for cell in cells]


def test_an_option_with_the_separator_in_its_words_stays_one() -> None:
    options = ["TV", "Books, magazines", "Web", "Radio"]
    assert cleaned(answers(300, ", ", options)).schema.columns[0].level_values() == options


def test_own_words_beside_many_options_are_left_out() -> None:
    options = [f"option {letter}" for letter in "abcdefghijkl"]
    cells = answers(2_000, ";", options)
    for i in range(60):  # 3 % of the rows
        cells[i * 30] = f"option a;my own words {i}"
    column = cleaned(cells).schema.columns[0]
    assert column.kind == "multi"
    assert column.level_values() == options


def test_an_option_named_like_another_column_is_no_option() -> None:
    cells = answers(300, ";", MEDIA)
    clean = cleaned(cells, **{"media: TV": ["a", "b", "c"] * 100})
    assert clean.schema.columns[0].kind != "multi"


def test_options_of_few_persons_are_left_out() -> None:
    cells = answers(600, ";", MEDIA)
    cells[:8] = ["TV;Radio;Betamax"] * 4 + ["TV;Betamax"] * 4  # rows of one person
    person = [f"P-{i // 8:05d}" for i in range(600)]
    clean = cleaned(cells, person_id=person)
    assert clean.schema.subject() is not None
    assert "Betamax" not in clean.schema.columns[0].level_values()
    assert "media: Betamax" not in clean.table.column_names


@pytest.fixture(scope="module")
def fitted() -> TrainedModel:
    cells = answers(1_000, "; ", MEDIA, exclusive="None of these")
    rng = np.random.default_rng(3)
    cells = ["" if rng.random() < 0.15 else cell for cell in cells]
    clean = cleaned(cells)
    return fit_model(clean.table, clean.schema, FitRequest(seed=1))


def drawn(fitted: TrainedModel, rows: int, **request: object) -> list[str | None]:
    plan = plan_generation(fitted, GenerateRequest(row_count=rows, seed=2, **request))
    cells: list[str | None] = pa.concat_tables(generate_rows(fitted, plan))["media"].to_pylist()
    return cells


def test_generated_cells_hold_the_options_in_order(fitted: TrainedModel) -> None:
    cells = drawn(fitted, 4_000)
    column = fitted.schema.find("media")
    assert column is not None
    assert [level.exclusive for level in column.levels] == [False] * 5 + [True]
    place = {option: i for i, option in enumerate(column.level_values())}
    answered = [cell.split("; ") for cell in cells if cell is not None]
    assert all(sorted(cell, key=place.__getitem__) == cell for cell in answered)
    assert not any("None of these" in cell and len(cell) > 1 for cell in answered)
    assert cells.count(None) / 4_000 == pytest.approx(column.missing_share, abs=0.03)
    counts = Counter(option for cell in answered for option in cell)
    for level in column.levels:
        assert counts[level.value] / len(answered) == pytest.approx(level.share, abs=0.05)


def test_a_condition_on_options_is_met_to_the_row(fitted: TrainedModel) -> None:
    conditions = ConditionSet(categorical={"media": {"TV": 0.7, "Web": 0.25}})
    cells = drawn(fitted, 2_000, conditions=conditions)
    for option, rows in (("TV", 1_400), ("Web", 500)):
        assert sum(cell is not None and option in cell.split("; ") for cell in cells) == rows
    request = GenerateRequest(row_count=2_000, seed=2, conditions=conditions)
    attainment = plan_generation(fitted, request).attainment
    assert attainment is not None
    assert {(one.column, one.level) for one in attainment.conditions} == {
        ("media", "TV"),
        ("media", "Web"),
    }


def test_an_intervention_on_an_option_holds_in_every_row(fitted: TrainedModel) -> None:
    cells = drawn(fitted, 1_000, interventions={"media: TV": "yes"})
    assert all(cell is not None and "TV" in cell.split("; ") for cell in cells)
    assert not any("None of these" in (cell or "") for cell in cells)


def test_a_saved_model_draws_the_same_answers(fitted: TrainedModel, tmp_path) -> None:
    save_model(fitted, tmp_path)
    assert drawn(load_model(tmp_path), 200) == drawn(fitted, 200)


@pytest.fixture(scope="module")
def schema(fitted: TrainedModel) -> TableSchema:
    return fitted.schema


def _asked(schema: TableSchema, **question: Any) -> list[Fault]:
    return RowsQuestion[Any].model_validate(question).faults(schema)


def test_requests_that_name_the_column_are_told_to_name_an_option(schema: TableSchema) -> None:
    wrong = _asked(schema, conditions={"categorical": {"media": {"TVs": 0.5}}})
    assert [error.pointer for error in wrong] == ["/conditions/categorical/media/TVs"]
    both = {"categorical": {"media": {"TV": 0.5}, "media: TV": {"yes": 0.4}}}
    assert "one of the two" in _asked(schema, conditions=both)[0].detail
    one_option = _asked(schema, interventions={"media": "TV"})
    assert '"media: TV"' in one_option[0].detail
    assert not _asked(schema, interventions={"media: TV": "yes"})


def test_knowledge_may_name_the_column_or_its_options(schema: TableSchema) -> None:
    tiers = Knowledge(tiers=[["age"], ["media"]])
    assert not check_knowledge(tiers, schema)
    columns = [column.name for column in schema.learned()]
    before = read_knowledge(tiers, schema, columns).before
    assert before[columns.index("age"), columns.index("media: Web")]
    twice = Knowledge(tiers=[["media: TV"], ["media"]])
    assert [error.pointer for error in check_knowledge(twice, schema)] == ["/tiers/1/0"]
    required = Knowledge(required=[Edge(source="age", target="media")])
    assert [error.pointer for error in check_knowledge(required, schema)] == ["/required/0"]
    with pytest.raises(InputError):
        read_knowledge(required, schema, columns)
    forbidden = Knowledge(forbidden=[Edge(source="media", target="age")])
    allowed = read_knowledge(forbidden, schema, columns).allowed
    assert not allowed[columns.index("media: TV"), columns.index("age")]
