"""Uploads: a small file in one request, a large one in pieces that survive interruptions."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Unpack

import httpx2

from simulacra import tables
from simulacra.core import (
    AWAY_SECONDS,
    IN_FLIGHT,
    RETRIED,
    LocalWork,
    Outcome,
    Patience,
    Pause,
    Request,
    Steps,
    is_away,
    may_pass,
    pause_after,
    response_of,
    send,
    send_once,
    status_of,
)
from simulacra.corrections import ABOUT, TYPES, Changes, Corrections
from simulacra.errors import ApiError
from simulacra.models import Json, Upload
from simulacra.operations.datasets import earlier_waves, with_background
from simulacra.operations.resources import key_header
from simulacra.operations.table_names import name_of, named
from simulacra.signatures import with_optional
from simulacra.upload_io import OnBytes, Piece, sha256_of

PIECE_BYTES = 16 << 20
"""Larger files are sent in pieces of this size, or of more if there would be too many."""
USUAL_PIECES = 5_000
"""Half of the service's limit, because the rest of an interrupted piece counts as one too."""
IN_FLIGHT_SECONDS = 3600.0
"""How long to wait while another request writes to the upload.

The service takes minutes to join the pieces of a very large file. A request of a service that
crashed counts as running for a minute."""
_RETRIED = RETRIED | {408}
"""The received part of a piece that timed out is kept."""
_UNKNOWN_FIELD = (
    "Unknown field.",
    "there is no field of this name here",  # 0.1.0, 0.2.0
    "Extra inputs are not permitted",  # of pydantic, before
)
"""How the releases begin to say that a request has no such field."""
_HELD_CODES = frozenset({IN_FLIGHT, "simio_upload_offset_mismatch"})


@with_optional(TYPES, "description", ABOUT, plain=True)
def upload(
    source: str | Path | tables.Frame,
    *,
    name: str | None = None,
    retention_seconds: int | None = None,
    family: str | None = None,
    knowledge: Json | None = None,
    background: str | None = None,
    weights: str | None = None,
    epsilon: float | None = None,
    delta: float | None = None,
    privacy: str | None = None,
    description: Json | None = None,
    earlier: Json | str | Path | None = None,
    hold: bool = False,
    keep_source: bool = False,
    fit: bool = True,
    key: str | None = None,
    on_bytes: OnBytes | None = None,
    **changes: Unpack[Changes],
) -> Steps[Upload]:
    """Upload a seed table: a file, or a pandas, polars or Arrow table.

    The same key twice is one upload. A file of more than 16 MiB is sent in pieces. An interrupted
    piece is continued: the client waits two minutes for a service that is away, and an hour while
    another request writes to the upload. After that, any process can continue within an hour, with
    the same key (the exception has a note with it), file and options. A service without uploads in
    pieces gets the file in one request.

    Args:
        source: path of a file (CSV, Parquet, Arrow, .xlsx, .sav), or an object with Arrow's
            `__arrow_c_stream__`.
        name: what to call the table, of at most 256 characters; the name of the file by default.
            It is stored with the description, encrypted, and erased with the dataset. A service
            that knows no descriptions gets the table without a name.
        retention_seconds: 24 hours by default, 7 days at most.
        family: forest, neural or auto.
        knowledge: causal knowledge: {"tiers": [[column]], "required": [{"source": column,
            "target": column}], "forbidden": [...]}.
        background: auto: columns that the service recognizes as background (age, sex, survey year)
            count as confirmed, so they come before all others. ask, the default: the model's graph
            only proposes them.
        weights: column of survey weights; the model represents the weighted population.
        epsilon: differential privacy of the model; not together with weights.
        delta: of epsilon; 1e-6 when absent.
        privacy: standard, or strict: rows are besides no nearer to the table than the DCR bar
            allows; not together with epsilon.
        description: what the columns are, as far as it is not to be detected (Data Package v2).
        earlier: summary of the waves before those of the table, or its file, as `summary` gave it;
            the report says what moved since.
        hold: stop after reading, with status held, until `refit` confirms the description. The
            upload is kept, encrypted, for one hour at most.
        keep_source: keep the table as it was read, encrypted, until the dataset expires, so that
            `refit` can change its description.
        fit: False for rows that are given, to be completed by a model of another dataset: they
            are kept, encrypted, as read, and no model is fit on them.
        key: Idempotency-Key; a new one when absent.
        on_bytes: called repeatedly with the bytes sent so far and their total.
    """
    corrections = Corrections(**changes)
    description = corrections.into(description)
    headers = key_header(key)
    file_name = name_of(source)
    says_only_the_name = description is None and bool(name or file_name)
    if description is not None or name or file_name:
        description = named(description, name, file_name, headers["Idempotency-Key"])
    options = {
        "retention_seconds": retention_seconds,
        "family": family,
        "knowledge": with_background(knowledge, background),
        "weights": weights,
        "epsilon": epsilon,
        "delta": delta,
        "privacy": privacy,
        "description": description,
        "earlier": earlier_waves(earlier),
        "hold": hold or None,
        "keep_source": keep_source or None,
        "fit": None if fit else False,
    }
    stated = {name: value for name, value in options.items() if value is not None}
    with corrections.named_in_errors(), ExitStack() as stack:
        path: Path = yield LocalWork(lambda: stack.enter_context(tables.as_file(source)))
        try:
            return (yield from _send(path, stated, headers, on_bytes))
        except ApiError as error:
            if not (says_only_the_name and _knows_no_description(error)):
                raise
        # An older service gets the table without its name.
        stated.pop("description")
        return (yield from _send(path, stated, headers, on_bytes))


