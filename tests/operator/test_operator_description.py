"""A Dataset with a description: held, read again, and its source erased in time."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from operator_facts import (
    NOW,
    SECRET,
    SmallWorld,
    observed,
    pod,
    ready_condition,
    resource,
    result,
    without_pods_say,
)
from simulacra_crds.kinds.dataset import DatasetSpec
from simulacra_crds.kube.client import Object
from simulacra_crds.tasks import PrepareRequest
from simulacra_operator.observed.custom_resource import parse
from simulacra_operator.runtime.eraser import erased_artifacts
from simulacra_operator.runtime.planner import RECONCILERS
from simulacra_operator.work import actions as act

reconcile = RECONCILERS["Dataset"]

SOURCE = {"sha256": "a" * 64, "bytes": 3}
FIRST, SECOND = {"sha256": "b" * 64}, {"sha256": "c" * 64}
COUNTS = {"sha256": "d" * 64, "learned": 5, "replaced": 2, "dropped": 1, "toConfirm": 1}
TABLE = {"name": "dataset.parquet", "bytes": 9, "sha256": "e" * 64}
READ_TABLE = {"name": "read.parquet", "bytes": 7, "sha256": "f" * 64}
MISMATCH = {"outcome": "Failed", "reason": "DescriptionMismatch", "message": "2 faults"}


class DatasetWorld(SmallWorld):
    """A Dataset whose Jobs end as the test says."""

    def __init__(self, **spec: Any) -> None:
        body = resource("Dataset", "ds-1", {"source": SOURCE, **spec}, {"wrappedKey": "key"})
        super().__init__(body, now=NOW, pods=())
        self.done: list[act.Action] = []

    def settle(self) -> None:
        """Run passes until one has no actions, or a Job runs."""
        for _ in range(20):
            actions = reconcile(self.seen())
            self.done += actions
            for action in actions:
                self.apply(action)
            if not actions:
                return
        raise AssertionError(f"never settles: {self.done[-3:]}")

    def end(self, *, mismatch: bool = False, reason: str = "DescriptionMismatch") -> None:
        """Let the running Job end."""
        code, stated = (42, MISMATCH | {"reason": reason}) if mismatch else (0, self._result())
        state = "Failed" if mismatch else "Complete"
        condition = {"type": state, "status": "True", "reason": "PodFailurePolicy"}
        self.facts["job"]["status"] = {"conditions": [condition]}
        self.facts["pods"] = (pod(code, result=stated),)
        self.settle()

    def read(self) -> None:
        self.settle()
        self.end()

    def _result(self) -> Object:
        kept = [READ_TABLE] if self.body["spec"].get("keepSource") else []
        artifacts = [TABLE, *kept]
        return result(artefacts=artifacts, rows=10, columns=8, description=COUNTS)

    def change(self, **spec: Any) -> None:
        self.done = []
        self.body["spec"] |= spec
        self.settle()

    def later(self, minutes: float) -> None:
        self.done = []
        self.facts["now"] += timedelta(minutes=minutes)
        self.settle()

    @property
    def status(self) -> Object:
        return self.body["status"]

    @property
    def kept(self) -> list[str]:
        return [one["name"] for one in self.status.get("artefacts", ())]

    @property
    def reasons(self) -> dict[str, str]:
        return {one["type"]: one["reason"] for one in self.status["conditions"]}

    def erased(self) -> list[str]:
        return [one.artifact.name for one in self.done if isinstance(one, act.EraseSource)]

    def request(self) -> PrepareRequest:
        (written,) = [one for one in self.done if isinstance(one, act.WriteRequest)]
        return PrepareRequest.model_validate_json(written.content)


def test_by_default_no_source_is_kept() -> None:
    world = DatasetWorld(tableDescription=FIRST)
    world.read()
    assert (world.request().description_sha256, world.request().hold) == ("b" * 64, False)
    assert (world.status["phase"], world.kept, world.erased()) == ("Ready", [TABLE["name"]], [])
    counted = {**COUNTS, "requested": "b" * 64, "revision": 1}
    assert world.status["description"] == counted


def test_inline_description_is_stored_encrypted_before_the_job() -> None:
    text = json.dumps({"fields": [{"name": SECRET}]})
    world = DatasetWorld(tableDescription={"inline": text})
    world.settle()
    kinds = [type(one) for one in world.done]
    assert kinds.index(act.WriteDescription) < kinds.index(act.CreateJob)
    digest = DatasetSpec.model_validate({"tableDescription": {"inline": text}}).description_digest
    assert world.request().description_sha256 == digest
    assert SECRET not in without_pods_say(world.done)


def test_held_dataset_waits_and_is_fit_once_confirmed() -> None:
    world = DatasetWorld(hold=True)
    world.read()
    assert (world.status["phase"], world.reasons["Ready"]) == ("Held", "AwaitingConfirmation")
    assert "finishedAt" not in world.status
    assert world.kept == ["upload", TABLE["name"]]
    world.later(57)
    assert world.done == []
    world.change(hold=False)
    assert (world.erased(), world.kept) == (["upload"], [TABLE["name"]])
    assert (world.status["phase"], world.reasons["Ready"]) == ("Ready", "Ready")
    assert "sourceUntil" not in world.status


def test_held_source_is_erased_within_an_hour_and_the_dataset_stays_held() -> None:
    world = DatasetWorld(hold=True)
    world.read()
    world.later(59)
    assert (world.erased(), world.kept) == (["upload"], [TABLE["name"]])
    assert (world.status["phase"], world.reasons["Confirmed"]) == ("Held", "AwaitingConfirmation")
    world.later(30)
    assert world.done == []
    world.change(tableDescription=SECOND)  # too late: nothing is left to read it from
    assert (world.status["phase"], world.reasons["Ready"]) == ("Held", "SourceErased")
    assert not any(isinstance(one, act.CreateJob) for one in world.done)
    del world.body["spec"]["tableDescription"]
    world.change(hold=False)
    assert world.status["phase"] == "Ready"


def test_held_dataset_is_read_again_with_the_corrected_description() -> None:
    world = DatasetWorld(hold=True, tableDescription=FIRST)
    world.read()
    world.change(hold=False, tableDescription=SECOND)
    assert (world.request().description_sha256, world.request().hold) == ("c" * 64, True)
    assert world.status["phase"] == "Running"
    world.end()
    assert (world.status["phase"], world.erased()) == ("Ready", ["upload"])
    assert world.status["description"]["revision"] == 2


@pytest.mark.parametrize("reason", ["DescriptionMismatch", "UploadInvalid"])
@pytest.mark.parametrize("spec", [{"hold": True}, {"keepSource": True}])
def test_failed_reading_can_be_corrected_while_the_source_is_kept(
    spec: Object, reason: str
) -> None:
    world = DatasetWorld(tableDescription=FIRST, **spec)
    world.settle()
    world.end(mismatch=True, reason=reason)
    assert (world.status["phase"], world.reasons["Ready"]) == ("Failed", reason)
    assert world.kept == ["upload"]
    assert not any(isinstance(one, act.DiscardArtifacts) for one in world.done)
    world.change(hold=False, tableDescription=SECOND)
    world.end()
    erased = ["upload"] if "hold" in spec else []  # else the pod erases it
    assert (world.status["phase"], world.erased()) == ("Ready", erased)
    assert "upload" not in world.kept


def test_contradicted_description_of_a_held_dataset_fails_for_good_after_the_hour() -> None:
    world = DatasetWorld(hold=True, tableDescription=FIRST)
    world.settle()
    world.end(mismatch=True)
    world.later(59)
    assert any(isinstance(one, act.DiscardArtifacts) for one in world.done)
    assert (world.status["phase"], world.kept) == ("Failed", [])
    assert "finishedAt" in world.status


def test_contradicted_description_without_source_fails_at_once() -> None:
    world = DatasetWorld(tableDescription=FIRST)
    world.settle()
    world.end(mismatch=True)
    assert any(isinstance(one, act.DiscardArtifacts) for one in world.done)
    assert "finishedAt" in world.status


def test_kept_table_is_read_again_after_the_fit() -> None:
    world = DatasetWorld(keepSource=True)
    world.read()
    assert (world.status["phase"], world.kept) == ("Ready", [TABLE["name"], READ_TABLE["name"]])
    world.later(600)
    assert world.done == []
    world.change(tableDescription=SECOND)
    assert (world.status["phase"], "finishedAt" in world.status) == ("Running", False)
    world.end()
    assert (world.status["phase"], world.erased()) == ("Ready", [])
    assert world.status["description"]["revision"] == 2
    world.change(tableDescription=FIRST)
    world.end(mismatch=True)
    assert (world.status["phase"], world.kept) == ("Failed", [TABLE["name"], READ_TABLE["name"]])
    world.change(tableDescription=SECOND)
    world.end()
    world.change(keepSource=False)
    assert (world.erased(), world.kept) == (["read.parquet"], [TABLE["name"]])


def test_job_of_an_earlier_description_is_stopped() -> None:
    world = DatasetWorld(keepSource=True, tableDescription=FIRST)
    world.settle()
    world.change(tableDescription=SECOND)
    kinds = [type(one) for one in world.done]
    assert kinds.index(act.DeleteJob) < kinds.index(act.CreateJob)
    world.end()
    assert world.status["description"]["requested"] == "c" * 64


def test_model_waits_until_its_dataset_is_read_again() -> None:
    status = {
        "conditions": [ready_condition("True")],
        "finishedAt": "2026-03-01T12:00:00Z",
        "wrappedKey": "key",
        "description": {"requested": "b" * 64},
    }
    spec = {"source": SOURCE, "keepSource": True, "tableDescription": SECOND}
    dataset = parse(resource("Dataset", "ds-1", spec, status, uid="uid-ds-1"))
    owner = {"kind": "Dataset", "name": "ds-1", "uid": "uid-ds-1"}
    labels = {"simulacra.dev/dataset": "ds-1"}
    one = resource("Model", "mdl-1", None, None, ownerReferences=[owner], labels=labels)
    (patch,) = RECONCILERS["Model"](observed(one, dataset=dataset))
    assert isinstance(patch, act.PatchStatus)
    assert {c["reason"] for c in patch.patch["conditions"]} == {"AwaitingDataset"}


def test_certificate_lists_a_kept_upload_once() -> None:
    world = DatasetWorld(hold=True)
    world.read()
    names = [one.name for one in erased_artifacts(parse(world.body))]
    assert names == ["upload", TABLE["name"]]


def test_reading_a_held_source_again_does_not_keep_it_longer() -> None:
    world = DatasetWorld(hold=True, tableDescription=FIRST)
    world.read()
    until = world.status["sourceUntil"]
    world.later(30)
    world.change(tableDescription=SECOND)
    world.end()
    assert (world.status["phase"], world.status["sourceUntil"]) == ("Held", until)
