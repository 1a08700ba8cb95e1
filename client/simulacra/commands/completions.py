"""Command that fills in the gaps of given rows."""

from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from typing import Annotated, Any

import typer

from simulacra.client import Client
from simulacra.commands import options as opt
from simulacra.commands.naming import called
from simulacra.commands.options import columns, existing, format_of, option
from simulacra.commands.output import engine_bar, note, print_result, wait_with_progress
from simulacra.commands.used_model import LocalModel, SavedModel, TableOrModel, used_model
from simulacra.completion import WRITTEN, Completed, read_rows, write_rows
from simulacra.engine.errors import NO_OTHERS
from simulacra.local_state import source_of
from simulacra.pair_lines import stated_pairs

app = typer.Typer()


@app.command(epilog="Example: simulacra complete survey --given customers.csv -o completed.parquet")
def complete(
    output: Annotated[Path, option("File to write: .parquet, .csv or .arrow.", "--output", "-o")],
    dataset_id: TableOrModel = None,
    model: SavedModel = None,
    given: Annotated[
        Path | None,
        existing("CSV, Parquet, Arrow, .xlsx or .sav with the rows; that of TABLE if absent."),
    ] = None,
    columns_: Annotated[
        str | None, option("To fill, with commas; all if absent.", "--columns")
    ] = None,
    implicates: Annotated[
        int, option("How often each gap is filled, 2 to 50.", "--implicates", "-m")
    ] = 10,
    fill_codes: Annotated[
        bool, option("Codes such as -9 for refused are gaps, too.", "--fill-codes")
    ] = False,
    unknown: Annotated[
        str, option("Levels that the model does not know: refuse, or missing.")
    ] = "refuse",
    pair: Annotated[
        list[str] | None, option("'X*Y': of a column of the rows and one of TABLE; repeat it.")
    ] = None,
    independent: Annotated[
        list[str] | None, option("'X*Y': nothing but the common columns connects them; repeat it.")
    ] = None,
    sign: Annotated[
        list[str] | None,
        option("'X*Y:positive' or 'X=Yes*Y=No:negative' among alike people; repeat it."),
    ] = None,
    impossible: Annotated[
        list[str] | None, option("'X=Yes*Y=No': answers that never meet; repeat it.")
    ] = None,
    seed: opt.Seed = None,
    retention_hours: opt.RetentionHours = None,
    key: opt.Key = None,
    connection: opt.Connect = None,
    as_json: opt.AsJson = False,
) -> None:
    """Fill in the gaps of given rows several times, for honest intervals.

    The rows are uploaded, unless they are the file of TABLE itself. The service returns filled
    cells only; they are joined here, to one file with the column implicate: 0 as given, 1 to m
    completed. With --model nothing leaves this machine.
    """
    only = {"retention_hours": retention_hours}
    with used_model(dataset_id, model, connection, as_json, key=key, of_service=only) as used:
        format_of(output, WRITTEN)
        asked: dict[str, Any] = {"columns": columns(columns_) or None, "implicates": implicates}
        asked |= {"fill_codes": fill_codes, "unknown": unknown}
        asked |= stated_pairs(pair, independent, sign, impossible)
        if isinstance(used, LocalModel):
            _complete_here(used, given, asked | {"seed": seed or 0}, output, as_json)
            return
        client, key, dataset_id = used.client, used.key, used.resource_id
        path = given or _own_file(client, dataset_id)
        rows = read_rows(path)
        seconds = None if retention_hours is None else round(retention_hours * 3600)
        kept: dict[str, Any] = {"retention_seconds": seconds, "key": key}
        sent = client.send_given(dataset_id, path, rows.num_rows, **kept)
        if sent is not None:
            wait_with_progress(client, sent.job_id, as_json)
        started = client.start_completion(
            dataset_id,
            None if sent is None else sent.dataset_id,
            seed=seed,
            **asked,
            **kept,
        )
        wait_with_progress(client, started.job_id, as_json)
        done = client.completed(started.generation_id, rows)
        ids = {"generation_id": done.generation_id, "given_id": done.given_id}
        _write(done, output, as_json, ids, f"Erase it:  simulacra delete {done.generation_id}")


def _complete_here(
    used: LocalModel, given: Path | None, asked: dict[str, Any], output: Path, as_json: bool
) -> None:
    """Complete rows by a saved model, write the file and print the report."""
    if given is None:
        missing = "name the file with the rows, such as the one that was fit"
        raise typer.BadParameter(missing, param_hint="--given")
    with engine_bar(as_json) as show:
        done = used.model.complete(given, **asked, on_progress=show)
    _write(done, output, as_json)


def _own_file(client: Client, dataset_id: str) -> Path:
    """Return the file that a table was uploaded from."""
    found = source_of(client.api_url, dataset_id)
    if found is None:
        missing = f"name the file of {called(client, dataset_id)}: it was not uploaded from here"
        raise typer.BadParameter(missing, param_hint="--given")
    return Path(found)


def _write(
    done: Completed, output: Path, as_json: bool, ids: Mapping[str, Any] = NO_OTHERS, *more: str
) -> None:
    """Write the rows, and print the report for programs, sentences for people."""
    write_rows(done.long(), output)
    note(f"Wrote {output}.")
    found = {**ids, "completion": done.report, "file": str(output)}
    print_result(found, as_json, chain(done.sentences(), more))
