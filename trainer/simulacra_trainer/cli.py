"""Command line of the trainer: fit, generate, estimate and report locally; run is for pods.

Exit codes: 0 success, 2 wrong command line or request, 42 unusable data.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence

from simulacra_crds.reasons import Reason
from simulacra_crds.tasks import ExitCode
from simulacra_trainer.commands import boost, describe, estimate, fit, generate, report, sheet
from simulacra_trainer.commands.arguments import Option, UsageError, note
from simulacra_trainer.families.base import ModelFileError
from simulacra_trainer.kernel_cache import is_cold, link_shipped
from simulacra_intake.errors import InputError

BAD_REQUEST = 2
REQUEST_REASONS = (
    Reason.REQUEST_INVALID,
    Reason.CONDITIONS_INFEASIBLE,
    Reason.DESCRIPTION_MISMATCH,
)
COMPILED = (fit.fit, generate.generate, estimate.estimate, report.report)
"""Commands that run compiled code, or load it."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code."""
    args = _parser().parse_args(argv)
    if args.command in COMPILED and is_cold():
        note("compiling the engine for the first run, which takes up to half a minute")
    try:
        return int(args.command(args))
    except UsageError as error:
        sys.stderr.write(f"error: {error}\n")
        return BAD_REQUEST
    except ModelFileError as error:
        sys.stderr.write(f"error: --model: {error}\n")
        return BAD_REQUEST
    except InputError as error:
        for one in error.errors:
            sys.stderr.write(f"error: {one.pointer or '/'}: {one.detail}\n")
        if not error.errors:
            sys.stderr.write(f"error: {error.detail}\n")
        is_request = error.reason in REQUEST_REASONS
        return BAD_REQUEST if is_request else ExitCode.USER_ERROR


def run(_args: argparse.Namespace) -> int:
    """Run the task in the environment variable SIMULACRA_TASK, as the pod of a Job does."""
    link_shipped()  # before numba is imported
    from simulacra_custody.core_dumps import forbid_core_dumps
    from simulacra_trainer.tasks.entry import run_task

    forbid_core_dumps()
    return run_task()


def _no_options(_option: Option) -> None:
    """A command without options."""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m simulacra_trainer", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(
        command: Callable[[argparse.Namespace], int],
        add_options: Callable[[Option], None],
        summary: str,
    ) -> None:
        one = commands.add_parser(command.__name__, help=summary, description=command.__doc__)
        one.set_defaults(command=command)
        add_options(one.add_argument)

    add(fit.fit, fit.add_options, "fit a model to a table")
    add(describe.describe, describe.add_options, "print what each column of a table was read as")
    add(generate.generate, generate.add_options, "generate rows from a model")
    add(estimate.estimate, estimate.add_options, "estimate a causal effect")
    add(boost.boost, boost.add_options, "certify shares of answers in segments")
    add(sheet.sheet, sheet.add_options, "compare all levers of an outcome")
    add(report.report, report.add_options, "write the quality report of a model")
    add(run, _no_options, "run the task of a pod (SIMULACRA_TASK)")
    return parser
