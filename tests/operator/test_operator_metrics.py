"""Metrics of the operator: custody calls that are errors, and Jobs that failed, by reason."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
from prometheus_client import REGISTRY

from operator_facts import resource
from simulacra_custody.errors import (
    ArtifactMissing,
    CustodyError,
    StoreUnavailable,
)
from simulacra_custody.refs import ResourceRef
from simulacra_operator.observed.custom_resource import parse
from simulacra_operator.runtime.custody_client import CustodyClient
from simulacra_operator.runtime.executor import Executor
from simulacra_operator.work.actions import LogFailure


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


async def test_failed_job_is_counted_by_kind_and_reason_from_zero_on() -> None:
    """A series that began with its first failure would have no increase for the alert."""
    labels = {"kind": "Model", "reason": "Internal"}
    before = REGISTRY.get_sample_value("simulacra_work_failed_total", labels)
    assert before is not None
    model = parse(resource("Model", "mdl-1", None, {}))
    executor = Executor(cast(Any, None), cast(Any, None), cast(Any, None), model)
    await executor.run(LogFailure("Internal", "Internal error.", "4cdf1a952ba5", 1))
    assert REGISTRY.get_sample_value("simulacra_work_failed_total", labels) == before + 1
