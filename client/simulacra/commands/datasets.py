"""Commands for datasets: list, schema, description, refit, retention."""

import json
from itertools import chain
from pathlib import Path
from typing import Annotated, Any

import typer

from simulacra.client import Client
from simulacra.commands import options as opt
from simulacra.commands.corrections import Corrections, with_flags
from simulacra.commands.described import columns_read, described, rules_listed
from simulacra.commands.lists import print_list
from simulacra.commands.naming import called, dataset_of
from simulacra.commands.options import existing, filters, load, option, with_tiers
from simulacra.commands.output import is_for_people, note, print_result, say, wait_with_progress
from simulacra.commands.session import REFUSED, confirm, connected, errors_reported
from simulacra.commands.uploads import exit_if_unsure
from simulacra.commands.used_model import SavedModel, TableOrModel, used_model, without_service
from simulacra.engine.fit import read
from simulacra.local_state import remember_table, source_of
from simulacra.models import Document, Json
from simulacra.operations.table_names import stated_name

app = typer.Typer()


@app.command(epilog="Example: simulacra datasets --status ready")
def datasets(
    status: opt.Status = None, connection: opt.Connect = None, as_json: opt.AsJson = False
) -> None:
    """List the datasets, newest first."""
    with connected(connection) as client:
        found = client.datasets(**filters(status=status))
        print_list(found, "dataset", client, as_json, "No tables yet. Try: simulacra upload FILE")


@app.command(epilog="Example: simulacra schema survey")
def schema(
    dataset_id: TableOrModel = None,
    model: SavedModel = None,
    connection: opt.Connect = None,
    as_json: opt.AsJson = False,
) -> None:
    """Print the columns with their levels or ranges, for conditions. `--json` has all of it."""
    with used_model(dataset_id, model, connection, as_json) as used:
        print_result(used.schema, as_json)


@app.command("describe", epilog="Example: simulacra describe survey -o description.json")
@with_flags
def describe_dataset(
    dataset_id: TableOrModel = None,
    output: Annotated[
        Path | None, option("File to write.", "--output", "-o", dir_okay=False)
    ] = None,
    source: Annotated[
        Path | None,
        existing("Instead of TABLE: a file, which is read here. No service is used."),
    ] = None,
    describe: Annotated[Path | None, opt.DescriptionFile] = None,
    weights: opt.Weights = None,
    schema: Annotated[
        bool, option("With --source: print the cleaned schema instead.", "--schema")
    ] = False,
    strict: opt.Strict = False,
    connection: opt.Connect = None,
    as_json: opt.AsJson = False,
    **changes: Any,
) -> None:
    """Show what was read as what, and why. Change the file of -o and give it to `refit`.

    With --source a file is read as an upload would be, as --describe, --weights and flags such as
    --subject say.
    """
    if (dataset_id is None) == (source is None):
        raise typer.BadParameter("give either TABLE or --source", param_hint="TABLE")
    if source is not None:
        without_service(connection=connection)
        _describe_file(source, describe, weights, changes, output, schema, strict, as_json)
        return
    if describe is not None or weights is not None or schema or any(changes.values()):
        raise typer.BadParameter("--describe, --schema and corrections go with --source.")
    with connected(connection) as client:
        dataset_id = dataset_of(client, str(dataset_id))
        found = client.describe(dataset_id)
        if output is not None:
            _save(found, output)
        elif is_for_people(as_json):
            read_as, path = client.schema(dataset_id), source_of(client.api_url, dataset_id)
            table = called(client, dataset_id)
            say(*described(client.dataset(dataset_id), found, read_as, table, path))
        else:
            print_result(found, as_json)
        if strict:
            exit_if_unsure(client, dataset_id)


def _describe_file(
    source: Path,
    describe: Path | None,
    weights: str | None,
    changes: Json,
    output: Path | None,
    wants_schema: bool,
    strict: bool,
    as_json: bool,
) -> None:
    """Print what a file is read as, or write it; exit with 1 if strict and a guess is unsure."""
    with errors_reported():
        corrections = Corrections(**changes)
        stated = corrections.into(load(describe))
        with corrections.named_in_errors():
            schema, description = read(source, stated, weights)
        if output is not None:
            _save(schema if wants_schema else description, output)
        elif wants_schema:
            print_result(schema, as_json)
        else:
            words = chain(columns_read(description, schema), rules_listed(description))
            print_result(description, as_json, words)
        unsure = [one["name"] for one in schema["columns"] if one.get("to_confirm")]
        if strict and unsure:
            note(f"{len(unsure)} column(s) to confirm: {', '.join(unsure)}", style="red")
            raise typer.Exit(REFUSED)


