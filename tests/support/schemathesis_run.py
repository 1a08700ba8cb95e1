"""Schemathesis against an installation: all phases, valid and invalid data, stateful links."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import httpx2

from installation import Installation

HERE = Path(__file__).parent


def run(
    installation: Installation, *options: str, folder: Path, timeout: float
) -> subprocess.CompletedProcess[str]:
    """Run it; exit status 0 means that nothing was found."""
    known = installation.connection
    names = ("client_id", "client_secret", "audience")
    body = {"grant_type": "client_credentials"} | {name: known[name] for name in names}
    token = httpx2.post(known["token_url"], json=body).json()["access_token"]
    command = [
        str(Path(sys.executable).with_name("schemathesis")),
        "--config-file",
        str(HERE / "schemathesis.toml"),
    ]
    command += ["run", f"{known['api_url']}/openapi.json", "-H", f"Authorization: Bearer {token}"]
    command += ["--mode", "all", "--continue-on-failure", "--request-timeout", "60", *options]
    env = os.environ | {"SCHEMATHESIS_HOOKS": "schemathesis_hooks", "PYTHONPATH": str(HERE)}
    return subprocess.run(
        command, capture_output=True, text=True, env=env, cwd=folder, timeout=timeout
    )
