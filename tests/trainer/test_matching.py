"""Questions of two waves that changed: found again, asked about, and compared once confirmed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from simulacra_intake.errors import InputError
from simulacra_intake.matching.match import Match, match_questions
from simulacra_intake.matching.questions import (
    QUANTILES,
    Question,
    Rows,
    both_tabulated,
    quantiles_of_bands,
)
from simulacra_schema.description import parse_description
from simulacra_schema.questions.knowledge import Knowledge
from simulacra_schema.wave_summary import WaveSummary
from simulacra_trainer.in_process import read_described
from simulacra_trainer.waves.report import waves_report
from simulacra_trainer.waves.summary import wave_summary


def wave(seed: int, rows: int = 800) -> dict[str, Any]:
    """Return answers of which attitudes go with age, party and use, each in its own way."""
    rng = np.random.default_rng(seed)
    age, left = rng.integers(18, 80, rows), rng.random(rows) < 0.5
    uses = rng.random(rows) < np.where(left, 0.7, 0.3)

    def scale(of: Any) -> Any:
        return np.digitize(of + rng.standard_normal(rows), [-0.6, 0.6]) + 1

    return {
        "age": age,
        "party": np.where(left, "left", "right"),
        "uses": np.where(uses, "yes", "no"),
        "region": rng.choice(["north", "south", "west"], rows, p=[0.5, 0.3, 0.2]),
        "taxes": scale(1.2 * left - 0.6),
        "schools": scale((age - 49) / 12),
        "prices": scale(1.0 - 1.2 * uses),
    }


def rows_of(table: dict[str, Any]) -> Rows:
    arrays = {name: pa.array(of) for name, of in table.items()}
    words = {n: of.dictionary_encode() for n, of in arrays.items() if of.type == pa.string()}
    return Rows.of(arrays | words, {})


def questions(earlier: dict[str, Any], newest: dict[str, Any]) -> Any:
    return both_tabulated(rows_of(earlier), rows_of(newest))


def renamed(table: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    return {names.get(name, name): of for name, of in table.items()}


def test_questions_that_kept_name_and_levels_are_the_same() -> None:
    found = match_questions(*questions(wave(1), wave(2)))
    assert [(one.earlier, one.newest) for one in found.same] == [(n, n) for n in wave(1)]
    assert (found.ask, found.none) == ([], [])


def test_changes_are_found_and_asked_about_and_no_row_is_needed() -> None:
    newest = renamed(wave(2), {"region": "Q31", "uses": "party", "party": "uses"})
    newest |= {"taxes": 4 - newest["taxes"], "prices": np.minimum(newest["prices"], 2)}
    newest = {name: of for name, of in newest.items() if name != "age"}
    newest |= {"colour": ["red", "blue"] * 400}
    found = match_questions(*questions(wave(1), newest))
    assert [(one.earlier, one.newest) for one in found.same] == [("region", "Q31")]
    asked = {(one.earlier, one.newest): one.reason for one in found.ask}
    assert asked == {
        ("party", "uses"): "the name is another",
        ("uses", "party"): "the name is another",
        ("schools", "schools"): "the scale may be turned",  # age, which it goes with, is gone
        ("taxes", "taxes"): "the scale may be turned",
        ("prices", "prices"): "the levels differ",
    }
    assert found.none == [
        Match("age", None, "no question of the newest wave is like it"),
        Match(None, "colour", "no question of the earlier wave is like it"),
    ]


def test_exchanged_names_of_one_scale_are_told_by_what_they_go_with() -> None:
    newest = renamed(wave(2), {"taxes": "schools", "schools": "taxes"})
    found = match_questions(*questions(wave(1), newest))
    told = {(one.earlier, one.newest): one.reason for one in found.ask}
    assert told == {
        ("taxes", "schools"): "its name was given to another",
        ("schools", "taxes"): "its name was given to another",
    }
    blind = [[replace(one, tables={}) for one in of] for of in questions(wave(1), wave(2))]
    assert match_questions(*blind).ask  # shares alone do not tell them apart


def test_labels_decide_where_names_are_numbers() -> None:
    shares = {"levels": ("1", "2", "3"), "shares": (0.3, 0.4, 0.3), "missing": 0.0, "rows": 900}
    texts = ("How do you like the service?", "Do you trust the press?", "Is your income enough?")
    old = [Question(f"Q{n}", label=text, place=n / 3, **shares) for n, text in enumerate(texts)]
    new = [Question(f"Q{n + 1}", label=text, place=n / 3, **shares) for n, text in enumerate(texts)]
    found = match_questions(old, new)
    pairs = {(one.earlier, one.newest) for one in [*found.same, *found.ask]}
    assert pairs == {("Q0", "Q1"), ("Q1", "Q2"), ("Q2", "Q3")}


def yes_no(seed: int) -> dict[str, Any]:
    """Return a wave in which few questions have one scale, so that names are not taken for given
    to another."""
    found = wave(seed)
    return found | {"schools": np.minimum(found["schools"], 2)}


@pytest.fixture(scope="module")
def summary() -> WaveSummary:
    clean = read_described(pa.table(yes_no(1)), parse_description({"x-simulacra": BANNER})).clean
    return wave_summary(clean.table, clean.schema, Knowledge())


BANNER = {"version": 1, "banner": ["uses", "party", "region", "schools"]}
CHANGED = renamed(yes_no(2), {"prices": "Q7"}) | {
    "taxes": 4 - yes_no(2)["taxes"],
    "region": np.char.upper(yes_no(2)["region"]),
    "uses": np.where(yes_no(2)["uses"] == "yes", "always", "never"),
}


def after(summary: WaveSummary, table: dict[str, Any], said: dict[str, Any]) -> Any:
    """Return a clean table after a summary, and the part `waves` of its report."""
    fields = [{"name": name, "x-simulacra": of} for name, of in said.items()]
    stated = parse_description({"fields": fields, "x-simulacra": BANNER})
    clean = read_described(pa.table(table), stated, None, summary).clean
    return clean, waves_report(clean.table, clean.schema, Knowledge(), seed=0, earlier=summary)


def test_with_a_summary_what_is_in_doubt_is_asked_and_not_compared(summary: WaveSummary) -> None:
    clean, report = after(summary, CHANGED, {})
    asked = {one.name: one.earlier for one in clean.schema.columns if one.to_confirm == "earlier"}
    assert {name: of.question for name, of in asked.items()} == {
        "taxes": "taxes",
        "Q7": "prices",
        "uses": "uses",
    }
    assert not any(of.stated for of in asked.values())
    compared = {one["column"] for one in report["answers"]}
    assert compared == {"age", "party", "region", "schools"}
    told = dict(one.split(" ", 1) for one in report["to_confirm"])
    assert told.keys() == asked.keys()
    assert "another question than taxes of earlier waves (the scale may be turned)" in told["taxes"]
    assert "looks like the question prices of earlier waves" in told["Q7"]
    carried = wave_summary(clean.table, clean.schema, Knowledge(), earlier=summary).waves[0]
    assert {one.name for one in carried.questions} == compared | {"prices"}, "no doubt is handed on"


def test_with_a_summary_what_is_stated_is_compared_and_handed_on(summary: WaveSummary) -> None:
    said = {
        "taxes": {"earlier": "taxes", "levels": {"1": "3", "2": "2", "3": "1"}},
        "Q7": {"earlier": "prices"},
        "uses": {"earlier": "uses", "levels": {"always": "yes", "never": "no"}},
        "schools": {"earlier": False},
    }
    clean, report = after(summary, CHANGED, said)
    assert report["to_confirm"] == []
    answers = {f"{one['column']}: {one['answer']}": one for one in report["answers"]}
    columns = {one["column"] for one in report["answers"]}
    assert columns == {"age", "party", "region", "taxes", "Q7", "uses"}
    assert all(one["verdict"] == "no sign" for one in answers.values())
    assert answers["Q7: 2"]["sentence"].startswith("Q7 (prices before): 2 shows no sign")
    assert "before" not in answers["taxes: 3"]
    carried = wave_summary(clean.table, clean.schema, Knowledge(), earlier=summary)
    first = {one.name: one for one in carried.waves[0].questions}
    assert first.keys() == columns
    assert first["taxes"].levels == ["3", "2", "1"]
    assert set(first["uses"].levels) == {"always", "never"}
    again, third = after(carried, CHANGED, {})
    assert third["to_confirm"] == [], "it is stated once"
    assert again.schema.find("Q7").earlier is None


def test_exchanged_names_and_levels_that_became_one_are_stated(summary: WaveSummary) -> None:
    table = renamed(yes_no(2), {"taxes": "prices", "prices": "taxes"})
    table["region"] = np.where(table["region"] == "west", "south", table["region"])
    said: dict[str, Any] = {"taxes": {"earlier": "prices"}, "prices": {"earlier": "taxes"}}
    said["region"] = {"earlier": "region", "levels": {"south": ["south", "west"]}}
    _, report = after(summary, table, said)
    answers = {f"{one['column']}: {one['answer']}": one for one in report["answers"]}
    assert {"taxes: 1", "prices: 1"} < answers.keys()
    assert answers["taxes: 1"]["before"] == "prices"
    (region,) = (one for one in answers.values() if one["column"] == "region")
    assert abs(region["change"]) < 0.06


def test_what_no_summary_has_is_refused_at_its_place(summary: WaveSummary) -> None:
    said = {
        "Q7": ({"earlier": "pricse"}, "earlier", 'has this question. Did you mean "prices"?'),
        "taxes": ({"earlier": "taxes", "levels": {"1": "9"}}, "levels/1", "taxes has no such"),
        "uses": ({"earlier": "uses"}, "earlier", "confirm how no..yes becomes always..never"),
        "age": ({"earlier": "party"}, "earlier", "One of both holds numbers"),
    }
    with pytest.raises(InputError) as caught:
        after(summary, CHANGED, {name: of[0] for name, of in said.items()})
    told = {one.pointer: one.detail for one in caught.value.errors}
    for at, (_, path, detail) in enumerate(said.values()):
        assert detail in told.pop(f"/fields/{at}/x-simulacra/{path}")
    assert not told


def test_numbers_of_a_summary_are_bands() -> None:
    spend = np.random.default_rng(5).gamma(3.0, 20.0, 4000)
    edges = np.quantile(spend, np.arange(1, 10) / 10)
    shares = np.bincount(np.searchsorted(edges, spend), minlength=10) / spend.size
    found = np.array(quantiles_of_bands(edges.tolist(), shares.tolist()))
    assert found[1:-1] == pytest.approx(np.quantile(spend, QUANTILES)[1:-1], rel=0.05)


def tracker(now: Any = None) -> dict[str, Any]:
    """Return four waves; a question has another name from the third on."""
    waves = [wave(seed, 400) for seed in range(4)]
    table = {name: np.concatenate([of[name] for of in waves]) for name in waves[0]}
    number = np.repeat([1, 2, 3, 4], 400)
    late = number > 2
    taxes = np.array(["no", "perhaps", "yes"], object)[table.pop("taxes") - 1]
    q9 = np.vectorize(now.get)(taxes) if now else taxes.copy()
    yes = late & (np.arange(number.size) % 5 == 0) & (number == 4)
    q9[yes] = (now or {}).get("yes", "yes")
    return {
        "wave": number,
        **table,
        "Q7": pa.array(taxes, mask=late),
        "Q9": pa.array(q9, mask=~late),
    }


def read(table: dict[str, Any], **q9: Any) -> Any:
    fields: list[Any] = [{"name": "wave", "x-simulacra": {"role": "wave"}}]
    fields += [{"name": "Q9", "x-simulacra": q9}] if q9 else []
    return read_described(pa.table(table), parse_description({"fields": fields}))


def report_of(clean: Any) -> dict[str, Any]:
    found = waves_report(clean.table, clean.schema, Knowledge(), seed=0)
    assert found is not None
    return {f"{one['column']}: {one['answer']}": one for one in found["answers"]}


def test_a_question_under_two_names_is_proposed_and_compared_only_once_stated() -> None:
    found = read(tracker())
    column = found.clean.schema.find("Q9")
    assert (column.to_confirm, column.earlier.question) == ("earlier", "Q7")
    assert not column.earlier.stated
    assert {one.to_confirm for one in found.clean.schema.columns if one.name != "Q9"} == {None}
    field = next(one for one in found.document["schema"]["fields"] if one["name"] == "Q9")
    assert "looks like the question Q7 of earlier waves" in field["x-simulacra"]["evidence"]["type"]
    apart = report_of(found.clean)["Q9: yes"]
    assert [share is None for share in apart["shares"]] == [True, True, False, False]
    assert "before" not in apart
    again = read_described(pa.table(tracker()), parse_description(found.document))
    assert not again.clean.schema.find("Q9").earlier.stated  # sending it back confirms nothing

    stated = read(tracker(), earlier="Q7")
    column = stated.clean.schema.find("Q9")
    assert (column.to_confirm, column.earlier.stated) == (None, True)
    answers = report_of(stated.clean)
    joined = answers["Q9: yes"]
    assert None not in joined["shares"]
    assert joined["shares"][:2] == pytest.approx(joined["shares"][2:3] * 2, abs=0.06)
    assert (joined["verdict"], joined["before"]) == ("moved", "Q7")
    assert joined["sentence"].startswith("Q9 (Q7 before): yes rose")
    assert joined["earlier"]["waves"] == ["1", "2", "3"]
    assert not any(name.startswith("Q7") for name in answers)

    own = read(tracker(), earlier=False).clean.schema.find("Q9")
    assert (own.to_confirm, own.earlier) == (None, None)


def test_levels_in_other_words_are_compared_as_stated() -> None:
    words = {"no": "never", "perhaps": "perhaps", "yes": "always"}
    found = read(tracker(words), earlier="Q7", levels={"never": "no", "always": ["yes"]})
    answers = report_of(found.clean)
    assert None not in answers["Q9: always"]["shares"]
    field = next(one for one in found.document["schema"]["fields"] if one["name"] == "Q9")
    assert field["x-simulacra"]["levels"] == {"never": ["no"], "always": ["yes"]}


def test_numbers_under_two_names_are_compared_by_their_fifths() -> None:
    table = tracker()
    spend = np.random.default_rng(3).gamma(3.0, 20.0, 1600)
    late = table["wave"] > 2
    table |= {"spend": pa.array(spend, mask=late), "outlay": pa.array(spend, mask=~late)}
    fields = [
        {"name": "wave", "x-simulacra": {"role": "wave"}},
        {"name": "outlay", "x-simulacra": {"earlier": "spend"}},
    ]
    clean = read_described(pa.table(table), parse_description({"fields": fields})).clean
    shares = report_of(clean)["outlay: lowest fifth"]["shares"]
    assert shares == pytest.approx([0.2] * 4, abs=0.05)


def test_what_the_data_contradict_is_refused_at_its_place_and_all_at_once() -> None:
    said = {
        "prices": ({"earlier": "prices"}, "earlier", "This is the column itself."),
        "age": ({"earlier": "Q77"}, "earlier", 'The table has no such column. Did you mean "Q7"?'),
        "party": ({"earlier": "uses"}, "earlier", "Answers of uses must all be of waves before"),
        "uses": ({"earlier": "wave"}, "earlier", "wave is read as ordinal"),
        "region": ({"levels": {"north": "n"}}, "levels", "Say which question had these levels"),
        "Q9": ({"earlier": "Q7", "levels": {"yes": "ja"}}, "levels/yes", "Q7 has no such level."),
    }
    fields: list[Any] = [{"name": name, "x-simulacra": of[0]} for name, of in said.items()]
    fields += [{"name": "wave", "x-simulacra": {"role": "wave"}}]
    with pytest.raises(InputError) as caught:
        read_described(pa.table(tracker()), parse_description({"fields": fields}))
    told = {one.pointer: one.detail for one in caught.value.errors}
    for at, (_, path, detail) in enumerate(said.values()):
        assert detail in told.pop(f"/fields/{at}/x-simulacra/{path}")
    assert not told
    with pytest.raises(InputError) as caught:
        read(tracker(), earlier="Q7", levels={"ja": "yes"})
    assert caught.value.pointer == "/fields/1/x-simulacra/levels/ja"


def test_a_scale_with_more_points_must_be_confirmed_level_by_level() -> None:
    table, rng = tracker(), np.random.default_rng(4)
    late = table["wave"] > 2
    scale = np.where(late, rng.integers(1, 8, 1600), rng.integers(1, 6, 1600))
    table |= {"Q7": pa.array(scale, mask=late), "Q9": pa.array(scale, mask=~late)}
    with pytest.raises(InputError) as caught:
        read(table, earlier="Q7")
    assert "confirm how 1..5 becomes 1..7, by" in caught.value.errors[0].detail
    ends = read(table, earlier="Q7", levels={"1": "1", "7": "5"}).clean
    answers = report_of(ends)
    assert None not in answers["Q9: 7"]["shares"]
    assert answers["Q9: 5"]["shares"][:2] == [None, None]
