"""Pages with claims: every claim names a test, and every named test exists."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "docs" / "explanation" / name for name in ("security.md", "claims.md")]
TEXT = "\n\n".join(page.read_text() for page in PAGES)
NAMED = re.compile(r"`(tests/[a-z0-9_/]+\.py)(?:::([A-Za-z0-9_]+))?`")
ID = re.compile(r'<a id="([a-z][a-z0-9-]*)"></a>\S')
DOCUMENT = re.compile(r"`(docs/[a-z0-9_/.-]+\.md)`")


@cache
def functions(file: str) -> frozenset[str]:
    nodes = ast.walk(ast.parse((ROOT / file).read_text()))
    return frozenset(
        node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )


def missing(text: str) -> list[str]:
    """Return the broken references."""
    wrong = [name for name in DOCUMENT.findall(text) if not (ROOT / name).is_file()]
    for file, function in NAMED.findall(text):
        if not (ROOT / file).is_file() or (function and function not in functions(file)):
            wrong.append(f"{file}::{function}")
    return wrong


def held(text: str) -> list[tuple[str, bool]]:
    """Return each row of the tables whose last column is "Held by", and whether it names a test."""
    rows, inside = [], False
    for line in text.splitlines():
        if not line.startswith("|"):
            inside = False
        elif line.rstrip().endswith("| Held by |"):
            inside = True
        elif inside and not line.startswith("|---"):
            cells = [cell.strip() for cell in line.strip("|").split(" | ")]
            rows.append((cells[0], any(function for _, function in NAMED.findall(cells[-1]))))
    return rows


def test_every_test_named_on_the_page_exists() -> None:
    assert len(NAMED.findall(TEXT)) > 200
    assert missing(TEXT) == []


def test_every_claim_and_failure_mode_names_a_test() -> None:
    rows = held(TEXT)
    assert len(rows) > 90
    assert [claim for claim, proven in rows if not proven] == []


def test_every_claim_and_failure_mode_has_an_id_of_its_own() -> None:
    rows = [claim for claim, _ in held(TEXT)]
    assert [claim for claim in rows if not ID.match(claim)] == []
    assert len({found[1] for found in map(ID.match, rows) if found}) == len(rows)


@pytest.mark.parametrize(
    "text",
    [
        "`tests/custody/test_custody_security_doc.py::test_that_is_not_there`",
        "`tests/custody/no_such_file.py::test_x`",
        "`docs/adr/no-such.md`",
    ],
)
def test_broken_reference_is_detected(text: str) -> None:
    assert missing(text)
    assert held(f"| Claim | Held by |\n|---|---|\n| a claim | words |\n| another | {text} |") == [
        ("a claim", False),
        ("another", "::" in text),
    ]
