"""Completions: upload the given rows, fill in their gaps, download and join."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal

from simulacra import tables
from simulacra.completion import Completed, Shape, as_it_is, read_rows, shape_of
from simulacra.core import LocalWork, Steps
from simulacra.models import Generation, Json, Upload
from simulacra.operations.datasets import dataset
from simulacra.operations.generations import generation, table
from simulacra.operations.jobs import wait
from simulacra.operations.resources import given, key_header, start
from simulacra.operations.uploads import upload
from simulacra.pair_lines import Pairs, stated_pairs
from simulacra.upload_io import sha256_of


def start_completion(
    dataset_id: str,
    given_id: str | None = None,
    *,
    columns: list[str] | None = None,
    implicates: int = 10,
    fill_codes: bool = False,
    unknown: Literal["refuse", "missing"] = "refuse",
    pairs: Pairs | None = None,
    independent: Pairs | None = None,
    sign: Pairs | None = None,
    impossible: Pairs | None = None,
    seed: int | None = None,
    retention_seconds: int | None = None,
    key: str | None = None,
) -> Steps[Generation]:
    """Start to fill in the gaps of rows that were uploaded; return `generation_id` and `job_id`.

    Args:
        dataset_id: whose model fills.
        given_id: dataset of the rows, from `upload(..., fit=False)`; the rows of `dataset_id`
            itself when absent.
        columns: to fill; all that can be filled when absent.
        implicates: how often each gap is filled, 2 to 50.
        fill_codes: special codes, such as -9 for refused, are gaps, too.
        unknown: levels that the model does not know: refuse the rows, or take them as missing.
        pairs: of a column that only the rows have and one of the model, "x*y", of which bounds
            are wanted. A pair, here and below, may be a mapping, too, as the service has it.
        independent: pairs that nothing but the common columns connects, as you state.
        sign: "x*y:positive" or "x=Yes*y=No:negative": what you know of their dependence.
        impossible: "x=Yes*y=No": answers that never meet.
        seed: of the draws; drawn when absent.
        retention_seconds: of the completion; 24 hours by default, 7 days at most.
        key: Idempotency-Key; a new one when absent.
    """
    asked = given(dataset_id=given_id, columns=columns, fill_codes=fill_codes)
    asked |= {"implicates": implicates, "unknown": unknown}
    asked |= stated_pairs(pairs, independent, sign, impossible)
    body = {"given": asked, **given(seed=seed, retention_seconds=retention_seconds)}
    return (yield from start(Generation, dataset_id, body, key))


def complete(
    dataset_id: str,
    source: str | Path | tables.Frame,
    *,
    columns: list[str] | None = None,
    implicates: int = 10,
    fill_codes: bool = False,
    unknown: Literal["refuse", "missing"] = "refuse",
    pairs: Pairs | None = None,
    independent: Pairs | None = None,
    sign: Pairs | None = None,
    impossible: Pairs | None = None,
    seed: int | None = None,
    retention_seconds: int | None = None,
    key: str | None = None,
) -> Steps[Completed]:
    """Fill in the gaps of given rows m times, wait, and return the completed tables.

    The rows are `source`, the path of a file (CSV, Parquet, Arrow, .xlsx, .sav), or a pandas,
    polars or Arrow table. They are uploaded first, for `retention_seconds` as well, unless they
    are the very file that the dataset was uploaded from. The service returns filled cells only;
    they are joined here. All else is as for `start_completion`; `Completed.pairs` has what may be
    said of the pairs.

    Raises:
        ValueError: the rows cannot be read here, or the service read others.
        JobFailed: the rows cannot be completed; the message says why.
    """
    key = key_header(key)["Idempotency-Key"]
    stated = stated_pairs(pairs, independent, sign, impossible)
    with ExitStack() as stack:
        path: Path = yield LocalWork(lambda: stack.enter_context(tables.as_file(source)))
        rows: Any = yield LocalWork(lambda: read_rows(path))
        options: Json = {"retention_seconds": retention_seconds, "key": key}
        sent = yield from send_given(dataset_id, path, rows.num_rows, **options)
    if sent is not None:
        yield from wait(sent.job_id)
    started = yield from start_completion(
        dataset_id,
        None if sent is None else sent.dataset_id,
        columns=columns,
        implicates=implicates,
        fill_codes=fill_codes,
        unknown=unknown,
        **stated,
        seed=seed,
        retention_seconds=retention_seconds,
        key=key,
    )
    yield from wait(started.job_id)
    return (yield from completed(started.generation_id, rows, shape=shape_of(source)))


def send_given(
    dataset_id: str,
    path: Path,
    rows: int,
    *,
    retention_seconds: int | None = None,
    key: str | None = None,
) -> Steps[Upload | None]:
    """Upload a file of rows that a dataset's model is to complete, without a model of their own.

    None: it is the file that the dataset was uploaded from, so it is there already.

    Args:
        dataset_id: whose model completes.
        path: of the file.
        rows: how many it has; a dataset of fewer was cleaned, and its places would be others.
        retention_seconds: of the rows.
        key: Idempotency-Key of the completion; that of the upload is made from it.
    """
    digest: str = yield LocalWork(lambda: sha256_of(path))
    donors = yield from dataset(dataset_id)
    if (donors.get("sha256"), donors.get("rows")) == (digest, rows):
        return None
    own_key = f"{key_header(key)['Idempotency-Key'][:240]}-given"
    options = given(retention_seconds=retention_seconds)
    return (yield from upload(path, fit=False, key=own_key, **options))


def completed(generation_id: str, rows: Any, *, shape: Shape = as_it_is) -> Steps[Completed]:
    """Return a completion that has ended, joined to its rows (a `pyarrow.Table`)."""
    made = yield from generation(generation_id)
    if made.get("completion") is None:
        raise ValueError(f"{generation_id} is {made.status} and no completion that has ended.")
    filled = yield from table(generation_id)
    return Completed(
        rows,
        filled,
        made["completion"],
        generation_id=generation_id,
        given_id=made["given"].get("dataset_id") or made.dataset_id,
        shape=shape,
    )
