"""Recognizers are one list: each has its name, the user asks for one, and a new one is cheap."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pyarrow as pa

from simulacra_intake.columns.distinct_values import split_words
from simulacra_intake.columns.recognize import RECOGNIZERS, WORDS, recognize
from simulacra_intake.columns.text_column import TextColumn
from simulacra_schema.description_parts import FieldKind, FieldType

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "intake/simulacra_intake"
LIST = f"{PACKAGE}/columns/recognize.py"
EDITS = (
    (
        "from simulacra_intake.columns.recognizers.dates import COMPACT_DATES, DATES\n",
        "from simulacra_intake.columns.recognizers.dynamics import DYNAMICS\n",
    ),
    ("    NAMED_POSTCODES,\n", "    DYNAMICS,\n"),
)
"""Lines of the list, and what follows them with the made-up recognizer."""
CHECK = """
import pyarrow as pa
from simulacra_intake.columns.distinct_values import split_words
from simulacra_intake.columns.recognize import recognize
from simulacra_intake.columns.text_column import TextColumn
words = split_words(pa.chunked_array([["f", "pp", "mf", "f", "p", "ff"] * 9]))
schema = recognize(TextColumn("loudness", words, "string")).schema
print(schema.kind, *schema.level_values())
"""


def _column(cells: list[str], name: str = "a") -> TextColumn:
    return TextColumn(name, split_words(pa.chunked_array([cells])), "string")


def test_each_kind_of_a_description_asks_for_one_recognizer() -> None:
    kinds = [kind for one in RECOGNIZERS for kind in one.kinds]
    assert len(kinds) == len(set(kinds))
    read_elsewhere = {"string", "list", "any"}
    assert set(kinds) == {*get_args(FieldKind), *get_args(FieldType)} - read_elsewhere
    assert len({one.name for one in RECOGNIZERS}) == len(RECOGNIZERS)


def test_the_narrower_form_has_the_higher_rank() -> None:
    """Eight digits are dates before they are numbers, unless some are no days."""
    dates = [f"202403{day:02}" for day in range(10, 30)]
    assert recognize(_column(dates)).schema.kind == "datetime"
    assert recognize(_column([*dates, "20240399"])).schema.kind == "integer"
    assert recognize(_column(dates), WORDS).schema.kind == "identifier"


def test_a_new_recognizer_is_one_module_and_two_lines(tmp_path: Path) -> None:
    """A made-up recognizer in a copy orders levels that no scale of the product knows."""
    levels = ["f", "pp", "mf", "f", "p", "ff"] * 9
    assert recognize(_column(levels, "loudness")).schema.kind == "categorical"
    shutil.copytree(ROOT / PACKAGE, tmp_path / PACKAGE)
    text = (tmp_path / LIST).read_text()
    for anchor, line in EDITS:
        assert text.count(anchor) == 1, anchor
        text = text.replace(anchor, anchor + line)
    (tmp_path / LIST).write_text(text)
    new = Path(__file__).parent / "new_recognizer/dynamics.py"
    shutil.copy(new, tmp_path / PACKAGE / "columns/recognizers")
    env = {**os.environ, "PYTHONPATH": str(tmp_path / "intake")}
    command = [sys.executable, "-c", CHECK]
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    assert (done.stdout, done.returncode) == ("ordinal pp p mf f ff\n", 0), done.stderr
