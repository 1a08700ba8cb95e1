"""Command estimate: an average causal effect."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from simulacra_crds.tasks import EstimateRequest
from simulacra_schema.table import TableSchema
from simulacra_trainer.commands.arguments import Option, UsageError, add_model, add_seed, columns


def add_options(option: Option) -> None:
    """Add the options of estimate."""
    add_model(option)
    option("--treatment", required=True, metavar="COL=V", help="cause and the value to set it to")
    option("--baseline", required=True, metavar="COL=V", help="same column, value to compare with")
    option(
        "--outcome",
        required=True,
        metavar="COL",
        help="numeric or boolean column; COL=LEVEL for the share of one level",
    )
    option("--segment", metavar="COL", help="report the effect for each level of this column too")
    lists: dict[str, Any] = {"type": columns, "default": [], "metavar": "COL,..."}
    option("--before", **lists, help="columns that were already so before the treatment")
    option("--after", **lists, help="columns that came after it; name the outcome here too")
    option("--dont-know", **lists, help="columns to leave open, whatever the tiers say")
    option(
        "--population",
        choices=("all", "treated", "overlap"),
        default="all",
        help="whose effect: of all, of those who have the value, or of those who could have either",
    )
    option(
        "--negative-controls",
        **lists,
        help="columns that the treatment cannot change, such as the outcome asked earlier",
    )
    add_seed(option)


def estimate(args: argparse.Namespace) -> int:
    """Estimate an average causal effect; print it as JSON."""
    from simulacra_trainer.effects.estimate import answer_effect
    from simulacra_trainer.trained_model import load_model

    trained = load_model(args.model)
    treatment, value = _assignment(args.treatment, "--treatment", trained.schema)
    column, baseline = _assignment(args.baseline, "--baseline", trained.schema)
    if column != treatment:
        raise UsageError("--baseline must name the same column as --treatment")
    request = EstimateRequest(
        treatment=treatment,
        value=value,
        baseline=baseline,
        outcome=args.outcome,
        segment=args.segment,
        before=args.before,
        after=args.after,
        dont_know=args.dont_know,
        population=args.population,
        negative_controls=args.negative_controls,
    )
    result = answer_effect(trained.table, trained.schema, trained.graph, request, seed=args.seed)
    sys.stdout.write(result.to_json() + "\n")
    return 0


def _assignment(text: str, option: str, schema: TableSchema) -> tuple[str, float | str]:
    name, equals, value = text.rpartition("=")
    column = schema.find(name)
    if not equals or column is None:
        raise UsageError(f"{option} must look like COL=V, with a column of the model's schema")
    if not column.is_numeric:
        return name, value
    try:
        return name, float(value)
    except ValueError:
        raise UsageError(f"{option}: the column is numeric; write a number after =") from None
