"""Commands for the account: usage, audit events, webhooks, credentials."""

from __future__ import annotations

from typing import Annotated

import typer

from simulacra.commands.options import AsJson, Connect, filters
from simulacra.commands.output import is_for_people, print_result
from simulacra.commands.session import connected

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
    event_type: Annotated[str | None, typer.Option("--type", help="Only this type.")] = None,
    connection: Connect = None,
    as_json: AsJson = False,
) -> None:
    """List who did what to the tenant's data, newest first."""
    with connected(connection) as client:
        print_result(client.audit_events(**filters(type=event_type)), as_json)


@app.command(epilog="Example: simulacra webhooks --add https://example.com/hook")
def webhooks(
    add: Annotated[str | None, typer.Option(help="https URL to call when jobs end.")] = None,
    remove: Annotated[str | None, typer.Option(help="webhook_id to remove.")] = None,
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
    overlap_seconds: Annotated[
        int | None, typer.Option(help="How long the old secret stays valid.")
    ] = None,
    connection: Connect = None,
    as_json: AsJson = False,
) -> None:
    """Make a new client secret and print it, only this once."""
    with connected(connection) as client:
        print_result(client.rotate_credentials(overlap_seconds), as_json)


@app.command(epilog="Example: simulacra explain simio_dataset_not_found")
def explain(
    code: Annotated[str, typer.Argument(help="From an error, e.g. simio_dataset_not_found.")],
    connection: Connect = None,
    as_json: AsJson = False,
) -> None:
    """Print what an error code means and what to do about it."""
    with connected(connection) as client:
        print_result(client.explain(code), as_json)
