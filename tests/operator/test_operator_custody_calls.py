"""Custody calls of the operator in its metrics: what raises the alert, and what is normal."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
from prometheus_client import REGISTRY

from simulacra_custody.errors import ArtifactMissing, CustodyError, StoreUnavailable
from simulacra_custody.refs import ResourceRef
from simulacra_operator.runtime.custody_client import CustodyClient


def _errors() -> float:
    labels = {"verb": "readProgress"}
    return REGISTRY.get_sample_value("simulacra_custody_errors_total", labels) or 0.0


def _client(error: CustodyError) -> CustodyClient:
    """Return the calls of a store that answers every read with this error."""

    def read_bytes(*_: Any, **__: Any) -> bytes:
        raise error

    service = SimpleNamespace(read_bytes=read_bytes, keys=None)
    return CustodyClient(cast(Any, service), cast(Any, None), cast(Any, None))


MODEL = ResourceRef("acme", "models", "0a1b2c3d-0000-4000-8000-000000000000")


async def test_progress_before_the_first_report_is_no_error() -> None:
    before = _errors()
    assert await _client(ArtifactMissing("none")).progress(MODEL, "key") is None
    assert _errors() == before


async def test_progress_that_the_store_refuses_is_an_error() -> None:
    before = _errors()
    with pytest.raises(StoreUnavailable):
        await _client(StoreUnavailable("down")).progress(MODEL, "key")
    assert _errors() == before + 1
