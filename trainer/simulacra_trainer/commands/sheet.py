"""Command sheet: effects of all levers on one outcome."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from simulacra_crds.tasks import SheetRequest
from simulacra_trainer.commands.arguments import (
    Option,
    add_model,
    add_seed,
    checked,
    columns,
    print_progress,
)


def add_options(option: Option) -> None:
    """Add the options of sheet."""
    add_model(option)
    option(
        "--outcome",
        required=True,
        metavar="COL",
        help="numeric or boolean column; COL=LEVEL for the share of one level",
    )
    lists: dict[str, Any] = {"type": columns, "default": [], "metavar": "COL,..."}
    option("--levers", **lists, help="columns to compare; all that may be levers if not given")
    option("--before", **lists, help="columns that were already so before any lever")
    option("--after", **lists, help="columns that came after every lever; name the outcome too")
    option("--dont-know", **lists, help="columns to leave open, whatever the tiers say")
    option("--html", type=Path, metavar="FILE", help="write the appendix to this file")
    option("--xlsx", type=Path, metavar="FILE", help="write the workbook to this file")
    add_seed(option)


def sheet(args: argparse.Namespace) -> int:
    """Compare all levers of an outcome; print the answer sheet as JSON."""
    from simulacra_trainer.in_process import sheet as answer
    from simulacra_trainer.trained_model import load_model

    content = {
        "outcome": args.outcome,
        "levers": [{"column": name} for name in args.levers],
        "before": args.before,
        "after": args.after,
        "dont_know": args.dont_know,
    }
    request = checked(SheetRequest, content, "--outcome, --levers, --before, --after")
    made = answer(load_model(args.model), request, args.seed, print_progress)
    for path, kind in ((args.html, "html"), (args.xlsx, "xlsx")):
        if path is not None:
            path.write_bytes(made.files[kind])
    sys.stdout.write(made.result.model_dump_json(by_alias=True, exclude_none=True) + "\n")
    return 0
