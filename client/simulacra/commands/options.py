"""Arguments and options that several commands have, and the files that they name."""

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


def option(about: str, *names: str, **more: Any) -> Any:
    """Return an option with its help; `names` where they are not that of the parameter."""
    return typer.Option(*names, help=about, **more)


def argument(about: str, **more: Any) -> Any:
    """Return an argument with its help."""
    return typer.Argument(help=about, **more)


def existing(about: str, *names: str) -> Any:
    """Return an option for a file that must exist."""
    return option(about, *names, exists=True, dir_okay=False)


AsJson = Annotated[bool, option("Print JSON also on a terminal.", "--json")]
Connect = Annotated[
    Path | None,
    option(
        "connection.json of a service; else SIMULACRA_* variables, else the last `up`.",
        "--connection",
        "-c",
    ),
]
DatasetId = Annotated[
    str, argument("Name of the uploaded file, or dataset_id, or its beginning.", metavar="TABLE")
]
OfDataset = Annotated[
    str | None, option("Only what belongs to this table, named as above.", "--dataset")
]
Yes = Annotated[bool, option("Do not ask, also on a terminal.", "--yes", "-y")]
Status = Annotated[str | None, option("queued, running, ready, partial or failed.")]
Key = Annotated[str | None, option("Idempotency-Key: the same key twice is one request.", "--key")]
Wait = Annotated[bool, option("Wait until the model is ready.")]
TableFile = Annotated[
    Path, argument("CSV (.gz, .zst), Parquet, Arrow, .xlsx, .sav.", exists=True, dir_okay=False)
]
TableName = Annotated[
    str | None, option("What to call the table, everywhere; by default as its file.", "--name")
]
RetentionHours = Annotated[float | None, option("24 by default, 168 at most.")]
Family = Annotated[str | None, option("forest, neural or auto.")]
Weights = Annotated[str | None, option("Column of survey weights; generated rows lack it.")]
Epsilon = Annotated[float | None, option("Differential privacy of the model, 0.01 to 100.")]
Delta = Annotated[float | None, option("Of --epsilon; 1e-6 by default.")]
Privacy = Annotated[str | None, option("standard or strict (small tables: DCR share too).")]
Hold = Annotated[bool, option("Stop after reading; `refit` confirms and fits.", "--hold")]
KeepSource = Annotated[
    bool, option("Keep the table, so that it can be read again.", "--keep-source")
]
KnowledgeFile = existing("JSON file: tiers, required and forbidden edges.")
Background = Annotated[
    str | None,
    option(
        "auto: columns recognized as background (age, sex, survey year) come before all"
        " others; ask: only propose them."
    ),
]
DescriptionFile = existing(
    "JSON file: what the columns are, all or some (see `describe`).", "--describe"
)
Earlier = Annotated[
    Path | None,
    existing("Summary of earlier waves (`simulacra summary`); the report says what moved."),
]
Strict = Annotated[bool, option("Exit with 1 when a reading is to be confirmed.", "--strict")]
Counterfactual = Annotated[
    bool, option("Rows in pairs: a row, then its twin under --do.", "--counterfactual")
]
Evidence = Annotated[
    bool,
    option(
        "Add the column evidence_weight: what each row is worth in respondents.",
        "--evidence/--no-evidence",
    ),
]
Seed = Annotated[int | None, option("Same seed, same rows.", "--seed")]
Outcome = Annotated[str, option("Column whose average is compared.")]
OutcomeLevel = Annotated[
    str | None, option("Of a categorical outcome: the level whose share counts.")
]
Blocks = Annotated[
    str | None,
    option(
        "All columns in one go: blocks with semicolons between them, the earliest first; none"
        " is caused by a later one. simulacra knowledge --usual-order proposes some.",
        metavar="COL,COL;COL;...",
    ),
]
DontKnow = Annotated[str | None, option("Columns that may be either.")]
Whose = Annotated[Population | None, option("Whose average effect; all if not given.")]


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
