"""A reader's folder: the examples, a started installation in `data`, the commands in PATH."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from installation import SURVEY, Installation


class Workspace:
    """The folder in which a reader works."""

    def __init__(self, folder: Path, installation: Installation) -> None:
        self.folder, self.installation = folder, installation
        self.env = os.environ | {
            "SIMULACRA_CONNECTION": "data/connection.json",
            "KUBECONFIG": "data/kubeconfig",
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        }

    def bash(self, script: str) -> str:
        """Run a script that stops at the first failing command; return what it prints."""
        command = ["bash", "-c", f"set -euo pipefail\n{script}"]
        done = subprocess.run(
            command, cwd=self.folder, env=self.env, capture_output=True, text=True, timeout=280
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="session")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """One installation serves all pages; each page deletes what it creates."""
    folder = tmp_path_factory.mktemp("workspace")
    (folder / "examples").mkdir()
    (folder / "examples" / SURVEY.name).write_bytes(SURVEY.read_bytes())
    one = Installation(folder / "data")
    one.start()
    yield Workspace(folder, one)
    one.stop()
