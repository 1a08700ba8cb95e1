"""Decision records: the common head, and an index that names each record or method once."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "docs" / "adr"
RECORDS = sorted(path for path in FOLDER.glob("*.md") if path.name != "index.md")
INDEX, _, METHODS = (FOLDER / "index.md").read_text().partition("## Methods")
ROW = re.compile(r"^\| (\d{4}) \| \[(.+?)\]\((.+?)\) \| (.+?) \| (\S+) \| .+ \|$", re.MULTILINE)
HEAD = re.compile(r"# (\d{4}): (.+)\n\nDate: (\S+)\nStatus: (accepted|superseded by (\d{4}))\n")


def test_records_have_the_common_head_and_sections() -> None:
    assert len(RECORDS) > 40
    for path in RECORDS:
        text = path.read_text()
        head = HEAD.match(text)
        assert head, f"{path.name}: start with title, Date and Status as docs/adr/index.md says"
        assert head[1] == path.name[:4]
        assert date.fromisoformat(head[3])
        assert head[5] is None or list(FOLDER.glob(f"{head[5]}-*.md")), path.name
        sections = re.findall(r"^## (.+)$", text, re.MULTILINE)
        main = [name for name in sections if name in ("Context", "Decision", "Consequences")]
        assert main == ["Context", "Decision", "Consequences"], path.name
        assert set(sections) - set(main) <= {"Measured", "Rejected"}, path.name


def test_index_names_every_record_as_its_head_does() -> None:
    heads = [(HEAD.match(path.read_text()), path.name) for path in RECORDS]
    known = [(head[1], head[2], name, head[4], head[3]) for head, name in heads if head]
    assert sorted(ROW.findall(INDEX)) == known


def test_each_number_is_a_record_or_a_method() -> None:
    moved = re.findall(r"\b(\d{4}) \[", METHODS)
    numbers = sorted([*moved, *(path.name[:4] for path in RECORDS)])
    assert numbers == [f"{number:04d}" for number in range(1, len(numbers) + 1)]


def test_methods_are_sections_of_their_page() -> None:
    for page, anchor in re.findall(r"\]\(([^)#]+)#([^)]+)\)", METHODS):
        headings = re.findall(r"^## (.+)$", (FOLDER / page).read_text(), re.MULTILINE)
        assert anchor in {re.sub(r"\W+", "-", name.lower()).strip("-") for name in headings}
