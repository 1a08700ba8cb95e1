"""Command that uploads a table and fits its model."""

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from simulacra.client import Client
from simulacra.commands import options as opt
from simulacra.commands.corrections import Corrections, with_flags
from simulacra.commands.described import next_steps
from simulacra.commands.graphs import proposed
from simulacra.commands.naming import called
from simulacra.commands.options import load, with_tiers
from simulacra.commands.output import byte_bar, note, print_result, span, wait_with_progress
from simulacra.commands.reading import reading
from simulacra.commands.session import (
    REFUSED,
    being_fit,
    connected,
    continue_with,
    hinting,
    sent_in_part,
)
from simulacra.local_state import remember_table
from simulacra.models import Job, Upload

app = typer.Typer()


@app.command(epilog="Example: simulacra upload survey.csv")
@with_flags
def upload(
    file: opt.TableFile,
    name: opt.TableName = None,
    wait: opt.Wait = True,
    retention_hours: opt.RetentionHours = None,
    family: opt.Family = None,
    knowledge: Annotated[Path | None, opt.KnowledgeFile] = None,
    background: opt.Background = None,
    blocks: opt.Blocks = None,
    describe: Annotated[Path | None, opt.DescriptionFile] = None,
    earlier: opt.Earlier = None,
    hold: opt.Hold = False,
    keep_source: opt.KeepSource = False,
    strict: opt.Strict = False,
    weights: opt.Weights = None,
    epsilon: opt.Epsilon = None,
    delta: opt.Delta = None,
    privacy: opt.Privacy = None,
    key: opt.Key = None,
    connection: opt.Connect = None,
    as_json: opt.AsJson = False,
    **changes: Any,
) -> None:
    """Upload a seed table and fit its model. If interrupted, it prints the --key to continue."""
    key = key or uuid.uuid4().hex
    with connected(connection, continue_with(key)) as client:
        corrections = Corrections(**changes)
        options = {
            "family": family,
            "knowledge": with_tiers(load(knowledge), blocks),
            "background": background,
            "description": corrections.into(load(describe)),
            "earlier": earlier,
            "hold": hold,
            "keep_source": keep_source,
            "weights": weights,
            "epsilon": epsilon,
            "delta": delta,
            "privacy": privacy,
        }
        with corrections.named_in_errors():
            answer = send_table(client, file, key, as_json, retention_hours, name, **options)
            if wait:
                answer["status"] = wait_for_model(client, answer, as_json)["status"]
        dataset_id = answer["dataset_id"]
        if wait:
            schema, dataset = client.schema(dataset_id), client.dataset(dataset_id)
            present, table = {**dataset, "status": answer["status"]}, called(client, dataset_id)
            steps = next_steps(present, schema, table, str(file))
            note(*reading(schema), *dataset.verdicts, *steps)
            if answer["status"] == "ready":
                note(*proposed(client.graph(dataset_id), table))
        ready = answer["status"] == "ready"
        print_result(answer, as_json, onward(client, dataset_id, "Rows:") if ready else None)
        if strict and wait:
            exit_if_unsure(client, dataset_id)


def onward(client: Client, dataset_id: str, rows: str) -> Iterator[str]:
    """Yield how long a fitted table is kept, and the commands that go on from it.

    `rows` is what the command that generates is called here.
    """
    table = called(client, dataset_id)
    kept = span(client.dataset(dataset_id).retention_seconds)
    yield f"The table and its model are kept for {kept}."
    yield f"The report:    simulacra report {table} --html FILE"
    yield f"{rows:<15}simulacra generate {table} --rows N -o FILE"
    yield f"Erase it all:  simulacra delete {table}"


def send_table(
    client: Client,
    file: Path,
    key: str,
    as_json: bool,
    hours: float | None,
    name: str | None,
    **options: Any,
) -> Upload:
    """Upload a file with a bar, and remember its name and path for the commands to come.

    `hours` of retention and `name` are None for the defaults; `options` are those of
    `Client.upload`.
    """
    name = name or file.name
    seconds = None if hours is None else round(hours * 3600)
    with hinting(sent_in_part(key)), byte_bar(f"uploading {file.name}", as_json) as on_bytes:
        answer = client.upload(
            file, name=name, retention_seconds=seconds, key=key, on_bytes=on_bytes, **options
        )
    remember_table(client.api_url, answer["dataset_id"], name, file)
    return answer


def wait_for_model(client: Client, sent: Upload, as_json: bool) -> Job:
    """Wait until a table is fit; an interruption says that it is stored, and how to go on."""
    with hinting(being_fit(called(client, sent.dataset_id))):
        return wait_with_progress(client, sent.job_id, as_json)


def exit_if_unsure(client: Client, dataset_id: str) -> None:
    """Exit with 1 when a reading is to be confirmed."""
    count = (client.dataset(dataset_id).reading or {}).get("to_confirm", 0)
    if count:
        table = called(client, dataset_id)
        note(f"{count} column(s) to confirm: simulacra describe {table}", style="red")
        raise typer.Exit(REFUSED)
