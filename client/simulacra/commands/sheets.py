"""Commands for answer sheets: compare all levers of an outcome, list sheets."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Annotated

import typer

from simulacra.client import Client
from simulacra.commands.asked import NUMERIC, column_named
from simulacra.commands.lists import print_list
from simulacra.commands.naming import dataset_of, filters_of
from simulacra.commands.options import (
    AsJson,
    Connect,
    DatasetId,
    Key,
    OfDataset,
    Status,
    columns,
)
from simulacra.commands.output import note, print_result, wait_with_progress
from simulacra.commands.session import connected, continue_with
from simulacra.models import Json
from simulacra.operations.effects import Population

app = typer.Typer()


@app.command(
    epilog="Example: simulacra sheet survey --outcome tv_hours --before year,female"
    " --after tv_hours --lever education_years=16:12 --lever income --html sheet.html"
)
def sheet(
    dataset_id: DatasetId,
    outcome: Annotated[str, typer.Option(help="Column whose average is compared.")],
    outcome_level: Annotated[
        str | None, typer.Option(help="Of a categorical outcome: the level whose share counts.")
    ] = None,
    lever: Annotated[
        list[str] | None,
        typer.Option(
            help="A column, or COL=VALUE:BASELINE; repeat it for each. All that may be levers if"
            " not given."
        ),
    ] = None,
    before: Annotated[
        str | None,
        typer.Option(help="Columns settled before any lever, with commas between them."),
    ] = None,
    after: Annotated[
        str | None,
        typer.Option(help="Columns that came after every lever; name the outcome too."),
    ] = None,
    dont_know: Annotated[str | None, typer.Option(help="Columns that may be either.")] = None,
    population: Annotated[
        Population | None, typer.Option(help="Whose average effect; all if not given.")
    ] = None,
    html: Annotated[
        Path | None, typer.Option(help="Write the appendix to this file: one page, no script.")
    ] = None,
    xlsx: Annotated[Path | None, typer.Option(help="Write the workbook to this file.")] = None,
    key: Key = None,
    connection: Connect = None,
    as_json: AsJson = False,
) -> None:
    """Compare all levers of an outcome: what each effect rests on, with joint intervals."""
    key = key or uuid.uuid4().hex
    with connected(connection, continue_with(key)) as client:
        dataset_id = dataset_of(client, dataset_id)
        started = client.ask_sheet(
            dataset_id,
            outcome=outcome,
            outcome_level=outcome_level,
            levers=_levers(client, dataset_id, lever or []),
            before=columns(before),
            after=columns(after),
            dont_know=columns(dont_know),
            population=population,
            key=key,
        )
        wait_with_progress(client, started.job_id, as_json)
        if html is not None:
            html.write_text(client.sheet_page(started.sheet_id))
            note(f"appendix written to {html}")
        if xlsx is not None:
            xlsx.write_bytes(client.sheet_workbook(started.sheet_id))
            note(f"workbook written to {xlsx}")
        print_result(client.sheet(started.sheet_id), as_json)


@app.command(epilog="Example: simulacra sheets --dataset survey")
def sheets(
    status: Status = None,
    dataset_id: OfDataset = None,
    connection: Connect = None,
    as_json: AsJson = False,
) -> None:
    """List the answer sheets, newest first."""
    with connected(connection) as client:
        found = client.sheets(**filters_of(client, status, dataset_id))
        print_list(found, "sheet", client, as_json, "No answer sheets yet.")


def _levers(client: Client, dataset_id: str, texts: list[str]) -> list[Json]:
    """Return the levers of COL and COL=VALUE:BASELINE; a number where the column has numbers."""
    if not texts:
        return []
    kinds = {column["name"]: column["kind"] for column in client.schema(dataset_id).columns}
    found: list[Json] = []
    for text in texts:
        name, equals, values = text.partition("=")
        column = column_named(name, kinds, "--lever")
        if not equals:
            found.append({"column": column})
            continue
        value, colon, baseline = values.partition(":")
        if not colon:
            raise typer.BadParameter(f"{text}: write COL or COL=VALUE:BASELINE.")
        is_number = kinds[column] in NUMERIC
        pair = [_number(one) if is_number else one for one in (value, baseline)]
        found.append({"column": column, "value": pair[0], "baseline": pair[1]})
    return found


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise typer.BadParameter(f"{text}: the lever is numeric. Give a number.") from None
