"""Generations, probes and effects: what a model is asked."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Annotated

import typer

from simulacra.commands.shared import (
    ConditionsOption,
    ConnectionOption,
    DatasetArgument,
    DoOption,
    JsonOption,
    KeyOption,
    PairsOption,
    SeedOption,
    byte_bar,
    connected,
    format_of,
    go_on,
    load,
    say,
    wait_with_progress,
)

app = typer.Typer()


@app.command()
def generate(
    dataset_id: DatasetArgument,
    rows: Annotated[int, typer.Option(help="Rows to generate.")],
    conditions: ConditionsOption = None,
    do: DoOption = None,
    counterfactual: PairsOption = False,
    seed: SeedOption = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Download to this file when ready.")
    ] = None,
    wait: Annotated[bool, typer.Option(help="Wait until the rows are there.")] = True,
    key: KeyOption = None,
    connection: ConnectionOption = None,
    as_json: JsonOption = False,
) -> None:
    """Generate a synthetic table under conditions or interventions, and wait for it."""
    key = key or uuid.uuid4().hex
    with connected(connection, go_on(key)) as client:
        file_format = format_of(output) if output else None
        asked = client.generate(
            dataset_id,
            rows,
            conditions=load(conditions),
            interventions=load(do),
            counterfactual=counterfactual,
            seed=seed,
            key=key,
        )
        if wait or output:
            wait_with_progress(client, asked.job_id, as_json)
        if output and file_format:
            with byte_bar("downloading", as_json) as on_bytes:
                client.download(asked.generation_id, output, file_format, on_bytes=on_bytes)
        say(client.generation(asked.generation_id), as_json)


@app.command()
def probe(
    dataset_id: DatasetArgument,
    rows: Annotated[int, typer.Option(help="100 at most.")] = 20,
    conditions: ConditionsOption = None,
    do: DoOption = None,
    counterfactual: PairsOption = False,
    seed: SeedOption = None,
    connection: ConnectionOption = None,
    as_json: JsonOption = False,
) -> None:
    """Sample a few rows at once and say how feasible the conditions are; nothing is kept."""
    with connected(connection) as client:
        found = client.probe(
            dataset_id,
            rows,
            conditions=load(conditions),
            interventions=load(do),
            counterfactual=counterfactual,
            seed=seed,
        )
        say(found, as_json)


@app.command()
def effect(
    dataset_id: DatasetArgument,
    treatment: Annotated[str, typer.Option(help="The column that is set.")],
    value: Annotated[str, typer.Option(help="What it is set to: a number or a level.")],
    baseline: Annotated[str, typer.Option(help="What that is compared with.")],
    outcome: Annotated[str, typer.Option(help="The column whose average is compared.")],
    outcome_level: Annotated[
        str | None, typer.Option(help="Of a category: whose share counts.")
    ] = None,
    segment: Annotated[
        str | None, typer.Option(help="Give the effect by this column as well.")
    ] = None,
    key: KeyOption = None,
    connection: ConnectionOption = None,
    as_json: JsonOption = False,
) -> None:
    """Estimate an average causal effect, and wait for it."""
    key = key or uuid.uuid4().hex
    with connected(connection, go_on(key)) as client:
        kinds = {column["name"]: column["kind"] for column in client.schema(dataset_id).columns}
        numeric = kinds.get(treatment) in ("integer", "numeric")
        asked = client.estimate(
            dataset_id,
            treatment=treatment,
            value=_number(value) if numeric else value,
            baseline=_number(baseline) if numeric else baseline,
            outcome=outcome,
            outcome_level=outcome_level,
            segment=segment,
            key=key,
        )
        wait_with_progress(client, asked.job_id, as_json)
        say(client.effect(asked.effect_id), as_json)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise typer.BadParameter(f"{text}: the treatment is a number, so give one") from None
