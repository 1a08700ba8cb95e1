"""Commands for the account: usage, audit events, support access, webhooks, credentials; and for
access: request it, and turn an approved request into a connection.json.
"""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from simulacra.access import claim_credentials, new_connection_file, request_access
from simulacra.client import Client
from simulacra.commands.options import AsJson, Connect, argument, filters, option
from simulacra.commands.output import is_for_people, note, print_result
from simulacra.commands.session import connected, errors_reported

app = typer.Typer()


@app.command(epilog="Example: simulacra usage")
def usage(connection: Connect = None, as_json: AsJson = False) -> None:
    """Print the used part of the tenant's quotas."""
    with connected(connection) as client:
        print_result(client.usage(), as_json)


@app.command(
    "audit-events", epilog="Example: simulacra audit-events --type dev.simulacra.resource.erased"
)
def audit_events(
    event_type: Annotated[str | None, option("Only this type.", "--type")] = None,
    support_id: Annotated[str | None, option("Only of this support id, uid or request_id.")] = None,
    reads: Annotated[bool, option("Reads of content too, or what changed alone.")] = True,
    ocsf: Annotated[bool, option("JSON lines in OCSF for a SIEM, oldest first.", "--ocsf")] = False,
    cursor_file: Annotated[
        Path | None, option("With --ocsf: print what is new since the last call with this file.")
    ] = None,
    connection: Connect = None,
    as_json: AsJson = False,
) -> None:
    """List who did what to the tenant's data, newest first."""
    with connected(connection) as client:
        chosen = filters(type=event_type, support_id=support_id, reads=None if reads else "false")
        if ocsf:
            _print_ocsf(client, cursor_file, {**chosen, "format": "ocsf"})
        else:
            print_result(client.audit_events(**chosen), as_json)


def _print_ocsf(client: Client, cursor_file: Path | None, query: dict[str, str]) -> None:
    """Print events and then keep the cursor: an interrupted call repeats some, and loses none."""
    kept = cursor_file is not None and cursor_file.exists()
    cursor = (cursor_file.read_text().strip() or None) if cursor_file is not None and kept else None
    more = True
    while more:
        page = client.audit_page(cursor, **query)
        if page["events_skipped"]:
            until = page["integrity"]["pruned_until"]
            note(f"Events from before {until} were pruned before they were read.", style="yellow")
        for event in page["items"]:
            print(json.dumps(event))
        sys.stdout.flush()
        cursor, more = page["resume_cursor"], page["next_cursor"] is not None
        if cursor_file is not None:
            cursor_file.write_text(f"{cursor}\n")


@app.command("support-access", epilog="Example: simulacra support-access")
def support_access(connection: Connect = None, as_json: AsJson = False) -> None:
    """List who of the operator reads, or read, status and audit events, never data, and why."""
    with connected(connection) as client:
        print_result(client.support_access(), as_json)


@app.command(epilog="Example: simulacra webhooks --add https://example.com/hook")
def webhooks(
    add: Annotated[str | None, option("https URL to call when jobs end.")] = None,
    remove: Annotated[str | None, option("webhook_id to remove.")] = None,
    connection: Connect = None,
    as_json: AsJson = False,
) -> None:
    """List the webhooks, or add or remove one. The secret of a new one is shown only once."""
    with connected(connection) as client:
        if add:
            print_result(client.create_webhook(add), as_json)
            return
        if remove:
            client.delete_webhook(remove)
        print_result(client.webhooks(), as_json)


@app.command(epilog="Example: simulacra console")
def console(connection: Connect = None, as_json: AsJson = False) -> None:
    """Print a link that opens the console signed in: once, within 5 minutes."""
    with connected(connection) as client:
        link = client.console_link()
        if is_for_people(as_json):
            print(link["url"])
        else:
            print_result(link, as_json)


@app.command(
    "rotate-credentials", epilog="Example: simulacra rotate-credentials --overlap-seconds 3600"
)
def rotate_credentials(
    overlap_seconds: Annotated[int | None, option("How long the old secret stays valid.")] = None,
    connection: Connect = None,
    as_json: AsJson = False,
) -> None:
    """Make a new client secret and print it, only this once."""
    with connected(connection) as client:
        print_result(client.rotate_credentials(overlap_seconds), as_json)


@app.command(epilog="Example: simulacra explain simio_dataset_not_found")
def explain(
    code: Annotated[str, argument("From an error, e.g. simio_dataset_not_found.")],
    connection: Connect = None,
    as_json: AsJson = False,
) -> None:
    """Print what an error code means and what to do about it."""
    with connected(connection) as client:
        print_result(client.explain(code), as_json)


ApiUrl = Annotated[str, argument("Address of the service, e.g. https://api.example.com.")]


@app.command(
    epilog="Example: simulacra signup https://api.example.com --company A --contact me@a.example"
)
def signup(
    api_url: ApiUrl,
    company: Annotated[str, option("Your company.")],
    contact: Annotated[str, option("An address to reach you at.")],
    as_json: AsJson = False,
) -> None:
    """Request access; a person decides. Keep the printed request_id secret: `claim` needs it."""
    with errors_reported():
        print_result(request_access(api_url, company, contact), as_json)


@app.command(epilog="Example: simulacra claim https://api.example.com req_...")
def claim(
    api_url: ApiUrl,
    request_id: Annotated[str, argument("As `signup` printed it.")],
    output: Annotated[Path, option("Write the credentials to this file.", "--output", "-o")] = Path(
        "connection.json"
    ),
    wait_seconds: Annotated[float, option("How long to wait for the decision.")] = 0.0,
) -> None:
    """Claim the credentials of an approved request, once, into a file that only you can read."""
    if output.exists():
        raise typer.BadParameter(
            f"{output} exists already. Credentials are shown once, so give another name."
        )
    with errors_reported(), new_connection_file(output) as write:
        write(claim_credentials(api_url, request_id, timeout=wait_seconds))
    note(f"Wrote {output}.")
