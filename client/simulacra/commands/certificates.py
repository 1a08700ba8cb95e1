"""Commands for proof of erasure: certificates, audit checkpoint, published keys."""

import re
import shlex
from pathlib import Path
from typing import Annotated

import typer

from simulacra.certificates import verify_absence, verify_certificate
from simulacra.commands.lists import time_of
from simulacra.commands.naming import erased_of
from simulacra.commands.options import AsJson, Connect, argument, existing, load
from simulacra.commands.output import is_for_people, note, print_result, say
from simulacra.commands.session import REFUSED, connected
from simulacra.models import Json

app = typer.Typer()


@app.command(epilog="Example: simulacra certificates ds-5f2c1e")
def certificates(
    resource: Annotated[
        str | None, argument("Id of an erased resource, or its beginning; all if left out.")
    ] = None,
    connection: Connect = None,
    as_json: AsJson = False,
) -> None:
    """List the erasures of the last 400 days, or print the signed certificate of one."""
    with connected(connection) as client:
        if resource:
            print_result(client.erasure_certificate(erased_of(client, resource)), as_json)
            return
        found = client.erasure_certificates()
    if not is_for_people(as_json):
        print_result(found, as_json)
    elif not found:
        say("Nothing was erased yet.")
    else:
        width = max(len(one.resource_id) for one in found)
        say(f"{'erased':<{width}}  at")
        for one in found:
            say(f"{one.resource_id:<{width}}  {time_of(one.issued_at):%Y-%m-%d %H:%M} UTC")
        note("The signed certificate of one: simulacra certificates ID --json > erasure.json")


@app.command(epilog="Example: simulacra checkpoint")
def checkpoint(connection: Connect = None) -> None:
    """Print the newest signed checkpoint of the audit log. Keep it to detect a log that was cut."""
    with connected(connection) as client:
        print(client.audit_checkpoint(), end="")


@app.command(
    "verify-certificate",
    epilog="Example: simulacra verify-certificate erasure.json --keys keys.json",
)
def verify(
    file: Annotated[Path, argument("Output of `delete`.", exists=True, dir_okay=False)],
    keys: Annotated[
        Path | None,
        existing("The installation's published keys, kept earlier; works offline."),
    ] = None,
    connection: Connect = None,
    as_json: AsJson = False,
) -> None:
    """Check an erasure certificate and its absence proof, and print its statement."""
    document = load(file) or {}
    certificate: Json = document.get("certificate", document)
    if keys is None:
        with connected(connection) as client:
            known: Json = client.published_keys()
    else:
        known = load(keys) or {}
    try:
        statement = verify_certificate(certificate, known)
        root = verify_absence(certificate, known)
    except ValueError as error:
        note(str(error), style="red")
        raise typer.Exit(REFUSED) from error
    print_result(_erasure(statement) if is_for_people(as_json) else statement, as_json)
    note("The certificate is valid: the installation signed this statement.")
    note(_absence_in_words(root))
    if root is None:
        note(proof_commands(statement["id"], _proof_beside(file), connection))


def _proof_beside(file: Path) -> Path:
    """Return another file: the shell empties its file before the command has succeeded."""
    proof = re.fullmatch(r"(.*-proof)(?:-(\d+))?", file.stem)
    stem = f"{proof[1]}-{int(proof[2] or 1) + 1}" if proof else f"{file.stem}-proof"
    return file.with_name(f"{stem}.json")


def _erasure(statement: Json) -> Json:
    """Return what people ask of a statement; `--json` prints all of it."""
    kind = statement["kind"].removesuffix("s")
    return {
        "erased": f"{kind} {statement['id']} of tenant {statement['tenant']}",
        "because": {"deleted": "it was deleted", "expired": "its retention ended"}.get(
            statement["cause"], statement["cause"]
        ),
        "stored objects": statement["objects"],
        "key destroyed": statement["key_shredded_at"] or "none was found",
        "verified absent": statement["verified_absent_at"],
        "installation": statement["installation"],
    }


def _absence_in_words(root: Json | None) -> str:
    if root is None:
        return "No absence proof yet: it exists about a minute after the erasure. Then:"
    return (
        f"The absence proof is valid: the live keys that the installation published at"
        f" {root['listed_at']} do not include the key of this resource."
    )


def proof_commands(resource: str, proof: Path, connection: Path | None) -> str:
    """Return the commands, to copy, that keep a certificate in a file and check it."""
    file = shlex.quote(str(proof))
    option = f" -c {shlex.quote(str(connection))}" if connection else ""
    return (
        f"  simulacra certificates {resource} --json{option} > {file}\n"
        f"  simulacra verify-certificate {file}{option}"
    )


@app.command("published-keys", epilog="Example: simulacra published-keys --json")
def published_keys(connection: Connect = None, as_json: AsJson = False) -> None:
    """Print the public keys of the certificates. Keep a copy before you upload."""
    with connected(connection) as client:
        print_result(client.published_keys(), as_json)
