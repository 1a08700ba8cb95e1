"""Datasets: the seed table that is uploaded, and what is known of it."""

from __future__ import annotations

import json
import time
from pathlib import Path

from simulacra import tables
from simulacra.documents import Dataset, Document, Graph, Job, Json, Schema, Upload
from simulacra.errors import ApiError
from simulacra.operations.common import delete_at, get_one, new_key, pages
from simulacra.protocol import Ask, Pause, Steps, ask


def upload(
    source: str | Path | tables.Frame,
    *,
    retention_seconds: int | None = None,
    family: str | None = None,
    knowledge: Json | None = None,
    weights: str | None = None,
    epsilon: float | None = None,
    delta: float | None = None,
    key: str | None = None,
) -> Steps[Upload]:
    """Upload a seed table: a file, or a pandas, polars or Arrow table. The same key twice is one upload.

    An upload whose connection breaks is sent again under its key; give the key of an interrupted process to go on.

    Args:
        source: path of a file (CSV, Parquet, Arrow, .xlsx, .sav), or anything with Arrow's `__arrow_c_stream__`.
        retention_seconds: 24 hours by default, 7 days at most.
        family: forest, neural or auto.
        knowledge: what is known of causes: {"tiers": [[column]], "required": [{"source": column, "target": column}],
            "forbidden": [...]}.
        weights: name of the column of survey weights; the model stands for the weighted population.
        epsilon: differential privacy of the model; not together with weights.
        delta: of epsilon; 1e-6 when absent.
        key: Idempotency-Key; a new one when absent.
    """
    form = {} if retention_seconds is None else {"retention_seconds": str(retention_seconds)}
    form |= {} if family is None else {"family": family}
    form |= {} if knowledge is None else {"knowledge": json.dumps(knowledge)}
    form |= {} if weights is None else {"weights": weights}
    form |= {} if epsilon is None else {"epsilon": repr(epsilon)}
    form |= {} if delta is None else {"delta": repr(delta)}
    with tables.as_file(source) as path:
        return Upload((yield from ask(Ask("POST", "/v1/datasets", form=form, file=path, headers=new_key(key)))).json())


def datasets(**filters: str) -> Steps[list[Dataset]]:
    """List the tenant's datasets, newest first. Filters: status."""
    return pages("/v1/datasets", filters, Dataset)


def dataset(dataset_id: str) -> Steps[Dataset]:
    """Return one dataset: status, rows, columns, expiry."""
    return get_one(f"/v1/datasets/{dataset_id}", Dataset)


def schema(dataset_id: str) -> Steps[Schema]:
    """Return the cleaned schema: what conditions are written against."""
    return get_one(f"/v1/datasets/{dataset_id}/schema", Schema)


def graph(dataset_id: str) -> Steps[Graph]:
    """Return the learned causal graph of the dataset's model."""
    return get_one(f"/v1/datasets/{dataset_id}/graph", Graph)


def knowledge(dataset_id: str) -> Steps[Document]:
    """Return what the dataset's model was told of causes: tiers, required and forbidden edges."""
    return get_one(f"/v1/datasets/{dataset_id}/knowledge", Document)


def refit(dataset_id: str, knowledge: Json, *, timeout: float = 120.0) -> Steps[Job]:
    """State what is known of causes (as in `upload`) and fit the model anew; returns the job to wait for.

    The model before is erased with all that was generated and estimated from it. The same knowledge changes nothing.
    """
    deadline = time.monotonic() + timeout
    while True:
        try:
            return Job((yield from ask(Ask("PUT", f"/v1/datasets/{dataset_id}/knowledge", json=knowledge))).json())
        except ApiError as error:
            if error.code != "simio_model_in_flight" or time.monotonic() > deadline:
                raise
        yield Pause(1.0)


def extend(dataset_id: str, retention_seconds: int) -> Steps[Dataset]:
    """Set the retention of a dataset and its model, counted from creation."""
    body = {"retention_seconds": retention_seconds}
    return Dataset((yield from ask(Ask("PATCH", f"/v1/datasets/{dataset_id}", json=body))).json())


def delete_dataset(dataset_id: str, *, timeout: float = 120.0) -> Steps[None]:
    """Delete a dataset with its model and generations, and wait until it is gone."""
    return delete_at(f"/v1/datasets/{dataset_id}", timeout)
