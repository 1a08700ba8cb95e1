"""Datasets: uploaded tables, their schema, graph and knowledge."""

from __future__ import annotations

from itertools import repeat

from simulacra.core import Request, Steps, poll, send
from simulacra.errors import ApiError
from simulacra.models import Dataset, Document, Graph, Job, Json, Schema
from simulacra.operations.resources import delete_at, get_all, get_one


def datasets(**filters: str) -> Steps[list[Dataset]]:
    """List the tenant's datasets, newest first. Filters: status."""
    return get_all("/v1/datasets", filters, Dataset)


def dataset(dataset_id: str) -> Steps[Dataset]:
    """Return one dataset: status, rows, columns, expiry."""
    return get_one(f"/v1/datasets/{dataset_id}", Dataset)


def schema(dataset_id: str) -> Steps[Schema]:
    """Return the cleaned schema. Conditions are written against it."""
    return get_one(f"/v1/datasets/{dataset_id}/schema", Schema)


def graph(dataset_id: str) -> Steps[Graph]:
    """Return the learned causal graph of the dataset's model."""
    return get_one(f"/v1/datasets/{dataset_id}/graph", Graph)


def knowledge(dataset_id: str) -> Steps[Document]:
    """Return the causal knowledge given for the dataset: tiers, required and forbidden edges."""
    return get_one(f"/v1/datasets/{dataset_id}/knowledge", Document)


def refit(dataset_id: str, knowledge: Json, *, timeout: float = 120.0) -> Steps[Job]:
    """Fit the model again with this causal knowledge (as in `upload`); return the job to wait for.

    The previous model is erased with everything that was generated and estimated from it. The same
    knowledge changes nothing.
    """
    request = Request("PUT", f"/v1/datasets/{dataset_id}/knowledge", json=knowledge)

    def put(left: float) -> Steps[Job | None]:
        try:
            return Job((yield from send(request)).json())
        except ApiError as error:
            if error.code != "simio_model_in_flight" or left <= 0:
                raise
            return None

    return poll(put, timeout, repeat(1.0))


def extend(dataset_id: str, retention_seconds: int) -> Steps[Dataset]:
    """Set the retention of a dataset and its model, counted from creation."""
    body = {"retention_seconds": retention_seconds}
    return Dataset(
        (yield from send(Request("PATCH", f"/v1/datasets/{dataset_id}", json=body))).json()
    )


def delete_dataset(dataset_id: str, *, timeout: float = 120.0) -> Steps[None]:
    """Delete a dataset with its model and generations, and wait until all is erased."""
    return delete_at(f"/v1/datasets/{dataset_id}", timeout)
