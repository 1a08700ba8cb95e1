"""Segment estimates in the SDK and the command: shares in words."""

from __future__ import annotations

from typing import Any

import pytest

from effect_results import SHARE
from simulacra.operations.questions import boost
from simulacra.segment import Segment


def segment(**changes: Any) -> Segment:
    return Segment({"segment_id": "seg-1", "status": "ready", "shares": [SHARE]} | changes)


def test_print_gives_the_shares_in_words_and_what_holds_for_all() -> None:
    assert str(segment()).splitlines() == [SHARE["text"], "The interval holds with 95 %."]
    assert str(segment(shares=[SHARE] * 2)).endswith("All 2 intervals hold together with 95 %.")
    assert str(segment(shares=[], reason="Not certified.")).strip() == "Not certified."
    failed = segment(status="failed", error={"detail": "Internal error."})
    assert str(failed) == "seg-1: failed\nInternal error."


def test_notebook_shows_a_table_of_shares() -> None:
    shown = segment()._repr_html_()
    for cell in ("region = north", "segment = loyal", "35.0 %", "76", "boosted"):
        assert f"<td>{cell}</td>" in shown


def test_notebook_shows_what_moved_only_of_waves() -> None:
    change = {"since": "3", "change": -0.041, "low": -0.09, "high": 0.0, "verdict": "no sign"}
    of_wave = segment(shares=[SHARE | {"helped": 120.0, "change": change}])._repr_html_()
    for cell in ("120", "-4.1 points, no sign"):
        assert f"<td>{cell}</td>" in of_wave
    assert "since the wave before" in of_wave
    assert "since the wave before" not in segment()._repr_html_()


def test_the_next_wave_says_what_it_rests_on_and_takes_targets() -> None:
    of = {"low80": 0.3, "high80": 0.4, "carried": 0.33, "error": 0.021, "carried_error": 0.03}
    shown = segment(shares=[SHARE | {"next": of}])
    for cell in ("30.0 % to 40.0 %", "33.0 %", "2.1 points", "3.0 points"):
        assert f"<td>{cell}</td>" in shown._repr_html_()
    assert str(shown).endswith("Each interval holds by itself.")
    asked = {"wave": "next"}, ["q"]
    step = next(boost("ds-1", *asked, targets={"age": {"50+": 0.5}}, key="k"))
    assert step.json["targets"] == {"categorical": {"age": {"50+": 0.5}}}
    with pytest.raises(ValueError, match="targets: there is no such file"):
        next(boost("ds-1", *asked, targets="plan.json"))


def test_a_price_question_prints_its_answer() -> None:
    step = next(boost("ds-1", prices={}, key="k"))
    assert step.json == {"prices": {}}
    both = next(boost("ds-1", {"a": "x"}, ["q"], prices={}, key="k"))
    assert set(both.json) == {"prices", "segment", "questions"}
    point = {"name": "optimal", "price": 11.2, "low": 10.7, "high": 11.7}
    answer = {"text": "Optimal price point: 11.2.", "points": [point]}
    shown = segment(prices={}, price_answer=answer, shares=[])
    assert str(shown) == "Optimal price point: 11.2."
    assert "<td>11.2</td>" in shown._repr_html_()
    assert str(segment(prices={}, shares=[], reason="Fewer than 50.")) == "Fewer than 50."


@pytest.mark.parametrize(
    ("segments", "columns"),
    [
        ({"a": "x"}, [{"column": "a", "levels": ["x"]}]),
        (
            {"a": ["x", "y"], "b": []},
            [{"column": "a", "levels": ["x", "y"]}, {"column": "b", "levels": []}],
        ),
    ],
)
def test_request_names_columns_and_levels(segments: Any, columns: Any) -> None:
    step = next(boost("ds-1", segments, ["q"], key="k"))
    assert step.path == "/v1/datasets/ds-1/segments"
    assert step.json == {"segment": columns, "questions": ["q"]}
