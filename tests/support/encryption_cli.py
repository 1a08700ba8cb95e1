"""``aws-encryption-cli`` in an environment of its own, since it needs an older SDK than ours."""

from __future__ import annotations

import fcntl
import os
import shlex
import subprocess
import sys
from pathlib import Path

FOLDER = Path(sys.prefix) / "encryption-cli"


def encryption_cli() -> Path:
    """Return the tool; the first test that asks installs it, beside the environment that the tests run in."""
    tool = FOLDER / "bin" / "aws-encryption-cli"
    with FOLDER.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not tool.exists():
            subprocess.run(
                [sys.executable, "-m", "venv", "--clear", str(FOLDER)], check=True, timeout=120
            )
            install = [
                str(FOLDER / "bin" / "pip"),
                "install",
                "--quiet",
                "aws-encryption-sdk-cli>=4.2,<5",
            ]
            subprocess.run(install, check=True, timeout=300)
    return tool


def run_decrypt(
    command: str, folder: Path, credentials: dict[str, str], kms: str
) -> subprocess.CompletedProcess[str]:
    """Run a command that we returned, in a folder, with somebody's credentials against a KMS."""
    program, *arguments = shlex.split(command)
    tool = encryption_cli()
    assert program == tool.name
    env = {"PATH": os.environ["PATH"], **credentials, "AWS_ENDPOINT_URL_KMS": kms}
    return subprocess.run(
        [str(tool), *arguments], cwd=folder, env=env, capture_output=True, text=True, timeout=300
    )
