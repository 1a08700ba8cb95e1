"""Commands for effect estimates: estimate one, list them."""

from __future__ import annotations

import uuid
from typing import Annotated

import typer

from simulacra.commands.options import (
    AsJson,
    Connect,
    DatasetId,
    Key,
    OfDataset,
    Status,
    filters,
)
from simulacra.commands.output import print_result, wait_with_progress
from simulacra.commands.session import connected, continue_with

app = typer.Typer()


@app.command()
def effect(
    dataset_id: DatasetId,
    treatment: Annotated[str, typer.Option(help="Column to intervene on.")],
    value: Annotated[str, typer.Option(help="Treatment value: a number or a level.")],
    baseline: Annotated[str, typer.Option(help="Value to compare with.")],
    outcome: Annotated[str, typer.Option(help="Column whose average is compared.")],
    outcome_level: Annotated[
        str | None, typer.Option(help="Of a categorical outcome: the level whose share counts.")
    ] = None,
    segment: Annotated[str | None, typer.Option(help="Column to split the effect by.")] = None,
    key: Key = None,
    connection: Connect = None,
    as_json: AsJson = False,
) -> None:
    """Estimate an average causal effect, and wait for it."""
    key = key or uuid.uuid4().hex
    with connected(connection, continue_with(key)) as client:
        kinds = {column["name"]: column["kind"] for column in client.schema(dataset_id).columns}
        is_number = kinds.get(treatment) in ("integer", "numeric")
        started = client.estimate(
            dataset_id,
            treatment=treatment,
            value=_number(value) if is_number else value,
            baseline=_number(baseline) if is_number else baseline,
            outcome=outcome,
            outcome_level=outcome_level,
            segment=segment,
            key=key,
        )
        wait_with_progress(client, started.job_id, as_json)
        print_result(client.effect(started.effect_id), as_json)


@app.command()
def effects(
    status: Status = None,
    dataset_id: OfDataset = None,
    connection: Connect = None,
    as_json: AsJson = False,
) -> None:
    """List the effect estimates, newest first."""
    with connected(connection) as client:
        print_result(client.effects(**filters(status=status, dataset_id=dataset_id)), as_json)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise typer.BadParameter(f"{text}: the treatment is numeric. Give a number.") from None
