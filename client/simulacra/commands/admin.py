"""`simulacra admin`: access, support access, the canary's results, and the trust package.

Only `trust-package` asks the service, which knows its own settings; the others run kubectl.
"""

import io
import json
import time
import zipfile
from pathlib import Path
from typing import Annotated, Any

import typer

from simulacra.commands import admin_support
from simulacra.commands.kubectl import Kubeconfig, failure, kubectl
from simulacra.commands.options import AsJson, Connect, argument, option
from simulacra.commands.output import note, print_result, say
from simulacra.commands.session import USAGE, connected

app = typer.Typer(
    no_args_is_help=True,
    help="Decide about requests for access, open support access, see the canary (needs kubectl "
    "and a kubeconfig), write the trust package.",
)
app.add_typer(admin_support.app, name="support")
RequestName = Annotated[
    str, argument("Name of the AccessRequest, from `simulacra admin requests`.")
]
KIND = "accessrequests.simulacra.dev"
RUN_NOW = "simulacra.dev/run-canary"
TENANT_SECONDS = 10.0
"""How long `approve` waits for the operator to make the Tenant; it takes a second or two."""


def _summary(request: Any) -> dict[str, Any]:
    spec = request["spec"]
    return {
        "name": request["metadata"]["name"],
        "company": spec["company"],
        "contact": spec["contact"],
        "decision": spec.get("decision", "Pending"),
        "tenant": request.get("status", {}).get("tenant"),
        "created": request["metadata"]["creationTimestamp"],
    }


def _decide(kubeconfig: Kubeconfig, name: str, decision: str) -> Any:
    patch = json.dumps({"spec": {"decision": decision}})
    return kubectl(kubeconfig, "patch", KIND, name, "--type=merge", "--patch", patch)


def _with_tenant(kubeconfig: Kubeconfig, approved: Any) -> Any:
    """Return an approved request once it has its Tenant, or as it is after TENANT_SECONDS."""
    deadline = time.monotonic() + TENANT_SECONDS
    while _summary(approved)["tenant"] is None and time.monotonic() < deadline:
        time.sleep(0.5)
        approved = kubectl(kubeconfig, "get", KIND, approved["metadata"]["name"])
    return approved


def _why_no_tenant(approved: Any) -> str:
    """Return what the operator says of the Tenant, or that it says nothing."""
    for condition in approved.get("status", {}).get("conditions", ()):
        if condition["type"] == "TenantReady" and condition.get("message"):
            return str(condition["message"])
    waited = f"There is no tenant after {TENANT_SECONDS:.0f} s: is the operator running?"
    return f"{waited} It appears in `simulacra admin requests`."


@app.command(epilog="Example: simulacra admin requests")
def requests(kubeconfig: Kubeconfig = None, as_json: AsJson = False) -> None:
    """List the requests for access, oldest first."""
    found = kubectl(kubeconfig, "get", KIND)["items"]
    listed = sorted(map(_summary, found), key=lambda one: str(one["created"]))
    print_result(listed, as_json, None if listed else ["No requests for access."])


@app.command(epilog="Example: simulacra admin approve ar-d76fc4ee986ba2113865c3ee")
def approve(name: RequestName, kubeconfig: Kubeconfig = None, as_json: AsJson = False) -> None:
    """Approve a request: its sender gets a Tenant and can claim the credentials. Final."""
    approved = _with_tenant(kubeconfig, _decide(kubeconfig, name, "Approved"))
    made = _summary(approved)
    words = [f"Approved: {made['company']} ({made['contact']})."]
    if made["tenant"] is not None:
        words.append(f"Its tenant is {made['tenant']}. `simulacra claim` now gets the credentials.")
    print_result(made, as_json, words)
    if made["tenant"] is None:
        note(_why_no_tenant(approved), style="yellow")


@app.command(epilog="Example: simulacra admin deny ar-d76fc4ee986ba2113865c3ee")
def deny(name: RequestName, kubeconfig: Kubeconfig = None, as_json: AsJson = False) -> None:
    """Deny a request. Final."""
    made = _summary(_decide(kubeconfig, name, "Denied"))
    print_result(made, as_json, [f"Denied: {made['company']} ({made['contact']})."])


@app.command()
def canary(
    now: Annotated[bool, option("Ask for a run at once.", "--now")] = False,
    namespace: Annotated[
        str, option("The installation's namespace.", envvar="SIMULACRA_NAMESPACE")
    ] = "simulacra-system",
    kubeconfig: Kubeconfig = None,
) -> None:
    """Print the canary's last results, newest first: where it looked, and what it found.

    Exits with 1 if the last run left a mark.
    """
    if now:
        mark = f"{RUN_NOW}=now"
        kubectl(kubeconfig, "annotate", "configmap", "canary", "-n", namespace, "--overwrite", mark)
        note("A run begins within 15 seconds and takes a minute or two.")
    found = kubectl(kubeconfig, "get", "configmap", "canary", "-n", namespace)
    results = json.loads(found["data"]["results"].rpartition("\n\n")[0])["results"]
    print(json.dumps(results, indent=2))
    if results and results[0]["verdict"] == "Leak":
        raise typer.Exit(1)


@app.command("trust-package", epilog="Example: simulacra admin trust-package -o trust")
def trust_package(
    output: Annotated[Path, option("A new or empty folder.", "-o", "--output")],
    connection: Connect = None,
) -> None:
    """Write the claims with their tests, control mappings, answers and annexes of the service."""
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise failure(f"{output} is not an empty folder. Name a new one.", USAGE)
    with connected(connection) as client:
        archive = zipfile.ZipFile(io.BytesIO(client.trust_package()))
    archive.extractall(output)
    say(f"{len(archive.namelist())} files in {output}. Begin with {output / 'index.html'}.")
