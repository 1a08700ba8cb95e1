"""Datasets: uploaded tables, their schema, graph and knowledge."""

from __future__ import annotations

import json
from itertools import repeat
from pathlib import Path

from simulacra.core import Request, Steps, poll, send
from simulacra.errors import ApiError
from simulacra.models import Dataset, Description, Document, Graph, Job, Json, Schema
from simulacra.operations.resources import delete_at, get_all, get_one, report


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


def summary(dataset_id: str) -> Steps[Document]:
    """Return the signed summary of the dataset's waves, without rows; for the next `upload`.

    Keep it: the service erases its own with the dataset. The certificate says when it was read.
    """
    return get_one(f"/v1/datasets/{dataset_id}/summary", Document)


def knowledge(dataset_id: str) -> Steps[Document]:
    """Return the causal knowledge given for the dataset: tiers, required and forbidden edges."""
    return get_one(f"/v1/datasets/{dataset_id}/knowledge", Document)


def usual_order(dataset_id: str) -> Steps[Document]:
    """Return the usual order of the columns by words and waves, which nobody has confirmed.

    Fields: `blocks`, to be given to `estimate` or `ask_sheet` if that is the order, or to `refit`
    as tiers; `reasons`; `unplaced` columns; `question`, to ask the person who knows.
    """
    return get_one(f"/v1/datasets/{dataset_id}/usual-order", Document)


def with_background(knowledge: Json | None, background: str | None) -> Json | None:
    """Return the knowledge with what becomes of proposed background: ask or auto, if given."""
    return knowledge if background is None else {**(knowledge or {}), "background": background}


def earlier_waves(earlier: Json | str | Path | None) -> Json | None:
    """Return the summary of earlier waves, given as such or by its file.

    Raises:
        ValueError: the file is no JSON object.
    """
    if not isinstance(earlier, str | Path):
        return earlier
    try:
        found = json.loads(Path(earlier).read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or "summary" not in found:
        raise ValueError(f"{earlier}: no wave summary. Name a file of `simulacra summary`.")
    return found


def kept_options(
    dataset_id: str, earlier: Json | str | Path | None = None, said: str = "earlier"
) -> Steps[Json]:
    """Return what `upload` is to keep of a dataset whose table is uploaded again.

    That is its knowledge and retention, whether its source is kept, and how its model was fit:
    family, differential privacy, and whether strictly.

    Args:
        dataset_id: the dataset.
        earlier: summary of earlier waves, handed back; or its file.
        said: what an error calls it.

    Raises:
        ValueError: there is such a summary, and it is not handed back.
    """
    told = yield from _report(dataset_id)
    if earlier is None and (carried := (told.get("waves") or {}).get("carried")):
        waves = f"{carried[0]} to {carried[-1]}" if len(carried) > 1 else carried[0]
        raise ValueError(
            f"The table was compared with a summary of earlier waves ({waves}), which is not kept "
            f"for another upload; add {said}. Without it, upload the table as a new one."
        )
    present = yield from dataset(dataset_id)
    try:
        known: Json | None = yield from knowledge(dataset_id)
    except ApiError as error:
        if error.code != "simio_dataset_failed":  # it has no model
            raise
        known = None
    kept = {"retention_seconds": present.retention_seconds, "knowledge": known, "earlier": earlier}
    return {**kept, "keep_source": bool(present.get("source_kept")), **_fit_of(told)}


def _report(dataset_id: str) -> Steps[Json]:
    """Return the report of a dataset's model; empty where there is none."""
    try:
        return dict((yield from report(dataset_id)))
    except ApiError as error:
        if error.status >= 500:
            raise
        return {}


def _fit_of(told: Json) -> Json:
    """Return how `upload` fits a model like that of a report; nothing without a model."""
    private = told.get("differential_privacy")
    if private:
        fit = {name: private[name] for name in ("epsilon", "delta")}
    else:
        fit = {"privacy": (told.get("privacy") or {}).get("level")}
    return fit | {"family": (told.get("made") or {}).get("family")}


def describe(dataset_id: str) -> Steps[Description]:
    """Return what was read as what, completed. Change it and pass it to `refit`."""
    response = yield from send(Request("GET", f"/v1/datasets/{dataset_id}/description"))
    found = Description(response.json())
    found.etag = response.headers.get("etag")
    return found


def refit(
    dataset_id: str,
    knowledge: Json | None = None,
    *,
    background: str | None = None,
    description: Json | None = None,
    timeout: float = 120.0,
) -> Steps[Job]:
    """Fit the model again, with other causal knowledge or another description; return the job.

    The previous model is erased with everything that was generated and estimated from it. The same
    knowledge or description changes nothing; the same description confirms a held dataset.

    Args:
        dataset_id: the dataset.
        knowledge: as in `upload`.
        background: as in `upload`; without knowledge, that of the dataset is kept.
        description: as in `upload`, or changed from `describe`. The table is read again, which
            needs its source: the dataset must be held, or have been uploaded with keep_source.
        timeout: seconds to wait for the erasure of the previous model.

    Raises:
        ValueError: neither or both of knowledge and description are given.
    """
    if (knowledge is None and background is None) == (description is None):
        raise ValueError("Give either knowledge or a description.")
    return _refit(dataset_id, knowledge, background, description, timeout)


def _refit(
    dataset_id: str,
    stated: Json | None,
    background: str | None,
    description: Json | None,
    timeout: float,
) -> Steps[Job]:
    if stated is None and background is not None:
        stated = yield from knowledge(dataset_id)
    stated = with_background(stated, background)
    part = "knowledge" if description is None else "description"
    etag = getattr(description, "etag", None) if description is not None else None
    request = Request(
        "PUT",
        f"/v1/datasets/{dataset_id}/{part}",
        json=stated if description is None else description,
        headers={"If-Match": etag} if etag else {},
    )

    def put(left: float) -> Steps[Job | None]:
        try:
            return Job((yield from send(request)).json())
        except ApiError as error:
            if error.code != "simio_model_in_flight" or left <= 0:
                raise
            return None

    return (yield from poll(put, timeout, repeat(1.0)))


def extend(dataset_id: str, retention_seconds: int) -> Steps[Dataset]:
    """Set the retention of a dataset and its model, counted from creation."""
    body = {"retention_seconds": retention_seconds}
    return Dataset(
        (yield from send(Request("PATCH", f"/v1/datasets/{dataset_id}", json=body))).json()
    )


def delete_dataset(dataset_id: str, *, timeout: float = 120.0) -> Steps[None]:
    """Delete a dataset with its model and generations, and wait until all is erased."""
    return delete_at(f"/v1/datasets/{dataset_id}", timeout)
