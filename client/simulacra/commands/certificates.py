"""Deletion with its certificate, and the account: usage, audit trail, webhooks, the client's secret."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from simulacra.certificates import verify_certificate
from simulacra.commands.shared import (
    REFUSED,
    ConnectionOption,
    JsonOption,
    connected,
    console,
    load,
    say,
)
from simulacra.models import Json

app = typer.Typer()


@app.command()
def delete(
    resource_id: Annotated[
        str,
        typer.Argument(
            help="A dataset_id (ds-...), generation_id (gen-...) or effect_id (eff-...)."
        ),
    ],
    connection: ConnectionOption = None,
    as_json: JsonOption = False,
) -> None:
    """Delete a dataset with all that came of it, or one generation; wait, and print the erasure certificate."""
    with connected(connection) as client:
        client.delete(resource_id)
        say(
            {"deleted": resource_id, "certificate": client.erasure_certificate(resource_id)},
            as_json,
        )


@app.command()
def certificates(
    resource: Annotated[
        str | None, typer.Argument(help="Id of what was erased; all are listed without.")
    ] = None,
    connection: ConnectionOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the erasures of the last 400 days, or print the signed certificate of one."""
    with connected(connection) as client:
        say(
            client.erasure_certificate(resource) if resource else client.erasure_certificates(),
            as_json,
        )


@app.command()
def checkpoint(connection: ConnectionOption = None) -> None:
    """Print the newest signed checkpoint of the audit log; one that you keep shows later whether the log was cut."""
    with connected(connection) as client:
        print(client.audit_checkpoint(), end="")


@app.command()
def explain(
    code: Annotated[
        str, typer.Argument(help="As an error printed it, e.g. simio_dataset_not_found.")
    ],
    connection: ConnectionOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print what an error code means and what to do about it."""
    with connected(connection) as client:
        say(client.explain(code), as_json)


@app.command("verify-certificate")
def verify(
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="What `delete` printed.")
    ],
    keys: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            help="The installation's published keys, kept earlier: then nothing is asked for.",
        ),
    ] = None,
    connection: ConnectionOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check an erasure certificate's signature and print what it states."""
    document = load(file) or {}
    if keys is None:
        with connected(connection) as client:
            known: Json = client.published_keys()
    else:
        known = load(keys) or {}
    try:
        say(verify_certificate(document.get("certificate", document), known), as_json)
    except ValueError as error:
        console.print(str(error), style="red", highlight=False, markup=False)
        raise typer.Exit(REFUSED) from error


@app.command("published-keys")
def published_keys(connection: ConnectionOption = None, as_json: JsonOption = False) -> None:
    """Print the public keys that certificates are signed with; keep a copy before you upload."""
    with connected(connection) as client:
        say(client.published_keys(), as_json)


@app.command()
def usage(connection: ConnectionOption = None, as_json: JsonOption = False) -> None:
    """Print what is used of the tenant's quotas."""
    with connected(connection) as client:
        say(client.usage(), as_json)


@app.command("audit-events")
def audit_events(
    event_type: Annotated[
        str | None, typer.Option("--type", help="Only events of this type.")
    ] = None,
    connection: ConnectionOption = None,
    as_json: JsonOption = False,
) -> None:
    """List who did what to the tenant's data, newest first."""
    with connected(connection) as client:
        say(client.audit_events(**({"type": event_type} if event_type else {})), as_json)


@app.command()
def webhooks(
    add: Annotated[
        str | None, typer.Option(help="Be told at this https URL when jobs end.")
    ] = None,
    remove: Annotated[str | None, typer.Option(help="webhook_id to remove.")] = None,
    connection: ConnectionOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the webhooks, or add or remove one; a new one's secret is shown this once."""
    with connected(connection) as client:
        if add:
            say(client.create_webhook(add), as_json)
            return
        if remove:
            client.delete_webhook(remove)
        say(client.webhooks(), as_json)


@app.command("rotate-credentials")
def rotate_credentials(
    overlap_seconds: Annotated[
        int | None, typer.Option(help="How long the secret before stays good.")
    ] = None,
    connection: ConnectionOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a new client secret and print it, this once."""
    with connected(connection) as client:
        say(client.rotate_credentials(overlap_seconds), as_json)
