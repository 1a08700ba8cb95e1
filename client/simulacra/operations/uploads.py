"""Uploads: a small file in one request, a large one in pieces, which is gone on with where it broke off."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from time import monotonic
from typing import Any

import httpx2

from simulacra import tables
from simulacra.documents import Json, Upload
from simulacra.errors import ApiError
from simulacra.operations.common import new_key
from simulacra.protocol import (
    AWAY_SECONDS,
    IN_FLIGHT,
    RETRIED,
    Ask,
    Local,
    Pause,
    Steps,
    Tried,
    answered,
    ask,
    is_away,
    may_pass,
    pause_before,
    tried,
)
from simulacra.sending import OnBytes, Piece, sha256_of

PIECE_BYTES = 16 << 20
"""Files above this are sent in pieces of this size, larger ones where there would be too many."""
USUAL_PIECES = 5_000
"""Half of what the service takes: what breaks off is a piece too."""
IN_FLIGHT_SECONDS = 3600.0
"""How long it waits for who is at work on the upload. A service that crashed counts as that for a minute; one that
joins the pieces of a very large file is at it for some."""
_RETRIED = RETRIED | {408}
"""A piece that stopped arriving is kept as far as it came."""
_PASSING = frozenset({IN_FLIGHT, "simio_upload_offset_mismatch"})


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
    on_bytes: OnBytes | None = None,
) -> Steps[Upload]:
    """Upload a seed table: a file, or a pandas, polars or Arrow table. The same key twice is one upload.

    What is larger than 16 MiB goes in pieces. A piece that breaks off is gone on with: a service that is away is waited
    for for two minutes, another request that is at work on the upload for an hour. After that it is gone on with by any
    process that gives the same key (the exception's note has it), file and options within an hour. A service that knows
    no pieces gets the file in one request.

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
        on_bytes: told the bytes that were sent so far and their total, again and again.
    """
    said: Json = {
        "retention_seconds": retention_seconds,
        "family": family,
        "knowledge": knowledge,
        "weights": weights,
        "epsilon": epsilon,
        "delta": delta,
    }
    said = {name: value for name, value in said.items() if value is not None}
    with ExitStack() as stack:
        path: Path = yield Local(lambda: stack.enter_context(tables.as_file(source)))
        headers = new_key(key)
        if path.stat().st_size > PIECE_BYTES:
            state = yield from _begin(path, said, headers)
            if state is not None:
                return (yield from _in_pieces(path, state, headers["Idempotency-Key"], on_bytes))
        form = {name: _text(value) for name, value in said.items()}
        request = Ask("POST", "/v1/datasets", form=form, file=path, headers=headers, on_bytes=on_bytes)
        return Upload((yield from ask(request)).json())


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return json.dumps(value)
    return repr(value) if isinstance(value, float) else str(value)


def _begin(path: Path, said: Json, headers: dict[str, str]) -> Steps[Json | None]:
    """Begin an upload in pieces, or find where it is; None of a service that has no such route."""
    digest: str = yield Local(lambda: sha256_of(path))
    plan = {**said, "bytes": path.stat().st_size, "sha256": digest}
    try:
        return dict((yield from ask(Ask("POST", "/v1/uploads", json=plan, headers=headers))).json())
    except ApiError as error:
        if error.status in (404, 405):
            return None
        raise


def _in_pieces(path: Path, state: Json, key: str, on_bytes: OnBytes | None) -> Steps[Upload]:
    total = path.stat().st_size
    try:
        while not state["complete"]:
            if on_bytes:
                on_bytes(state["offset"], total)
            state = yield from _append(state, path, total, on_bytes)
    except BaseException as error:
        if not isinstance(error, ApiError) or may_pass(error):  # who gave no key would have no way to go on
            error.add_note(f"What has arrived is kept for an hour: upload the same with key={key!r} to go on.")
        raise
    if on_bytes:
        on_bytes(total, total)
    return Upload({name: state[name] for name in ("dataset_id", "job_id", "bytes", "sha256")} | {"status": "queued"})


def _append(state: Json, path: Path, total: int, on_bytes: OnBytes | None) -> Steps[Json]:
    """Send the next piece until it, or some of it, has arrived; return how far the upload is then."""
    where, size = f"/v1/uploads/{state['upload_id']}", max(PIECE_BYTES, -(-total // USUAL_PIECES))
    began, patience = state["offset"], _Patience()
    while True:
        offset = state["offset"]
        piece = Piece(path, offset, min(size, total - offset), total, on_bytes)
        headers = {"Content-Type": "application/octet-stream", "Upload-Offset": str(offset)}
        answer = yield from tried(Ask("PATCH", where, headers=headers, piece=piece))
        if isinstance(answer, httpx2.Response) and answer.is_success:
            return dict(answer.json())
        state = yield from _when_free(where, answer, began, patience)
        if state["complete"] or state["offset"] > began:
            return state


def _when_free(where: str, answer: Tried, began: int, patience: _Patience) -> Steps[Json]:
    """Wait until nobody is at work on an upload, or more of it has arrived, and return how far it is.

    Raises:
        ApiError, httpx2.TransportError: what was answered, or that nothing was, where it is no use to try again.
    """
    while True:
        held, failures = _is_held(answer), patience.failures
        goes_on = patience.goes_on(held)
        if isinstance(answer, httpx2.Response) and answer.is_success:
            state: Json = dict(answer.json())
            if not (held and goes_on) or state["complete"] or state["offset"] > began:
                return state
        elif not goes_on or not (held or _passes(answer)):
            answered(answer)
        yield Pause(pause_before(answer if isinstance(answer, httpx2.Response) else None, failures))
        answer = yield from tried(Ask("GET", where))


def _is_held(answer: Tried) -> bool:
    """Whether an answer says that some request is at work on the upload."""
    if not isinstance(answer, httpx2.Response):
        return False
    if answer.is_success:
        return "Retry-After" in answer.headers
    return answer.status_code == 409 and ApiError.from_response(answer).code in _PASSING


def _passes(answer: Tried) -> bool:
    if isinstance(answer, httpx2.TransportError):
        return is_away(answer)
    return (answer.status if isinstance(answer, ApiError) else answer.status_code) in _RETRIED


class _Patience:
    """How long a piece that did not arrive is tried again: counted from its failure, however long it took till then."""

    def __init__(self) -> None:
        self.failures = 0
        self._since: dict[bool, float] = {}

    def goes_on(self, held: bool) -> bool:
        """Count a failure and say whether to try again: while the upload is held, or while nothing arrives."""
        self.failures += 1
        self._since.pop(not held, None)
        now = monotonic()
        return now - self._since.setdefault(held, now) <= (IN_FLIGHT_SECONDS if held else AWAY_SECONDS)
