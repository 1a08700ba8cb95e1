"""The rule behind `make lint` that rejects phrases which a reader has to decode."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "plain_words.py"


@pytest.fixture(scope="module")
def plain_words() -> Any:
    spec = spec_from_file_location("plain_words", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    "line",
    ["a key of ours", "Nothing BUT FOR the log", "the bytes are held against it", "who asks"],
)
def test_phrase_to_decode_is_found_with_its_line(plain_words: Any, line: str) -> None:
    found = list(
        plain_words.matches(f"fine\n{line}\n", plain_words.rules(plain_words.RULES.read_text()))
    )
    assert [number for number, _ in found] == [2]


@pytest.mark.parametrize(
    "line", ["bytes of ourselves", "a manewver", "the caller asks", "try again"]
)
def test_plain_line_passes(plain_words: Any, line: str) -> None:
    assert not list(plain_words.matches(line, plain_words.rules(plain_words.RULES.read_text())))


def test_every_rule_says_what_to_write_instead(plain_words: Any) -> None:
    assert all(advice for _, advice in plain_words.rules(plain_words.RULES.read_text()))


def test_a_match_in_a_file_fails_the_command(plain_words: Any, tmp_path: Path) -> None:
    for name in ("plain_words.py", "plain_words.txt"):
        target = tmp_path / "scripts" / name
        target.parent.mkdir(exist_ok=True)
        target.write_text((SCRIPT.parent / name).read_text())
    (tmp_path / "page.md").write_text("This is no news.\n")
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    command = [sys.executable, str(tmp_path / "scripts" / "plain_words.py")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stdout.startswith("page.md:1: ")
