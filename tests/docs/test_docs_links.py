"""Links between pages of the docs and of the repository lead to files."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = ("docs", "benchmarks", "charts", "embedded", "examples", "images", "locks")
PAGES = sorted(
    [*ROOT.glob("*.md"), *(page for name in FOLDERS for page in (ROOT / name).rglob("*.md"))]
)


def test_links_of_pages_lead_to_files() -> None:
    assert {page.parent.name for page in PAGES} >= {"adr", "howto", "explanation", "results"}
    # pages are read in a clone, without those that the site generates
    missing = [
        f"{page.relative_to(ROOT)}: {link}"
        for page in PAGES
        for link in re.findall(r"\]\(([^)#\s:]+)(?:#[^)\s]*)?\)", page.read_text())
        if not (page.parent / link).resolve().exists()
    ]
    assert missing == []
