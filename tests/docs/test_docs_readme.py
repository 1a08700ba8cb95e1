"""The first example of the README does what the first sentence says: it is run as written."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def test_first_example_gives_the_rows_of_the_first_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (ROOT / "README.md").read_text()
    assert '("30 % Gen-Z switchers, price 5.49")' in text
    block = re.findall(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)[0]
    monkeypatch.chdir(ROOT)
    found: dict[str, object] = {}
    exec(compile(block, "README.md", "exec"), found)
    rows = found["rows"].to_pandas()  # type: ignore[attr-defined]
    assert (rows["age"].between(18, 27) & (rows["segment"] == "switcher")).sum() == 300
    assert (rows["price"] == 5.49).all()
    said = capsys.readouterr().out
    assert "age 18 to 27 and segment switcher: asked 30 % of the rows, attained 30 %" in said
