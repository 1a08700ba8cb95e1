"""Argument types, files and messages that the trainer's commands share."""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from simulacra_crds.tasks import ProgressReport
from simulacra_schema.description import (
    MAX_DESCRIPTION_BYTES,
    Description,
    DescriptionInvalid,
    load_description,
)
from simulacra_intake.output.files import SUFFIXES

MAX_JSON_BYTES = 4 << 20
M = TypeVar("M", bound=BaseModel)
Option = Callable[..., argparse.Action]


class UsageError(Exception):
    """A parameter cannot be used; the message says which and why."""


def add_model(option: Option) -> None:
    """Add --model."""
    option("--model", type=Path, required=True, help="model directory")


def add_seed(option: Option) -> None:
    """Add --seed."""
    meaning = "seed of the random numbers; the same seed gives the same result (default 0)"
    option("--seed", type=whole_number(0, 2**31 - 1), default=0, help=meaning)


def columns(text: str) -> list[str]:
    """Return the names in a list with commas; one that has a comma is quoted as in CSV."""
    return next(csv.reader([text], skipinitialspace=True), [])


def report_file(text: str) -> Path:
    """Return the path of a report to write."""
    path = Path(text)
    if path.suffix not in (".html", ".json") or not path.absolute().parent.is_dir():
        raise argparse.ArgumentTypeError("name an .html or .json file in an existing directory")
    return path


def table_file(text: str) -> Path:
    """Return the path of a table to write."""
    path = Path(text)
    if path.suffix not in SUFFIXES:
        raise argparse.ArgumentTypeError(f"the file name must end in {', '.join(SUFFIXES)}")
    return path


def whole_number(low: int, high: int) -> Callable[[str], int]:
    """Return the type of a whole number from low to high."""

    def parse(text: str) -> int:
        if not text.isdigit() or not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(f"must be a whole number from {low} to {high}")
        return int(text)

    return parse


def read_json(path: Path, option: str) -> Any:
    """Return the content of a JSON file; UsageError names the option."""
    try:
        if path.stat().st_size > MAX_JSON_BYTES:
            raise UsageError(f"{option}: the file exceeds {MAX_JSON_BYTES >> 20} MiB")
        return json.loads(path.read_bytes())
    except OSError:
        raise UsageError(f"{option}: cannot read {path}") from None
    except ValueError:
        raise UsageError(f"{option}: the file is not JSON") from None


def load(kind: type[M], path: Path | None, option: str) -> M:
    """Return a JSON file as this model, or the default without a file; UsageError if invalid."""
    return kind() if path is None else checked(kind, read_json(path, option), option)


def checked(kind: type[M], content: Any, option: str) -> M:
    """Return a JSON value as this model; UsageError names the option and the field."""
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = "/".join(str(part) for part in first["loc"])
        raise UsageError(f"{option}: {where}: {first['msg']}") from None


def description_file(path: Path | None) -> Description | None:
    """Return the description in a file, None without one."""
    if path is None:
        return None
    try:
        with path.open("rb") as file:
            return load_description(file.read(MAX_DESCRIPTION_BYTES + 1))
    except OSError:
        raise UsageError(f"--describe: cannot read {path}") from None
    except DescriptionInvalid as error:
        faults = "; ".join(f"{one.pointer or '/'}: {one.detail}" for one in error.errors)
        raise UsageError(f"--describe: {faults}") from None


def write_report(content: dict[str, Any], path: Path) -> None:
    """Write a report as a page or as JSON, by the suffix of the path."""
    from simulacra_trainer.report import render_html

    is_json = path.suffix == ".json"
    path.write_text(json.dumps(content, indent=1) if is_json else render_html(content))


def print_progress(report: ProgressReport) -> None:
    """Print progress on stderr."""
    eta = "" if report.eta_seconds is None else f", {report.eta_seconds} s left"
    sys.stderr.write(f"{report.percent:3d} % {report.step}{eta}\n")


def note(text: str) -> None:
    """Print a note on stderr."""
    sys.stderr.write(f"note: {text}\n")
