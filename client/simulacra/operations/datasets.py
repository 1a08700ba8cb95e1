"""Datasets: seed tables that were uploaded, and what is known of them."""

from __future__ import annotations

import time

from simulacra.core import Ask, Pause, Steps, ask
from simulacra.errors import ApiError
from simulacra.models import Dataset, Document, Graph, Job, Json, Schema
from simulacra.operations.common import delete_at, get_one, pages


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
            return Job(
                (
                    yield from ask(
                        Ask("PUT", f"/v1/datasets/{dataset_id}/knowledge", json=knowledge)
                    )
                ).json()
            )
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
