"""Arguments and options that several commands have, and the files that they name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, get_args

import typer

from simulacra.models import Json
from simulacra.operations.generations import Format


def json_file(*names: str, help: str) -> Any:  # noqa: A002
    """Return an option for an existing file."""
    return typer.Option(*names, exists=True, dir_okay=False, help=help)


AsJson = Annotated[bool, typer.Option("--json", help="Print JSON also on a terminal.")]
Connect = Annotated[
    Path | None,
    typer.Option(
        "--connection", "-c", help="connection.json of `simulacra up` (else SIMULACRA_* variables)."
    ),
]
DatasetId = Annotated[str, typer.Argument(help="dataset_id as `upload` printed it.")]
OfDataset = Annotated[
    str | None, typer.Option("--dataset", help="Only what belongs to this dataset_id.")
]
Status = Annotated[str | None, typer.Option(help="queued, running, ready, partial or failed.")]
Key = Annotated[
    str | None, typer.Option("--key", help="Idempotency-Key: the same key twice is one request.")
]
Wait = Annotated[bool, typer.Option(help="Wait until the model is ready.")]
KnowledgeFile = json_file(help="JSON file: tiers, required and forbidden edges.")
DescriptionFile = json_file(
    "--describe", help="JSON file: what the columns are, all or some (see `describe`)."
)
Strict = Annotated[
    bool, typer.Option("--strict", help="Exit with 1 when a reading is to be confirmed.")
]
Conditions = Annotated[
    Path | None, json_file("--conditions", help="JSON file: the `conditions` object.")
]
Do = Annotated[Path | None, json_file("--do", help="JSON file of interventions: {column: value}.")]
Counterfactual = Annotated[
    bool, typer.Option("--counterfactual", help="Rows in pairs: a row, then its twin under --do.")
]
Evidence = Annotated[
    bool,
    typer.Option(
        "--evidence/--no-evidence",
        help="Add the column evidence_weight: what each row is worth in respondents.",
    ),
]
Seed = Annotated[int | None, typer.Option("--seed", help="Same seed, same rows.")]


def filters(**values: str | None) -> dict[str, str]:
    """Return the filters of a list that have a value."""
    return {name: value for name, value in values.items() if value}


def load(path: Path | None) -> Json | None:
    """Read a JSON object from a file.

    Raises:
        typer.BadParameter: the file has something else.
    """
    if path is None:
        return None
    try:
        found = json.loads(path.read_text())
    except ValueError as error:
        raise typer.BadParameter(f"{path} is not a JSON object: {error}") from error
    if not isinstance(found, dict):
        raise typer.BadParameter(f"{path} is not a JSON object. Write it as {{...}}.")
    return found


def format_of(path: Path) -> Format:
    """Return the format of a file's suffix.

    Raises:
        ValueError: there is no such format, or no such folder.
    """
    formats: dict[str, Format] = {f".{name}": name for name in get_args(Format)}
    if path.suffix not in formats:
        *others, last = formats
        raise ValueError(f"{path.name}: the suffix must be {', '.join(others)} or {last}.")
    if not path.parent.is_dir():
        raise ValueError(f"{path.parent}: no such folder. Make it first.")
    return formats[path.suffix]
