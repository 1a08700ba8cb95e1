"""Whole jobs in one call: upload and fit, generate and download, estimate; each waits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from simulacra import tables
from simulacra.core import Steps
from simulacra.corrections import Corrections
from simulacra.effect import Effect
from simulacra.errors import ApiError
from simulacra.models import Dataset, Job
from simulacra.operations.datasets import dataset, describe
from simulacra.operations.effects import effect, estimate
from simulacra.operations.generations import generate, generation, table
from simulacra.operations.jobs import wait
from simulacra.operations.table_names import has_no_description, stated_name
from simulacra.operations.uploads import upload
from simulacra.rows import Rows, conditions_of

OnProgress = Callable[[Job], None]
Named = tuple[Dataset, str | None]
"""A dataset and the name of its table, None if nobody named it."""
CORRECTIONS = ("subject", "key_column", "order", "drop", "missing", "publish")


def fit(
    source: str | Path | tables.Frame, *, on_progress: OnProgress | None = None, **options: Any
) -> Steps[Named]:
    """Upload a table, wait until its model is fit, and return the dataset and its name.

    Raises:
        JobFailed: the table cannot be used; the message says why, and names the argument of
            `upload` at fault.
    """
    stated = {name: options.pop(name) for name in CORRECTIONS if name in options}
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
    row_count: int | None,
    *,
    shares: Any = None,
    ranges: Any = None,
    conditions: Any = None,
    **options: Any,
) -> Steps[Rows]:
    """Generate rows, wait for them, download them and return them."""
    wanted = conditions_of(conditions, shares, ranges)
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


def answer(dataset_id: str, **question: Any) -> Steps[Effect]:
    """Estimate an effect, wait for it and return it."""
    started = yield from estimate(dataset_id, **question)
    yield from wait(started.job_id)
    return (yield from effect(started.effect_id))
