"""Whole jobs in one call: upload and fit, generate and download, estimate; each waits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from simulacra import tables
from simulacra.core import Steps
from simulacra.corrections import TYPES, Corrections
from simulacra.effect import Effect
from simulacra.errors import ApiError
from simulacra.models import Dataset, Job
from simulacra.operations.datasets import dataset, delete_dataset, describe, schema
from simulacra.operations.generations import generate, generation, table
from simulacra.operations.jobs import wait
from simulacra.operations.questions import ask_sheet, effect, estimate, sheet
from simulacra.operations.table_names import has_no_description, stated_name
from simulacra.operations.uploads import upload
from simulacra.quota_cells import quotas_of
from simulacra.rows import Rows, conditions_of
from simulacra.sheet import Sheet

OnProgress = Callable[[Job], None]
Named = tuple[Dataset, str | None]
"""A dataset and the name of its table, None if nobody named it."""


def fit(
    source: str | Path | tables.Frame, *, on_progress: OnProgress | None = None, **options: Any
) -> Steps[Named]:
    """Upload a table, wait until its model is fit, and return the dataset and its name.

    Raises:
        JobFailed: the table cannot be used; the message says why, and names the argument of
            `upload` at fault.
    """
    stated = {name: options.pop(name) for name in TYPES if name in options}
    corrections = Corrections(**stated)
    options["description"] = corrections.into(options.get("description"))
    with corrections.named_in_errors():
        made = yield from upload(source, **options)
        yield from wait(made.job_id, on_progress=on_progress)
    return (yield from named_dataset(made.dataset_id))


def named_dataset(dataset_id: str) -> Steps[Named]:
    """Return a dataset and the name of its table."""
    found = yield from dataset(dataset_id)
    try:
        return found, stated_name((yield from describe(dataset_id)))
    except ApiError as error:
        if not has_no_description(error):
            raise
        return found, None


def generate_rows(
    dataset_id: str,
    /,
    row_count: int | None = None,
    *,
    shares: Any = None,
    ranges: Any = None,
    quotas: Any = None,
    conditions: Any = None,
    **options: Any,
) -> Steps[Rows]:
    """Generate rows, wait, and return them.

    `shares`, `ranges` and `quotas` are those of `simulacra.Model.generate`; `conditions` and the
    `options` (persons instead of row_count, do, interventions, counterfactual, evidence, seed and
    key) those of `Client.generate`.
    """
    cells = None
    if quotas is not None:
        cells = quotas_of(quotas, (yield from schema(dataset_id)), rows=row_count)
    wanted = conditions_of(conditions, shares, ranges, cells)
    started = yield from generate(dataset_id, row_count, conditions=wanted, **options)
    yield from wait(started.job_id)
    made = yield from generation(started.generation_id)
    return Rows(
        (yield from table(started.generation_id)),
        evidence=made.evidence,
        verdicts=made.get("verdicts", ()),
        attainment=made.attainment,
        identification=made.identification,
        generation_id=started.generation_id,
    )


def answer_effect(dataset_id: str, /, **question: Any) -> Steps[Effect]:
    """Estimate an effect, wait, and return it; the question is that of `Client.estimate`."""
    started = yield from estimate(dataset_id, **question)
    yield from wait(started.job_id)
    return (yield from effect(started.effect_id))


def answer_sheet(dataset_id: str, /, **question: Any) -> Steps[Sheet]:
    """Compare all levers of an outcome, wait, and return the answer sheet.

    The question is that of `Client.ask_sheet`.
    """
    started = yield from ask_sheet(dataset_id, **question)
    yield from wait(started.job_id)
    return (yield from sheet(started.sheet_id))


def delete(dataset_id: str) -> Steps[None]:
    """Erase the dataset, its model and all that was made from it; wait until it is gone."""
    return delete_dataset(dataset_id)
