"""The tutorial's blocks, run as written: bash in a shell, Python in one interpreter."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.e2e
PAGE = Path(__file__).parents[2] / "docs" / "tutorial.md"
TRACKER = PAGE.with_name("tutorial-tracker.md")


def test_tutorial_runs_as_written(workspace: Any) -> None:
    blocks = re.findall(r"```(bash|python)\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert [kind for kind, _ in blocks] == ["bash", *["python"] * 6, "bash", "bash"]
    (workspace.folder / "session.py").write_text(
        "".join(text for kind, text in blocks if kind == "python")
    )
    upload, after = blocks[0][1], "".join(text for kind, text in blocks[1:] if kind == "bash")
    workspace.bash(f"{upload}\npython session.py\n{after}")
    assert (workspace.folder / "report.html").read_text().startswith("<!")
    assert (workspace.folder / "synthetic.csv").exists()
    assert "Report of a generation" in (workspace.folder / "rows.html").read_text()


def test_second_afternoon_runs_as_written(workspace: Any) -> None:
    blocks = re.findall(r"```(bash|python)\n(.*?)```", TRACKER.read_text(), re.DOTALL)
    assert [kind for kind, _ in blocks] == ["python", "bash"] * 3
    steps = []
    for number, (kind, text) in enumerate(blocks):
        if kind == "python":
            (workspace.folder / f"step{number}.py").write_text(text)
        steps.append(f"python step{number}.py" if kind == "python" else text)
    output = workspace.bash("\n".join(steps))
    assert "Wave 2026-Q1 beside wave 2025-Q4" in output
    assert "aware: yes rose by" in output
    assert "quarter = next: aware = yes" in output
