"""Command report: the quality report of a model."""

from __future__ import annotations

import argparse

from simulacra_trainer.commands.arguments import Option, add_model, report_file, write_report


def add_options(option: Option) -> None:
    """Add the options of report."""
    add_model(option)
    option("--out", type=report_file, required=True, help="file to write: .html or .json")


def report(args: argparse.Namespace) -> int:
    """Write the quality report of a model: a web page (.html) or JSON (.json)."""
    from simulacra_trainer.trained_model import load_model

    write_report(load_model(args.model).report, args.out)
    return 0
