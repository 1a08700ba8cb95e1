"""Command describe: what each column of a table was read as."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from simulacra_trainer.commands.arguments import Option, UsageError, description_file


def add_options(option: Option) -> None:
    """Add the options of describe."""
    option("--data", type=Path, required=True, help="table, as for fit")
    option("--weights", metavar="COL", help="column of survey weights")
    option("--describe", type=Path, help="JSON file: description of the table (Data Package)")
    option("--schema", action="store_true", help="print the cleaned schema instead")


def describe(args: argparse.Namespace) -> int:
    """Clean a table; print its completed description, or its schema with --schema, as JSON."""
    from simulacra_trainer.in_process import read_described

    if not args.data.is_file():
        raise UsageError(f"--data: {args.data} is not a file")
    described = read_described(args.data, description_file(args.describe), args.weights)
    schema = described.clean.schema.model_dump(mode="json", exclude_none=True)
    content = schema if args.schema else described.document
    sys.stdout.write(json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    return 0
