"""The stored schemas of built-in kinds, compared with a real server of the same release."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
STORED = ROOT / "embedded" / "simulacra_controlplane" / "schema" / "builtins.json"
RELEASE = "36"


def test_stored_schemas_equal_those_of_the_real_server(cluster: Any) -> None:
    version = cluster.call("GET", "/version", code=200)
    assert version["minor"] == RELEASE or cluster.name == "real"
    if cluster.name == "embedded":
        return  # it serves the stored file itself
    if version["minor"] != RELEASE:
        pytest.skip(
            f"the stored schemas follow Kubernetes 1.{RELEASE}; this server is 1.{version['minor']}"
        )
    script = ROOT / "scripts" / "extract_builtin_schemas.py"
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [sys.executable, str(script), str(cluster.kubeconfig)],
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == STORED.read_text()