def _save(document: Json, path: Path) -> None:
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
    note(f"Wrote {path}.")


@app.command(epilog="Example: simulacra refit survey --describe description.json")
@with_flags
def refit(
    dataset_id: opt.DatasetId,
    knowledge: Annotated[Path | None, opt.KnowledgeFile] = None,
    background: opt.Background = None,
    blocks: opt.Blocks = None,
    describe: Annotated[Path | None, opt.DescriptionFile] = None,
    weights: opt.Weights = None,
    source: Annotated[
        Path | None, existing("The table, uploaded again where it is erased.")
    ] = None,
    earlier: opt.Earlier = None,
    wait: opt.Wait = True,
    yes: opt.Yes = False,
    connection: opt.Connect = None,
    as_json: opt.AsJson = False,
    **changes: Any,
) -> None:
    """Fit again with other knowledge or another description; what the old model made is erased.

    On a terminal it asks first, if rows or estimates would go.

    With --source the table becomes another dataset, with the knowledge and retention of this one;
    a summary of earlier waves is handed back again with --earlier.
    Without --describe, flags such as --subject change the dataset's present description.
    """
    corrections = Corrections(weights=weights, **changes)
    if source is not None and describe is None and not corrections:
        raise typer.BadParameter("--source needs --describe, or a correction such as --subject.")
    if earlier is not None and source is None:
        raise typer.BadParameter("a summary goes with --source; without it the present one stays.")
    with connected(connection, "run it again to continue") as client:
        stated, known = load(describe), load(knowledge)
        dataset_id = dataset_of(client, dataset_id)
        if blocks:
            stated_before = {} if knowledge else {**client.knowledge(dataset_id), "tiers": []}
            known = with_tiers(known or stated_before, blocks)
        present = client.describe(dataset_id) if corrections and stated is None else None
        description = corrections.into(stated or present, replacing=present is not None)
        with corrections.named_in_errors():
            if source is not None:
                job = _upload_again(
                    client, dataset_id, source, earlier, description or {}, known, background
                )
            else:
                _confirm_loss(client, dataset_id, yes)
                job = client.refit(
                    dataset_id, known, background=background, description=description
                )
            done = wait_with_progress(client, job["job_id"], as_json) if wait else job
        print_result(done, as_json)


def _confirm_loss(client: Client, dataset_id: str, yes: bool) -> None:
    """Ask before a refit that erases rows or estimates."""
    if yes or not is_for_people(as_json=False):
        return
    rows, answers = (
        len(find(dataset_id=dataset_id)) for find in (client.generations, client.effects)
    )
    if rows or answers:
        made = f"{rows} generated table(s) and {answers} estimate(s)"
        confirm(f"Fit {dataset_id} again? It erases the present model with {made}.", yes)


def _upload_again(
    client: Client,
    dataset_id: str,
    source: Path,
    earlier: Path | None,
    description: Json,
    known: Json | None,
    background: str | None,
) -> Document:
    kept = client.kept_options(dataset_id, earlier, said="--earlier FILE")
    kept |= {"background": background} | ({} if known is None else {"knowledge": known})
    name = stated_name(description) or source.name
    made = client.upload(source, name=name, description=description, **kept)
    remember_table(client.api_url, made.dataset_id, name, source)
    note(f"{name} is {made.dataset_id} now. Erase the old: simulacra delete {dataset_id}")
    return made


@app.command(epilog="Example: simulacra extend survey --retention-hours 72")
def extend(
    dataset_id: opt.DatasetId,
    retention_hours: Annotated[float, option("Counted from creation; 168 at most.")],
    connection: opt.Connect = None,
    as_json: opt.AsJson = False,
) -> None:
    """Keep a dataset and its model for more time, or for less."""
    with connected(connection) as client:
        print_result(
            client.extend(dataset_of(client, dataset_id), round(retention_hours * 3600)), as_json
        )
