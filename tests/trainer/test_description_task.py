"""Prepare under a description: artifacts, errors for the customer, and reading again."""

from __future__ import annotations

import hashlib
import json
import signal
from pathlib import Path
from typing import Any

import pytest

from simulacra_crds.reasons import Reason
from simulacra_crds.tasks import (
    DATASET,
    DESCRIPTION,
    FAILURE,
    READ_TABLE,
    REQUEST,
    SCHEMA,
    STATED_DESCRIPTION,
    UPLOAD,
    ExitCode,
    Failure,
    PrepareRequest,
    TaskResult,
)
from simulacra_schema.description import parse_description
from simulacra_schema.table import TableSchema
from simulacra_trainer.in_process import read_described
from trainer_pod import Pod, upload_bytes


@pytest.fixture
def pod(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pod:
    monkeypatch.setattr(signal, "signal", lambda *_: None)  # pytest keeps its own handlers
    pod = Pod(tmp_path)
    pod.artifacts("datasets").store(UPLOAD, upload_bytes())
    return pod


def prepare(pod: Pod, document: dict[str, Any], **request: bool) -> tuple[int, TaskResult]:
    content = json.dumps(document).encode()
    own = pod.artifacts("datasets")
    own.store(STATED_DESCRIPTION, content)
    digest = hashlib.sha256(content).hexdigest()
    own.store_model(REQUEST, PrepareRequest(description_sha256=digest, **request))
    return pod.run("prepare", "datasets")


def kind_of(pod: Pod, name: str) -> str:
    column = pod.artifacts("datasets").load(SCHEMA, TableSchema).find(name)
    assert column is not None
    return column.kind


STATED = {"fields": [{"name": "zq_visits", "type": "string"}]}


def test_a_kept_table_is_read_again_under_another_description(pod: Pod) -> None:
    own = pod.artifacts("datasets")
    code, result = prepare(pod, STATED, keep_source=True)
    assert code == ExitCode.OK
    assert {one.name for one in result.artefacts} == {DATASET, SCHEMA, DESCRIPTION, READ_TABLE}
    assert kind_of(pod, "zq_visits") == "categorical"
    assert not own.exists(UPLOAD)
    completed = json.loads(own.read(DESCRIPTION))
    assert len(completed["schema"]["fields"]) == 3

    code, result = prepare(pod, {"fields": [{"name": "zq_visits", "type": "integer"}]})
    assert code == ExitCode.OK
    assert kind_of(pod, "zq_visits") == "integer"
    assert prepare(pod, completed)[0] == ExitCode.OK
    assert json.loads(own.read(DESCRIPTION)) == completed

    code, result = prepare(pod, {"encoding": "cp1250", "schema": STATED})
    assert (code, result.reason) == (ExitCode.USER_ERROR, Reason.DESCRIPTION_MISMATCH)
    assert own.load(FAILURE, Failure).errors[0].pointer == "/encoding"


def test_a_held_upload_stays_until_it_is_released(pod: Pod) -> None:
    own = pod.artifacts("datasets")
    assert prepare(pod, STATED, hold=True)[0] == ExitCode.OK
    assert own.exists(UPLOAD)
    assert prepare(pod, STATED)[0] == ExitCode.OK
    assert not own.exists(UPLOAD)


def test_errors_of_the_data_are_for_the_customer_alone(pod: Pod) -> None:
    wrong = {"fields": [{"name": "zq_visit"}, {"name": "zq_shopper", "type": "number"}]}
    code, result = prepare(pod, wrong)
    assert (code, result.reason) == (ExitCode.USER_ERROR, Reason.DESCRIPTION_MISMATCH)
    assert result.message == "The data contradict the description in 2 places."
    own = pod.artifacts("datasets")
    failure = own.load(FAILURE, Failure)
    assert [one.pointer for one in failure.errors] == ["/fields/0/name", "/fields/1/type"]
    assert 'Did you mean "zq_visits"?' in failure.errors[0].detail
    assert not own.exists(DATASET)


def test_a_completed_description_changes_nothing_when_it_is_sent_back(tmp_path: Path) -> None:
    data = tmp_path / "data.csv"
    data.write_bytes(upload_bytes())
    found = read_described(data, parse_description(STATED)).document
    assert read_described(data, parse_description(found)).document == found


def test_counts_of_what_was_read_have_no_names(pod: Pod) -> None:
    _, result = prepare(pod, {"fields": [{"name": "zq_visits", "x-simulacra": {"use": "drop"}}]})
    counts = result.description
    assert counts is not None
    content = pod.artifacts("datasets").read(DESCRIPTION)
    assert counts.sha256 == hashlib.sha256(content).hexdigest()
    assert counts.learned + counts.replaced + counts.dropped == 3
    assert counts.dropped >= 1
    assert "zq_" not in result.model_dump_json()
