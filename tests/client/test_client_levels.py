"""Levels of questions that are numbers or booleans: the SDK sends what JSON has for them."""

from __future__ import annotations

import pytest

from simulacra.operations.questions import asked_of_segments, level_text


@pytest.mark.parametrize(
    ("given", "level"),
    [
        ("5", "5"),
        (5, "5"),
        (5.0, "5"),
        ("5.0", "5.0"),
        (True, "true"),
        (False, "false"),
        (None, None),
    ],
)
def test_an_outcome_level_is_sent_as_text(given: str | float | None, level: str | None) -> None:
    assert level_text(given) == level


def test_one_level_of_a_segment_may_be_a_number() -> None:
    asked = asked_of_segments({"wave": 5, "sex": [0, True], "town": "A"}, ["q1"], None)
    assert [part["levels"] for part in asked["segment"]] == [[5], [0, True], ["A"]]
