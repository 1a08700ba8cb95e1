"""The entry point of a completion."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from simulacra_schema.completion import CompletionReport, GivenOptions
from simulacra_trainer.completion.given_rows import GivenRows
from simulacra_trainer.families.base import Progress, no_progress
from simulacra_trainer.trained_model import TrainedModel


@dataclass(frozen=True)
class Completion:
    """Filled cells, and the report on them.

    Attributes:
        filled: a row for each given row with a gap and each implicate: `row` (int64, from 0, in
            the order of the given rows), `implicate` (int32, from 1), then the filled columns in
            the types of the donors' upload. A cell is null where the given row has no gap, or
            where it was left empty.
        report: what was filled, its worth and its checks (artifact completion.json).
    """

    filled: pa.Table
    report: CompletionReport


def complete(
    trained: TrainedModel,
    given: GivenRows | None,
    options: GivenOptions | None = None,
    *,
    seed: int = 0,
    progress: Progress = no_progress,
) -> Completion:
    """Fill the gaps of given rows; the same model, rows, options and seed give the same cells.

    Args:
        trained: the model, whose table has the donors.
        given: rows from `read_given`; None for the gaps of the donors' own table.
        options: columns, implicates and what counts as a gap.
        seed: of the halves and draws.
        progress: called with the share done.

    Raises:
        InputError: the model or the rows cannot be completed; all faults at once, in `errors`,
            with pointers from /given on.
    """
    raise NotImplementedError
