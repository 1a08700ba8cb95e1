"""`simulacra admin support`: open, list and close support access to a tenant."""

import hashlib
import json
import secrets
import time
from typing import Annotated, Any

import typer

from simulacra.commands.kubectl import Kubeconfig, failure, kubectl
from simulacra.commands.options import AsJson, argument, option
from simulacra.commands.output import is_for_people, note, print_result, say

app = typer.Typer(
    no_args_is_help=True,
    help="Let a named person read a tenant's status and audit events for some hours, never data.",
)
Tenant = Annotated[str, argument("Name of the Tenant, from `kubectl get tenants`.")]
OPEN_SECONDS = 10.0
"""How long `open` waits for the operator to record the begin; it takes a second or two."""
_SHOWN = ("id", "person", "reason", "openedAt", "endsAt", "endedAt")


def _accesses(tenant: Any) -> list[dict[str, Any]]:
    """Return what the operator has opened of a tenant, newest first."""
    return list(reversed(tenant.get("status", {}).get("supportAccess", [])))


def _change(kubeconfig: Any, tenant: Any, grants: list[Any]) -> Any:
    """Replace the grants of a tenant, unless somebody else has changed it since it was read."""
    metadata = {"resourceVersion": tenant["metadata"]["resourceVersion"]}
    patch = json.dumps({"metadata": metadata, "spec": {"supportAccess": grants}})
    name = tenant["metadata"]["name"]
    return kubectl(kubeconfig, "patch", "tenant", name, "--type=merge", "--patch", patch)


def _grants(tenant: Any, *, without: str = "") -> list[Any]:
    """Return the grants of a tenant that have not ended, without one."""
    ended = {one["id"] for one in _accesses(tenant) if "endedAt" in one}
    granted = tenant["spec"].get("supportAccess", [])
    return [one for one in granted if one["id"] not in ended | {without}]


@app.command(
    "open",
    epilog="Example: simulacra admin support open acme --for kim@example.com "
    "--reason 'Fits of today fail' --hours 4",
)
def open_access(
    tenant: Tenant,
    person: Annotated[str, option("E-mail address of the person.", "--for")],
    reason: Annotated[str, option("Why. The tenant sees it.")],
    hours: Annotated[int, option("It ends by itself after these.", min=1, max=72)],
    kubeconfig: Kubeconfig = None,
    as_json: AsJson = False,
) -> None:
    """Open support access and print the person's token, only this once."""
    token = f"sim_support_{secrets.token_urlsafe(32)}"
    grant = f"sup-{secrets.token_hex(4)}"
    made = {
        "id": grant,
        "person": person,
        "reason": reason,
        "hours": hours,
        "tokenSha256": hashlib.sha256(token.encode()).hexdigest(),
    }
    found = kubectl(kubeconfig, "get", "tenant", tenant)
    _change(kubeconfig, found, [*_grants(found), made])
    deadline = time.monotonic() + OPEN_SECONDS
    while not (opened := _recorded(kubeconfig, tenant, grant)):
        if time.monotonic() > deadline:
            note("It opens once the operator has recorded it: is it running?", style="yellow")
            break
        time.sleep(0.5)
    if not is_for_people(as_json):
        print_result({"id": grant, "token": token, "endsAt": (opened or {}).get("endsAt")}, as_json)
        return
    say(f"{made['id']}: {person} reads status and audit events of {tenant} for {hours} h.")
    say("The token, shown only now; send it as Authorization: Bearer ...")
    print(token)


def _recorded(kubeconfig: Any, tenant: str, grant: str) -> dict[str, Any] | None:
    found = _accesses(kubectl(kubeconfig, "get", "tenant", tenant))
    return next((one for one in found if one["id"] == grant and one.get("recorded")), None)


@app.command(epilog="Example: simulacra admin support close acme sup-1f0c22ab")
def close(
    tenant: Tenant,
    grant: Annotated[str, argument("From `support list`.", metavar="ID")],
    kubeconfig: Kubeconfig = None,
) -> None:
    """End support access before its time. The token gets nothing more within seconds."""
    found = kubectl(kubeconfig, "get", "tenant", tenant)
    left = _grants(found, without=grant)
    if len(left) == len(_grants(found)):
        raise failure(f"Tenant {tenant} has no open support access {grant}.")
    _change(kubeconfig, found, left)
    note(f"Closed {grant}.")


@app.command("list", epilog="Example: simulacra admin support list acme")
def list_access(tenant: Tenant, kubeconfig: Kubeconfig = None, as_json: AsJson = False) -> None:
    """List the support access to a tenant, open and ended, newest first."""
    found = _accesses(kubectl(kubeconfig, "get", "tenant", tenant))
    listed = [{name: one.get(name) for name in _SHOWN} for one in found]
    print_result(listed, as_json, None if listed else ["No support access."])
