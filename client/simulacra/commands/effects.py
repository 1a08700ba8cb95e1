"""Commands for effect estimates: estimate one, list them."""

from __future__ import annotations

import uuid
from typing import Annotated

import typer

from simulacra.commands.asked import as_number, check_names, columns_of
from simulacra.commands.lists import print_list
from simulacra.commands.naming import dataset_of, filters_of
from simulacra.commands.options import (
    AsJson,
    Connect,
    DatasetId,
    DontKnow,
    Key,
    OfDataset,
    Outcome,
    OutcomeLevel,
    Status,
    Whose,
    columns,
)
from simulacra.commands.output import print_result, wait_with_progress
from simulacra.commands.session import connected, continue_with
from simulacra.named_values import NUMERIC, column_named

app = typer.Typer()


@app.command("estimate", hidden=True)  # what Python calls it
@app.command(
    epilog="Example: simulacra effect survey --treatment education_years --value 16"
    " --baseline 12 --outcome tv_hours"
)
def effect(
    dataset_id: DatasetId,
    treatment: Annotated[str, typer.Option(help="Column to intervene on.")],
    value: Annotated[str, typer.Option(help="Treatment value: a number or a level.")],
    baseline: Annotated[str, typer.Option(help="Value to compare with.")],
    outcome: Outcome,
    outcome_level: OutcomeLevel = None,
    segment: Annotated[str | None, typer.Option(help="Column to split the effect by.")] = None,
    before: Annotated[
        str | None,
        typer.Option(help="Columns settled before the treatment, with commas between them."),
    ] = None,
    after: Annotated[
        str | None, typer.Option(help="Columns that the treatment may have changed.")
    ] = None,
    dont_know: DontKnow = None,
    population: Whose = None,
    negative_controls: Annotated[
        str | None, typer.Option(help="Columns that the treatment cannot change.")
    ] = None,
    key: Key = None,
    connection: Connect = None,
    as_json: AsJson = False,
) -> None:
    """Estimate an average causal effect, wait for it, and print what it rests on."""
    key = key or uuid.uuid4().hex
    with connected(connection, continue_with(key)) as client:
        dataset_id = dataset_of(client, dataset_id)
        known = columns_of(client, dataset_id)
        is_number = known[column_named(treatment, known, "--treatment")]["kind"] in NUMERIC
        lists = {
            "before": columns(before),
            "after": columns(after),
            "dont_know": columns(dont_know),
            "negative_controls": columns(negative_controls),
        }
        check_names(known, outcome=outcome, segment=segment, **lists)
        started = client.estimate(
            dataset_id,
            treatment=treatment,
            value=as_number(value, "treatment") if is_number else value,
            baseline=as_number(baseline, "treatment") if is_number else baseline,
            outcome=outcome,
            outcome_level=outcome_level,
            segment=segment,
            population=population,
            key=key,
            **lists,
        )
        wait_with_progress(client, started.job_id, as_json)
        print_result(client.effect(started.effect_id), as_json)


@app.command(epilog="Example: simulacra effects --dataset survey")
def effects(
    status: Status = None,
    dataset_id: OfDataset = None,
    connection: Connect = None,
    as_json: AsJson = False,
) -> None:
    """List the effect estimates, newest first."""
    with connected(connection) as client:
        found = client.effects(**filters_of(client, status, dataset_id))
        print_list(found, "effect", client, as_json, "No effect estimates yet.")
