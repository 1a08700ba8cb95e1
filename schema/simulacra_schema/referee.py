"""An answer sheet as a program that repeats it on a table, for a referee.

The program holds questions and the intervals that the verdicts claim, no rows. It shares no code
with the engine: two methods that agree say more than one that agrees with itself.
"""

from collections.abc import Mapping
from importlib.resources import files
from pprint import pformat
from typing import Any

ASKED = "ASKED = {}\n"
"""The line of the program that the questions replace."""


def sheet_program(sheet: Mapping[str, Any]) -> str:
    """Return the source of a Python program that repeats an answer sheet.

    Contrasts without an answer are left out: there is nothing to repeat.

    sheet: a `SheetResult` as JSON, snake_case.
    """
    questions = [_question(lever["answer"]) for lever in sheet["levers"]]
    asked = {
        "outcome": sheet["outcome"],
        "level": sheet.get("outcome_level"),
        "population": sheet.get("population", "all"),
        "critical": sheet["critical"],
        "questions": [one for one in questions if one["sets"]],
    }
    # A literal of Python, so that a name with quotes or line ends stays a name.
    literal = pformat(asked, width=96, sort_dicts=False)
    program = (files("simulacra_schema") / "referee_program.txt").read_text(encoding="utf-8")
    return program.replace(ASKED, f"ASKED = {literal}\n", 1)


def _question(answer: Mapping[str, Any]) -> dict[str, Any]:
    sets = answer.get("alternatives") or []
    union, answered = answer.get("union"), answer.get("answered") or {}
    return {
        "treatment": answer["treatment"],
        "value": answer["value"],
        "baseline": answer["baseline"],
        "verdict": answer["verdict"]["kind"],
        "interval": None if union is None else (union["low"], union["high"]),
        "sets": [one["adjustment"] for one in sets if not one.get("reverses")],
        "may_reverse": any(one.get("reverses") for one in sets),
        "method": answer["method"],
        "answered_for": answered.get("share", 1.0),
        "left_out": answered.get("left_out", []),
    }
