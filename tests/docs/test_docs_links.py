"""Links between pages of the docs and of the repository lead to files."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = ("docs", "benchmarks", "charts", "controlplane", "embedded")
PAGES = sorted(
    [*ROOT.glob("*.md"), *(page for name in FOLDERS for page in (ROOT / name).rglob("*.md"))]
)


def test_links_of_pages_lead_to_files() -> None:
    assert {page.parent.name for page in PAGES} >= {"adr", "howto", "explanation", "results"}
    made = runpy.run_path(str(ROOT / "scripts" / "docs_reference.py"))["pages"]()
    generated = {str(ROOT / "docs" / name) for name in made}
    missing = []
    for page in PAGES:
        # a how-to is read in a clone, without the pages that the site generates
        known = set() if page.parent.name == "howto" else generated
        for link in re.findall(r"\]\(([^)#\s:]+)(?:#[^)\s]*)?\)", page.read_text()):
            path = (page.parent / link).resolve()
            if not path.exists() and str(path) not in known:
                missing.append(f"{page.relative_to(ROOT)}: {link}")
    assert missing == []