def _send(
    path: Path, options: Json, headers: dict[str, str], on_bytes: OnBytes | None
) -> Steps[Upload]:
    """Send a file with its options: a large one in pieces, if the service takes them."""
    if path.stat().st_size > PIECE_BYTES:
        state = yield from _begin(path, options, headers)
        if state is not None:
            return (yield from _send_pieces(path, state, headers["Idempotency-Key"], on_bytes))
    form = {name: _text(value) for name, value in options.items()}
    request = Request(
        "POST", "/v1/datasets", form=form, file=path, headers=headers, on_bytes=on_bytes
    )
    return Upload((yield from send(request)).json())


def _knows_no_description(error: ApiError) -> bool:
    """Return whether a service has no field `description`, as opposed to refusing this one."""
    match error.errors:
        case [{"pointer": "/description", "detail": str(detail)}]:
            return error.status == 400 and detail.startswith(_UNKNOWN_FIELD)
    return False


def _text(value: Any) -> str:
    if isinstance(value, dict | bool):
        return json.dumps(value)
    return repr(value) if isinstance(value, float) else str(value)


def _begin(path: Path, options: Json, headers: dict[str, str]) -> Steps[Json | None]:
    """Return the state of a new or continued upload; None if the service has no such route."""
    digest: str = yield LocalWork(lambda: sha256_of(path))
    body = {**options, "bytes": path.stat().st_size, "sha256": digest}
    request = Request("POST", "/v1/uploads", json=body, headers=headers)
    try:
        return dict((yield from send(request)).json())
    except ApiError as error:
        if error.status in (404, 405):
            return None
        raise


def _send_pieces(path: Path, state: Json, key: str, on_bytes: OnBytes | None) -> Steps[Upload]:
    total = path.stat().st_size
    try:
        while not state["complete"]:
            if on_bytes:
                on_bytes(state["offset"], total)
            state = yield from _send_piece(state, path, total, on_bytes)
    except BaseException as error:
        if not isinstance(error, ApiError) or may_pass(error):
            how = f"upload the same with key={key!r} to continue"
            error.add_note(f"The received bytes are kept for an hour: {how}.")
        raise
    if on_bytes:
        on_bytes(total, total)
    kept = {name: state[name] for name in ("dataset_id", "job_id", "bytes", "sha256")}
    return Upload(kept | {"status": "queued"})


def _send_piece(state: Json, path: Path, total: int, on_bytes: OnBytes | None) -> Steps[Json]:
    """Send the next piece until some of it has arrived; return the state of the upload then.

    After a failure, read the state until no other request writes to the upload: that may be our
    own request whose connection broke. Then send the rest.

    Raises:
        ApiError, httpx2.TransportError: the failure, if another try is of no use.
    """
    url = f"/v1/uploads/{state['upload_id']}"
    size = max(PIECE_BYTES, -(-total // USUAL_PIECES))
    limits = {"held": IN_FLIGHT_SECONDS, "no progress": AWAY_SECONDS}
    patience = Patience()
    tries = 0
    began: int = state["offset"]

    def piece(offset: int) -> Request:
        body = Piece(path, offset, min(size, total - offset), total, on_bytes)
        headers = {"Content-Type": "application/octet-stream", "Upload-Offset": str(offset)}
        return Request("PATCH", url, headers=headers, piece=body)

    request = piece(began)
    while True:
        outcome = yield from send_once(request)
        succeeded = isinstance(outcome, httpx2.Response) and outcome.is_success
        if isinstance(outcome, httpx2.Response) and succeeded:
            state = dict(outcome.json())
            if state["complete"] or state["offset"] > began:
                return state
        obstacle = "held" if _is_held(outcome) else "no progress"
        may_wait = patience.left(obstacle, limits[obstacle]) >= 0
        tries += 1
        if succeeded and not (obstacle == "held" and may_wait):
            request = piece(state["offset"])
            continue
        if not may_wait or not (obstacle == "held" or _may_retry(outcome)):
            response_of(outcome)
        yield Pause(pause_after(outcome, tries - 1))
        request = Request("GET", url)


def _is_held(outcome: Outcome) -> bool:
    """Whether another request writes to the upload."""
    if not isinstance(outcome, httpx2.Response):
        return False
    if outcome.is_success:
        return "Retry-After" in outcome.headers
    return outcome.status_code == 409 and ApiError.from_response(outcome).code in _HELD_CODES


def _may_retry(outcome: Outcome) -> bool:
    if isinstance(outcome, httpx2.TransportError):
        return is_away(outcome)
    return status_of(outcome) in _RETRIED
