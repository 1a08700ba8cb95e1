"""Uploads: a small file in one request, a large one in pieces, which is gone on with where it broke off."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import httpx

from simulacra import tables
from simulacra.documents import Json, Upload
from simulacra.operations.common import new_key
from simulacra.protocol import MAX_ATTEMPTS, RETRIED, Ask, Pause, Steps, ask, checked, pause_before
from simulacra.sending import OnBytes, Piece, sha256_of

PIECE_BYTES = 16 << 20
"""Files above this are sent in pieces of this size."""
_RETRIED = RETRIED | {408}
"""A piece that stopped arriving is kept as far as it came."""
IN_FLIGHT_SECONDS = 120.0
"""How long a piece waits for another one that still counts as arriving: a service that crashed holds it a minute."""


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

    What is larger than 16 MiB goes in pieces: after a break it is gone on with where it broke off, also by another
    process that gives the same key, file and options within an hour.

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
    with tables.as_file(source) as path:
        if path.stat().st_size > PIECE_BYTES:
            return (yield from _in_pieces(path, said, new_key(key), on_bytes))
        form = {name: _text(value) for name, value in said.items()}
        request = Ask("POST", "/v1/datasets", form=form, file=path, headers=new_key(key), on_bytes=on_bytes)
        return Upload((yield from ask(request)).json())


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return json.dumps(value)
    return repr(value) if isinstance(value, float) else str(value)


def _in_pieces(path: Path, said: Json, key: dict[str, str], on_bytes: OnBytes | None) -> Steps[Upload]:
    total = path.stat().st_size
    plan = {**said, "bytes": total, "sha256": sha256_of(path)}
    state = (yield from ask(Ask("POST", "/v1/uploads", json=plan, headers=key))).json()
    while not state["complete"]:
        if on_bytes:
            on_bytes(state["offset"], total)
        state = yield from _append(state, path, total, on_bytes)
    if on_bytes:
        on_bytes(total, total)
    return Upload({name: state[name] for name in ("dataset_id", "job_id", "bytes", "sha256")} | {"status": "queued"})


def _append(state: Json, path: Path, total: int, on_bytes: OnBytes | None) -> Steps[Json]:
    """Send the next piece until it, or some of it, has arrived; return how far the upload is then."""
    where, deadline, failures = f"/v1/uploads/{state['upload_id']}", time.monotonic() + IN_FLIGHT_SECONDS, 0
    while True:
        offset, response, error = state["offset"], None, None
        piece = Piece(path, offset, min(PIECE_BYTES, total - offset), total, on_bytes)
        headers = {"Content-Type": "application/octet-stream", "Upload-Offset": str(offset)}
        try:
            response = yield Ask("PATCH", where, headers=headers, piece=piece)
        except httpx.TransportError as broken:
            error = broken
        if response is not None and response.is_success:
            return dict(response.json())
        waits = response is not None and response.status_code == 409 and time.monotonic() < deadline
        failures += not waits
        if error is not None and failures >= MAX_ATTEMPTS:
            raise error
        if response is not None and not waits and (failures >= MAX_ATTEMPTS or response.status_code not in _RETRIED):
            checked(response)
        yield Pause(pause_before(response, failures))
        state = (yield from ask(Ask("GET", where))).json()
        if state["complete"] or state["offset"] > offset:
            return dict(state)
