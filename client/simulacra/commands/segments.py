"""Commands for segment estimates: certify shares of answers in segments, list them."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Annotated

import typer

from simulacra.commands.asked import check_names, columns_of
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
from simulacra.named_values import level_named

app = typer.Typer()


@app.command(
    epilog="Example: simulacra boost survey --segment region=pacific,female=1 --questions happiness"
)
def boost(
    dataset_id: DatasetId,
    segment: Annotated[
        str,
        typer.Option(
            help="One or two columns as COL=LEVEL, with commas between them; COL alone stands for"
            " each of its levels."
        ),
    ],
    questions: Annotated[
        str, typer.Option(help="Columns whose answers are certified, with commas between them.")
    ],
    conditions_out: Annotated[
        Path | None,
        typer.Option(help="Write the conditions for `generate --conditions` to this file."),
    ] = None,
    key: Key = None,
    connection: Connect = None,
    as_json: AsJson = False,
) -> None:
    """Certify shares of answers in segments: interval, worth, and whether that is better."""
    key = key or uuid.uuid4().hex
    wanted: dict[str, list[str]] = {}
    for part in columns(segment):
        name, _, level = part.partition("=")
        wanted.setdefault(name, []).extend([level] if level else [])
    with connected(connection, continue_with(key)) as client:
        dataset_id = dataset_of(client, dataset_id)
        known = columns_of(client, dataset_id)
        check_names(known, segment=[*wanted], questions=columns(questions))
        for name, levels in wanted.items():
            for level in levels:
                level_named(level, name, known, "--segment")
        started = client.boost(dataset_id, wanted, columns(questions), key=key)
        wait_with_progress(client, started.job_id, as_json)
        found = client.segment(started.segment_id)
        if conditions_out is not None and found.conditions is None:
            note("No conditions: they need a single segment whose shares are certified.")
        elif conditions_out is not None:
            conditions_out.write_text(json.dumps(found.conditions, indent=2))
            note(f"Wrote {conditions_out}.")
        print_result(found, as_json)


@app.command(epilog="Example: simulacra segments --dataset survey")
def segments(
    status: Status = None,
    dataset_id: OfDataset = None,
    connection: Connect = None,
    as_json: AsJson = False,
) -> None:
    """List the segment estimates, newest first."""
    with connected(connection) as client:
        found = client.segments(**filters_of(client, status, dataset_id))
        print_list(found, "segment", client, as_json, "No segment estimates yet.")
