"""Command fit: a model of a table."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from pydantic import ValidationError

from simulacra_crds.tasks import FitRequest
from simulacra_schema.questions.fit import DifferentialPrivacy, Knowledge, PrivacyLevel
from simulacra_trainer.commands.arguments import (
    Option,
    UsageError,
    add_seed,
    description_file,
    load,
    print_progress,
    whole_number,
)


def add_options(option: Option) -> None:
    """Add the options of fit."""
    option(
        "--data",
        type=Path,
        required=True,
        help="table (CSV, Parquet, Arrow, .xlsx, .sav), cleaned in the same way as an upload",
    )
    option("--out", type=Path, required=True, help="model directory to write")
    add_seed(option)
    option("--knowledge", type=Path, help="JSON file: tiers, required and forbidden edges")
    option("--weights", metavar="COL", help="column of survey weights; not generated")
    option("--describe", type=Path, help="JSON file: description of the table (Data Package)")
    option(
        "--epsilon",
        type=float,
        help="fit with differential privacy, on noisy marginals (0.01 to 100)",
    )
    option("--delta", type=float, default=1e-6, help="delta for --epsilon (default 1e-6)")
    option(
        "--privacy",
        choices=["standard", "strict"],
        default="standard",
        help="strict: small tables must meet the bar of the DCR share as well (default standard)",
    )
    option(
        "--family",
        choices=["auto", "forest", "neural"],
        default="auto",
        help="model family; auto takes neural with GPUs and forest without (default auto)",
    )
    option("--gpus", type=whole_number(0, 64), default=0, help="GPUs to fit on (default 0)")


def fit(args: argparse.Namespace) -> int:
    """Clean a table and fit a model; a neural fit that was interrupted resumes."""
    from simulacra_trainer.in_process import fit_table
    from simulacra_trainer.private_files import PrivatePath
    from simulacra_trainer.trained_model import save_model

    if not args.data.is_file():
        raise UsageError(f"--data: {args.data} is not a file")
    description = description_file(args.describe)
    request = FitRequest(
        family=args.family,
        knowledge=load(Knowledge, args.knowledge, "--knowledge"),
        privacy=None if args.epsilon is None else _privacy(args.epsilon, args.delta),
        privacy_level=_privacy_level(args),
        seed=args.seed,
        gpu=args.gpus,
    )
    checkpoints = PrivatePath(args.out) / "checkpoints"
    trained = fit_table(
        args.data, request, description, args.weights, checkpoints=checkpoints, sink=print_progress
    )
    save_model(trained, args.out)
    shutil.rmtree(checkpoints, ignore_errors=True)
    return 0


def _privacy(epsilon: float, delta: float) -> DifferentialPrivacy:
    try:
        return DifferentialPrivacy(epsilon=epsilon, delta=delta)
    except ValidationError as error:
        faults = (f"--{fault['loc'][0]}: {fault['msg']}" for fault in error.errors())
        raise UsageError("; ".join(faults)) from None


def _privacy_level(args: argparse.Namespace) -> PrivacyLevel:
    level: PrivacyLevel = args.privacy
    if level == "strict" and args.epsilon is not None:
        raise UsageError("--privacy: strict cannot be combined with --epsilon. Set either of them.")
    if level == "strict" and (args.family == "neural" or (args.family == "auto" and args.gpus)):
        raise UsageError("--privacy: strict needs --family forest; the other family is not tuned.")
    return level
