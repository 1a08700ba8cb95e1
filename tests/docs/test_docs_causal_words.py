"""The page that lists every text about causes says what the sources say, and misses none."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "reference" / "causal-words.md"
PLACES = (
    "api/simulacra_api/pages/static/console/*.js",
    "api/simulacra_api/docs/*.*",
    "trainer/simulacra_trainer/report/templates/*.j2",
    "trainer/simulacra_trainer/effects/verdict.py",
    "trainer/simulacra_trainer/pipeline/identification.py",
    "client/simulacra/*.py",
    "client/simulacra/commands/*.py",
)
"""Sources of texts that a user reads."""
CLAIMS = re.compile(r"\bcausal\b|\bcauses\b|\b(unseen|can|cannot) cause\b", re.IGNORECASE)
FORBIDDEN = re.compile(r"\b(settles|proves)\b|causal effect is identified", re.IGNORECASE)


def _rows() -> Iterator[tuple[str, str]]:
    """Yield the words and the source of each row."""
    for line in PAGE.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 3 and cells[2].startswith("`"):
            yield cells[1], cells[2].strip("`")


def _text(path: Path) -> str:
    """Return a source without comments, its broken strings joined, in single spaces."""
    lines = [line for line in path.read_text().splitlines() if not _is_comment(line)]
    joined = re.sub(r"\"\s+f?\"", "", "\n".join(lines))
    return " ".join(joined.split())


def _is_comment(line: str) -> bool:
    return line.strip().startswith(("//", "/**", "#", "{% include"))


@pytest.mark.parametrize("source", sorted({source for _, source in _rows()}))
def test_listed_words_are_those_of_the_source(source: str) -> None:
    text = _text(ROOT / source)
    assert [words for words, found in _rows() if found == source and words not in text] == []


def test_every_source_that_speaks_of_causes_is_listed() -> None:
    listed = {source for _, source in _rows()}
    speaking = {
        str(path.relative_to(ROOT))
        for place in PLACES
        for path in ROOT.glob(place)
        if CLAIMS.search(_text(path))
    }
    assert len(speaking) > 12
    assert speaking <= listed


def test_no_text_claims_that_data_settle_or_prove_an_effect() -> None:
    claiming = [
        str(path.relative_to(ROOT))
        for place in PLACES
        for path in ROOT.glob(place)
        if FORBIDDEN.search(_text(path))
    ]
    assert claiming == []
