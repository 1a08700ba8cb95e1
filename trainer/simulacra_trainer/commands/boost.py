"""Command boost: certified shares of answers in segments."""

from __future__ import annotations

import argparse
import sys

from simulacra_crds.tasks import BoostRequest
from simulacra_trainer.commands.arguments import Option, add_model, checked, columns


def add_options(option: Option) -> None:
    """Add the options of boost."""
    add_model(option)
    option(
        "--segment",
        type=columns,
        required=True,
        metavar="COL=LEVEL,...",
        help="one or two columns; a column without a level stands for each of its levels",
    )
    option(
        "--questions",
        type=columns,
        required=True,
        metavar="COL,...",
        help="columns with the answers",
    )


def boost(args: argparse.Namespace) -> int:
    """Certify shares of answers in segments; print them as JSON."""
    from simulacra_trainer.segments.estimate import certify_segments
    from simulacra_trainer.trained_model import load_model

    segment: dict[str, list[str]] = {}
    for part in args.segment:
        name, _, level = part.partition("=")
        segment.setdefault(name, []).extend([level] if level else [])
    asked = [{"column": name, "levels": levels} for name, levels in segment.items()]
    content = {"segment": asked, "questions": args.questions}
    request = checked(BoostRequest, content, "--segment, --questions")
    result = certify_segments(load_model(args.model), request)
    sys.stdout.write(result.model_dump_json(by_alias=True, exclude_none=True) + "\n")
    return 0
