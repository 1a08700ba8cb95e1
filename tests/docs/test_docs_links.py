"""Links between pages of the docs and of the repository lead to files."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("docs", "benchmarks", "charts", "controlplane")
PAGES = sorted(
    [*ROOT.glob("*.md"), *(page for name in FOLDERS for page in (ROOT / name).rglob("*.md"))]
)
GENERATED = {
    str(ROOT / "docs" / name)
    for name in runpy.run_path(str(ROOT / "scripts" / "docs_reference.py"))["pages"]()
}


def test_pages_are_found() -> None:
    assert {page.parent.name for page in PAGES} >= {"adr", "howto", "explanation", "results"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_of_a_page_lead_to_files(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s:]+)(?:#[^)\s]*)?\)", page.read_text())
    targets = {link: (page.parent / link).resolve() for link in links}
    # a how-to is read in a clone, without the pages that the site generates
    known = set() if page.parent.name == "howto" else GENERATED
    missing = [
        link for link, path in targets.items() if not path.exists() and str(path) not in known
    ]
    assert missing == []
