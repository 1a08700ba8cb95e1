"""``aws-encryption-cli`` in its own environment, because it needs an older SDK."""

from __future__ import annotations

import fcntl
import os
import shlex
import subprocess
import sys
from pathlib import Path

FOLDER = Path(sys.prefix) / "encryption-cli"


def encryption_cli() -> Path:
    """Return the tool; the first call installs it beside the environment of the tests."""
    tool = FOLDER / "bin" / "aws-encryption-cli"
    with FOLDER.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not tool.exists():
            subprocess.run(
                [sys.executable, "-m", "venv", "--clear", str(FOLDER)], check=True, timeout=120
            )
            install = ["install", "--quiet", "aws-encryption-sdk-cli>=4.2,<5"]
            subprocess.run([str(FOLDER / "bin" / "pip"), *install], check=True, timeout=300)
    return tool


def run_decrypt(
    command: str, folder: Path, credentials: dict[str, str], kms: str
) -> subprocess.CompletedProcess[str]:
    """Run a returned command in a folder, with the given credentials and KMS."""
    program, *arguments = shlex.split(command)
    tool = encryption_cli()
    assert program == tool.name
    env = {"PATH": os.environ["PATH"], **credentials, "AWS_ENDPOINT_URL_KMS": kms}
    return subprocess.run(
        [str(tool), *arguments], cwd=folder, env=env, capture_output=True, text=True, timeout=300
    )
