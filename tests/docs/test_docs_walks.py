"""The walks of docs/explanation/architecture.md name files that exist, each once a walk."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "explanation" / "architecture.md").read_text()
WALKS = {
    title: re.findall(r"^\d+\. `([\w/]+\.py)`", steps, re.MULTILINE)
    for title, steps in re.findall(
        r"^\*\*(.+?)\*\*\n((?:\d+\. .*\n)+)", PAGE.partition("## Six walks")[2], re.MULTILINE
    )
}


def test_page_has_six_walks() -> None:
    assert len(WALKS) == 6


@pytest.mark.parametrize("title", WALKS)
def test_walk_names_existing_files_once(title: str) -> None:
    files = WALKS[title]
    assert len(files) >= 8
    assert [name for name in files if not (ROOT / name).is_file()] == []
    assert len(files) == len(set(files))
