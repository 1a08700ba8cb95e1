"""The tutorial's blocks, run as they stand: bash in a shell, Python in one interpreter, in the order of the page."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from installation import SURVEY, Installation

pytestmark = pytest.mark.e2e
PAGE = Path(__file__).parents[2] / "docs" / "tutorial.md"


def test_the_tutorial_runs(tmp_path: Path) -> None:
    blocks = re.findall(r"```(bash|python)\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert [kind for kind, _ in blocks] == ["bash", "python", "python", "python", "python", "bash", "bash"]
    (tmp_path / "examples").mkdir()
    (tmp_path / "examples" / SURVEY.name).write_bytes(SURVEY.read_bytes())
    session = "".join(text for kind, text in blocks if kind == "python")
    upload, after = blocks[0][1], "".join(text for kind, text in blocks[1:] if kind == "bash")
    (tmp_path / "session.py").write_text(session)
    one = Installation(tmp_path / "data")
    one.start()
    try:
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        environment = os.environ | {"SIMULACRA_CONNECTION": "data/connection.json", "PATH": path}
        script = f"set -euo pipefail\n{upload}\npython session.py\n{after}"
        done = subprocess.run(
            ["bash", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=280
        )
    finally:
        one.stop()
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "report.html").read_text().startswith("<!")
    assert (tmp_path / "synthetic.csv").exists()
