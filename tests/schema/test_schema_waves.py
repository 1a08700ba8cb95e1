"""The wave of repeated cross-sections: what may be asked of it, and its place among causes."""

from __future__ import annotations

import pytest

from simulacra_schema.background import bind_background
from simulacra_schema.description import DescriptionInvalid, parse_description
from simulacra_schema.lexicon import LANGUAGES, words_of
from simulacra_schema.questions.effect import EffectQuestion
from simulacra_schema.questions.knowledge import Knowledge, check_knowledge
from simulacra_schema.questions.rows import RowsQuestion
from simulacra_schema.questions.sheet import Lever, SheetQuestion
from simulacra_schema.table import ColumnSchema, LevelSchema, TableSchema

REFUSED = "A wave is no treatment; ask for a condition."


def schema_of(*roles: tuple[str, str | None]) -> TableSchema:
    levels = [LevelSchema(value=one, share=0.5) for one in ("1", "2")]
    columns = [
        ColumnSchema(name=n, kind="ordinal", storage="string", levels=levels, role=role)
        for n, role in (*roles, ("sex", None), ("a", None), ("b", None))
    ]
    for one in columns:
        if one.role == "subject":
            one.learned = False
    return TableSchema(rows=100, columns=columns)


TRACKER = schema_of(("w", "wave"))
PANEL = schema_of(("w", "wave"), ("who", "subject"))


def questions() -> list[object]:
    effect = {"treatment": "w", "value": "2", "baseline": "1", "outcome": "a=1"}
    lever = {"column": "w", "value": "2", "baseline": "1"}
    return [
        RowsQuestion[str](row_count=10, interventions={"w": "2"}),
        EffectQuestion[str](**effect),
        SheetQuestion[Lever[str]].model_validate({"outcome": "a=1", "levers": [lever]}),
    ]


@pytest.mark.parametrize("question", questions(), ids=["rows", "effect", "sheet"])
def test_a_wave_is_no_treatment(question: RowsQuestion[str]) -> None:
    assert [one.detail for one in question.faults(TRACKER)] == [REFUSED]
    assert REFUSED not in [one.detail for one in question.faults(PANEL)]


def test_an_earlier_name_belongs_to_one_question() -> None:
    said = [
        {"name": "Q9", "x-simulacra": {"earlier": "Q7", "levels": {"1": "yes", "2": ["no", 3]}}},
        {"name": "Q8", "x-simulacra": {"earlier": "Q7"}},
        {"name": "w", "x-simulacra": {"role": "wave", "earlier": "v"}},
        {"name": "a", "x-simulacra": {"earlier": "b", "levels": {"1": "x", "2": ["y", "x"]}}},
        {"name": "c", "x-simulacra": {"earlier": False, "levels": {"1": "x"}}},
        {"name": "e", "x-simulacra": {"use": "drop"}},
        {"name": "f", "x-simulacra": {"earlier": "e"}},
        {"name": "d", "x-simulacra": {"earlier": True}},
    ]
    good = parse_description({"fields": said[:1]}).fields[0].extension
    assert good.levels == {"1": ["yes"], "2": ["no", "3"]}
    with pytest.raises(DescriptionInvalid) as caught:
        parse_description({"fields": said[:7]})
    assert {one.pointer: one.detail for one in caught.value.errors} == {
        "/fields/1/x-simulacra/earlier": "Another field was this question.",
        "/fields/2/x-simulacra/earlier": "A column with the role wave is no question.",
        "/fields/3/x-simulacra/levels": "The earlier level 'x' is named twice; it can become one"
        " level.",
        "/fields/4/x-simulacra/levels": "This is a question of its own, so none of its levels had"
        " another name.",
        "/fields/6/x-simulacra/earlier": "This column is dropped; keep it.",
    }
    with pytest.raises(DescriptionInvalid):
        parse_description({"fields": said[7:]})


def test_a_wave_can_be_a_condition() -> None:
    conditions = {"categorical": {"w": {"2": 1.0}}}
    assert not RowsQuestion[str](row_count=10, conditions=conditions).faults(TRACKER)


@pytest.mark.parametrize("background", ["ask", "auto"])
def test_a_wave_comes_before_all_other_columns(background: str) -> None:
    said = {"tiers": [["a"], ["w", "b"]], "background": background}
    found = bind_background(Knowledge.model_validate(said), TRACKER)
    assert found.tiers == [["a"], ["b"]]
    assert found.confirmed == [["w"], ["sex"]][: 1 + (background == "auto")]
    assert bind_background(found, TRACKER) == found


def test_nothing_causes_a_wave() -> None:
    said = Knowledge.model_validate({"required": [{"source": "sex", "target": "w"}]})
    assert [one.detail for one in check_knowledge(said, TRACKER)] == [
        "Nothing causes a wave of a survey; remove the edge."
    ]
    assert check_knowledge(said, PANEL) == []


def test_confirmed_tiers_stay_within_their_limit_with_a_wave() -> None:
    columns = [*TRACKER.columns, TRACKER.columns[1].model_copy(update={"name": "c"})]
    schema = TRACKER.model_copy(update={"columns": columns})
    said = Knowledge(confirmed=[["sex"], ["a"], ["b"], ["c"]])
    found = bind_background(said, schema)
    assert found.confirmed == [["w"], ["sex"], ["a"], ["b", "c"]]
    assert Knowledge.model_validate(found.model_dump()) == found


def test_the_wave_of_a_panel_is_ordinary_knowledge() -> None:
    said = Knowledge(tiers=[["a"], ["w", "b"]])
    assert bind_background(said, PANEL) is said


def test_a_table_has_one_wave() -> None:
    fields = [{"name": name, "x-simulacra": {"role": "wave"}} for name in "ab"]
    with pytest.raises(DescriptionInvalid) as caught:
        parse_description({"fields": fields})
    assert [one.detail for one in caught.value.errors] == [
        "Another column is the wave already; a table has one."
    ]


def test_each_language_has_names_of_waves() -> None:
    assert all(words_of(language)["waves"] for language in LANGUAGES)
