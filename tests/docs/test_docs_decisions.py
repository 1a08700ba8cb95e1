"""Decision records: numbers without gaps, the common head, and an index that names all of them."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "docs" / "adr"
RECORDS = sorted(path for path in FOLDER.glob("*.md") if path.name != "index.md")
INDEX = (FOLDER / "index.md").read_text()
ROW = re.compile(r"^\| (\d{4}) \| \[(.+?)\]\((.+?)\) \| (.+?) \| (\S+) \| .+ \|$", re.MULTILINE)
HEAD = re.compile(r"# (\d{4}): (.+)\n\nDate: (\S+)\nStatus: (accepted|superseded by (\d{4}))\n")


def test_numbers_have_no_gaps() -> None:
    numbers = [path.name[:4] for path in RECORDS]
    assert len(numbers) > 40
    assert numbers == [f"{number:04d}" for number in range(1, len(numbers) + 1)]


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.name[:4])
def test_record_has_the_common_head_and_sections(path: Path) -> None:
    text = path.read_text()
    head = HEAD.match(text)
    assert head, "start with the title, Date and Status as docs/adr/index.md says"
    assert head[1] == path.name[:4]
    assert date.fromisoformat(head[3])
    assert head[5] is None or list(FOLDER.glob(f"{head[5]}-*.md"))
    sections = re.findall(r"^## (.+)$", text, re.MULTILINE)
    main = [name for name in sections if name in ("Context", "Decision", "Consequences")]
    assert main == ["Context", "Decision", "Consequences"]
    assert set(sections) - set(main) <= {"Measured", "Rejected"}


@pytest.mark.parametrize("path", [*RECORDS, FOLDER / "index.md"], ids=lambda path: path.name[:5])
def test_links_of_a_record_lead_to_files(path: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)", path.read_text())
    assert [link for link in links if not (path.parent / link).is_file()] == []


def test_index_names_every_record_as_its_head_does() -> None:
    heads = [(HEAD.match(path.read_text()), path.name) for path in RECORDS]
    known = [(head[1], head[2], name, head[4], head[3]) for head, name in heads if head]
    assert ROW.findall(INDEX) == known
