"""Arguments and options that several commands have, and the files that they name."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, get_args

import typer

from simulacra.models import Json
from simulacra.operations.generations import Format
from simulacra.operations.questions import Population
from simulacra.rule_lines import OUTSIDE_QUOTES

FORMATS: tuple[Format, ...] = get_args(Format)
_SEMICOLON = re.compile(f";{OUTSIDE_QUOTES}")


def json_file(*names: str, help: str) -> Any:  # noqa: A002
    """Return an option for an existing file."""
    return typer.Option(*names, exists=True, dir_okay=False, help=help)


AsJson = Annotated[bool, typer.Option("--json", help="Print JSON also on a terminal.")]
Connect = Annotated[
    Path | None,
    typer.Option(
        "--connection",
        "-c",
        help="connection.json of a service; else SIMULACRA_* variables, else the last `up`.",
    ),
]
DatasetId = Annotated[
    str,
    typer.Argument(
        metavar="TABLE", help="Name of the uploaded file, or dataset_id, or its beginning."
    ),
]
OfDataset = Annotated[
    str | None, typer.Option("--dataset", help="Only what belongs to this table, named as above.")
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask, also on a terminal.")]
Status = Annotated[str | None, typer.Option(help="queued, running, ready, partial or failed.")]
Key = Annotated[
    str | None, typer.Option("--key", help="Idempotency-Key: the same key twice is one request.")
]
Wait = Annotated[bool, typer.Option(help="Wait until the model is ready.")]
TableFile = Annotated[
    Path,
    typer.Argument(
        exists=True, dir_okay=False, help="CSV (.gz, .zst), Parquet, Arrow, .xlsx, .sav."
    ),
]
TableName = Annotated[
    str | None,
    typer.Option("--name", help="What to call the table, everywhere; by default as its file."),
]
RetentionHours = Annotated[float | None, typer.Option(help="24 by default, 168 at most.")]
Family = Annotated[str | None, typer.Option(help="forest, neural or auto.")]
Weights = Annotated[
    str | None, typer.Option(help="Column of survey weights; generated rows lack it.")
]
Epsilon = Annotated[
    float | None, typer.Option(help="Differential privacy of the model, 0.01 to 100.")
]
Delta = Annotated[float | None, typer.Option(help="Of --epsilon; 1e-6 by default.")]
Privacy = Annotated[
    str | None, typer.Option(help="standard or strict (small tables: DCR share too).")
]
Hold = Annotated[
    bool, typer.Option("--hold", help="Stop after reading; `refit` confirms and fits.")
]
KeepSource = Annotated[
    bool, typer.Option("--keep-source", help="Keep the table, so that it can be read again.")
]
KnowledgeFile = json_file(help="JSON file: tiers, required and forbidden edges.")
Background = Annotated[
    str | None,
    typer.Option(
        help="auto: columns recognized as background (age, sex, survey year) come before all"
        " others; ask: only propose them."
    ),
]
DescriptionFile = json_file(
    "--describe", help="JSON file: what the columns are, all or some (see `describe`)."
)
Earlier = Annotated[
    Path | None,
    json_file(help="Summary of earlier waves (`simulacra summary`); the report says what moved."),
]
Strict = Annotated[
    bool, typer.Option("--strict", help="Exit with 1 when a reading is to be confirmed.")
]
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
Outcome = Annotated[str, typer.Option(help="Column whose average is compared.")]
OutcomeLevel = Annotated[
    str | None, typer.Option(help="Of a categorical outcome: the level whose share counts.")
]
Blocks = Annotated[
    str | None,
    typer.Option(
        metavar="COL,COL;COL;...",
        help="All columns in one go: blocks with semicolons between them, the earliest first; none"
        " is caused by a later one. simulacra knowledge --usual-order proposes some.",
    ),
]
DontKnow = Annotated[str | None, typer.Option(help="Columns that may be either.")]
Whose = Annotated[Population | None, typer.Option(help="Whose average effect; all if not given.")]


def blocks_of(text: str | None) -> list[list[str]]:
    """Return the blocks of a text with semicolons between them, and commas within.

    A name that has one of these is quoted as in CSV.
    """
    found = [columns(part.strip()) for part in _SEMICOLON.split(text or "")]
    return [block for block in found if block]


def with_tiers(known: Json | None, blocks: str | None) -> Json | None:
    """Return knowledge with these blocks as its tiers.

    Raises:
        typer.BadParameter: the knowledge has tiers of its own.
    """
    if not blocks:
        return known
    if (known or {}).get("tiers"):
        raise typer.BadParameter("Give --blocks, or tiers in --knowledge, not both.")
    return {**(known or {}), "tiers": blocks_of(blocks)}


def columns(text: str | None) -> list[str]:
    """Return the names in a list with commas; a name that has a comma is quoted as in CSV."""
    if not text:
        return []
    (row,) = csv.reader([text], skipinitialspace=True)
    return [name.strip() for name in row if name.strip()]


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
    text = path.read_text()
    if not text.strip():
        raise typer.BadParameter(f"{path} is empty. Write a JSON object, {{...}}.")
    try:
        found = json.loads(text)
    except ValueError as error:
        raise typer.BadParameter(f"{path} is not a JSON object: {error}") from error
    if not isinstance(found, dict):
        raise typer.BadParameter(f"{path} is not a JSON object. Write it as {{...}}.")
    return found


def format_of(path: Path, of: Sequence[Format] = FORMATS) -> Format:
    """Return the format of a file's suffix.

    of: the formats that it may have.

    Raises:
        ValueError: there is no such format, or no such folder.
    """
    formats: dict[str, Format] = {f".{name}": name for name in of}
    if path.suffix not in formats:
        *others, last = formats
        raise ValueError(f"{path.name}: the suffix must be {', '.join(others)} or {last}.")
    if not path.parent.is_dir():
        raise ValueError(f"{path.parent}: no such folder. Make it first.")
    return formats[path.suffix]
