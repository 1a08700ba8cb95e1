"""Decisions of each kind in each stage of its life."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from operator_facts import (
    NOW,
    SETTINGS,
    UID,
    ended,
    iso,
    job,
    observed,
    pod,
    ready_condition,
    resource,
    result,
    tenant,
)
from simulacra_crds.kinds.base import LABEL_DATASET
from simulacra_crds.kube.client import Object
from simulacra_crds.tasks import FitRequest, GenerateRequest, TaskSpec
from simulacra_operator.observed.observe import Fault, Observed
from simulacra_operator.runtime.planner import RECONCILERS
from simulacra_operator.work import actions as act

KEY = {"wrappedKey": "key"}
DATASET_OWNER = [{"kind": "Dataset", "name": "ds-1", "uid": "uid-ds-1"}]


def decide(seen: Observed) -> list[act.Action]:
    return RECONCILERS[seen.resource.kind](seen)


def of_type(actions: list[act.Action], kind: type[Any]) -> Any:
    (found,) = [one for one in actions if isinstance(one, kind)]
    return found


def conditions(actions: list[act.Action]) -> dict[str, tuple[str, str]]:
    listed = of_type(actions, act.PatchStatus).patch["conditions"]
    return {one["type"]: (one["status"], one["reason"]) for one in listed}


def model(**facts: Any) -> Observed:
    meta = {"labels": {LABEL_DATASET: "ds-1"}, "ownerReferences": DATASET_OWNER}
    status = facts.pop("status", KEY)
    body = resource("Model", "mdl-1", facts.pop("spec", None), status, **meta)
    return observed(body, **{"dataset": ended("Dataset", "ds-1"), **facts})


def generation(shards: int = 1, **facts: Any) -> Observed:
    body = resource("GenerationJob", "gen-1", None, KEY, labels={LABEL_DATASET: "ds-1"})
    body["spec"]["shards"] = shards
    return observed(body, **{"model": ended("Model", "mdl-1"), **facts})


def test_a_dataset_without_upload_has_all_its_conditions() -> None:
    actions = decide(observed(resource("Dataset", "ds-1", {"source": {}}, {})))
    waiting = "AwaitingUpload"
    assert conditions(actions) == {
        "Uploaded": ("False", waiting),
        "Prepared": ("Unknown", waiting),
        "Ready": ("False", waiting),
    }
    assert of_type(actions, act.PatchStatus).patch["phase"] == "Pending"


def test_a_job_and_its_pods_have_the_labels_by_which_tools_group() -> None:
    actions = decide(observed(resource("Dataset", "ds-1", None, KEY)))
    manifest = of_type(actions, act.CreateJob).manifest
    for labels in (
        manifest["metadata"]["labels"],
        manifest["spec"]["template"]["metadata"]["labels"],
    ):
        found = {name: labels.get(f"app.kubernetes.io/{name}") for name in ("name", "component")}
        assert found == {"name": "simulacra", "component": "trainer"}
        assert labels["app.kubernetes.io/managed-by"] == "simulacra-operator"


def test_an_upload_is_prepared_by_a_job_that_knows_only_uid_and_key() -> None:
    actions = decide(observed(resource("Dataset", "ds-1", None, KEY)))
    assert json.loads(of_type(actions, act.WriteRequest).content) == {
        "format": "auto",
        "keepSource": False,
        "hold": False,
    }
    manifest = of_type(actions, act.CreateJob).manifest
    (container,) = manifest["spec"]["template"]["spec"]["containers"]
    env = {one["name"]: one["value"] for one in container["env"]}
    assert set(env) == {"SIMULACRA_TASK", "SIMULACRA_STORE", "SIMULACRA_LOG_FIELDS"}
    task = TaskSpec.model_validate_json(env["SIMULACRA_TASK"])
    assert (task.task, task.tenant, task.resource.uid, task.resource.wrapped_key) == (
        "prepare",
        "acme",
        UID,
        "key",
    )
    assert manifest["metadata"]["name"].startswith("ds-1-prepare-")
    assert (
        manifest["metadata"]["ownerReferences"][0] | {"uid": UID, "controller": True}
        == (manifest["metadata"]["ownerReferences"][0])
    )
    disrupted, lasting, outage = manifest["spec"]["podFailurePolicy"]["rules"]
    assert disrupted["action"] == "Ignore"
    assert (lasting["action"], lasting["onExitCodes"]["values"]) == ("FailJob", [42, 45, 137])
    assert (outage["action"], outage["onExitCodes"]["values"]) == ("Ignore", [46])
    assert manifest["spec"]["template"]["spec"]["automountServiceAccountToken"] is False


def test_a_job_and_its_pods_log_carry_the_id_of_the_request() -> None:
    noted = {"annotations": {"simulacra.dev/request-id": "req-12345"}}
    actions = decide(observed(resource("Dataset", "ds-1", None, KEY, **noted)))
    manifest = of_type(actions, act.CreateJob).manifest
    assert manifest["metadata"]["annotations"]["simulacra.dev/request-id"] == "req-12345"
    (container,) = manifest["spec"]["template"]["spec"]["containers"]
    env = {one["name"]: one["value"] for one in container["env"]}
    assert json.loads(env["SIMULACRA_LOG_FIELDS"]) == {
        "kind": "Dataset",
        "namespace": "tenant-acme",
        "resource": "ds-1",
        "uid": UID,
        "request_id": "req-12345",
    }


def test_a_model_is_first_of_all_tied_to_its_dataset() -> None:
    seen = observed(resource("Model", "mdl-1"), dataset=ended("Dataset", "ds-1"))
    (action,) = decide(seen)
    assert isinstance(action, act.PatchMeta)
    assert action.patch["labels"] == {LABEL_DATASET: "ds-1"}
    assert action.patch["ownerReferences"][0]["uid"] == "uid-ds-1"


def test_a_model_gets_its_key_before_a_job_with_the_dataset_key() -> None:
    assert isinstance(decide(model(status={}))[-1], act.CreateKey)
    spec = {"datasetRef": {"name": "ds-1"}, "seed": 7, "resources": {"gpu": 2, "memory": "3Gi"}}
    actions = decide(model(spec=spec))
    assert FitRequest.model_validate_json(of_type(actions, act.WriteRequest).content).gpu == 2
    pods = of_type(actions, act.CreateJob).manifest["spec"]["template"]["spec"]
    assert pods["tolerations"] == [
        {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}
    ]
    assert pods["containers"][0]["resources"]["limits"] == {"memory": "3Gi", "nvidia.com/gpu": "2"}
    task = TaskSpec.model_validate_json(pods["containers"][0]["env"][0]["value"])
    assert task.dataset is not None
    assert task.dataset.wrapped_key == "key-of-ds-1"


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ({"family": "neural"}, "RequestInvalid"),
        ({"resources": {"gpu": 1}}, "RequestInvalid"),
        ({"family": "forest"}, "JobRunning"),
    ],
)
def test_a_neural_model_fails_at_once_where_the_image_has_no_torch(
    spec: dict[str, Any], reason: str
) -> None:
    spec = {"datasetRef": {"name": "ds-1"}, **spec}
    actions = decide(model(spec=spec, settings=replace(SETTINGS, lacks_torch=True)))
    assert conditions(actions)["Ready"] == ("False", reason)
    if reason == "RequestInvalid":
        told = of_type(actions, act.PatchStatus).patch["lastFailure"]["message"]
        assert "trainer.image.variant" in told
    assert conditions(decide(model(spec=spec)))["Ready"] == ("False", "JobRunning")


def test_a_model_of_a_failed_dataset_fails() -> None:
    actions = decide(model(dataset=ended("Dataset", "ds-1", well=False)))
    patch = of_type(actions, act.PatchStatus).patch
    assert (patch["phase"], patch["lastFailure"]["reason"]) == ("Failed", "DatasetFailed")
    assert patch["finishedAt"] == iso(NOW.replace(microsecond=0))


def test_a_model_is_not_fit_to_a_later_dataset_of_the_same_name() -> None:
    actions = decide(model(dataset=ended("Dataset", "ds-1", uid="uid-of-a-later-one")))
    assert conditions(actions)["DatasetReady"] == ("False", "AwaitingDataset")


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"tenant": None}, "AwaitingTenant"),
        ({"tenant": tenant(ready=False)}, "AwaitingTenant"),
        ({"tenant": tenant(ready=False, suspend=True)}, "Suspended"),
        ({"slot": False}, "AwaitingQuota"),
        ({"model": None}, "AwaitingModel"),
        ({"model": ended("Model", "mdl-1", deletionTimestamp=iso(NOW))}, "AwaitingModel"),
        ({"model": ended("Model", "mdl-1", well=False)}, "ModelFailed"),
        ({"fault": Fault.STORE}, "CustodyUnavailable"),
    ],
)
def test_a_waiting_generation_states_its_reason(facts: dict[str, Any], reason: str) -> None:
    actions = decide(generation(**facts))
    assert conditions(actions)["Ready"] == ("False", reason)
    assert any(isinstance(one, act.CreateJob) for one in actions) == (
        reason == "CustodyUnavailable"
    )


@pytest.mark.parametrize("kind", ["Dataset", "Model", "GenerationJob"])
def test_a_resource_in_a_namespace_of_no_tenant_says_so_first(kind: str) -> None:
    """A Dataset said that its upload is missing, which nobody can bring there."""
    spec = {"Dataset": {"source": {"type": "Upload"}}}.get(kind)
    actions = decide(observed(resource(kind, "a", spec, namespace="default"), tenant=None))
    (patch,) = [one.patch for one in actions if isinstance(one, act.PatchStatus)]
    (ready,) = [one for one in patch["conditions"] if one["type"] == "Ready"]
    assert ready["reason"] == "AwaitingTenant"
    assert "This namespace belongs to no Tenant" in ready["message"]


def test_a_generation_request_has_the_fields_of_the_rest_api() -> None:
    seen = generation(shards=3)
    content = of_type(decide(seen), act.WriteRequest).content
    assert GenerateRequest.model_validate_json(content).interventions == {
        "salary_of_zoe": "salary_of_zoe"
    }
    assert GenerateRequest.model_validate_json(content).evidence
    manifest = of_type(decide(seen), act.CreateJob).manifest
    assert (manifest["spec"]["completions"], manifest["spec"]["completionMode"]) == (3, "Indexed")


def test_a_generation_may_ask_for_persons_without_rows() -> None:
    body = resource("GenerationJob", "gen-1", None, KEY, labels={LABEL_DATASET: "ds-1"})
    del body["spec"]["rowCount"]
    body["spec"]["persons"] = 7
    seen = observed(body, model=ended("Model", "mdl-1"))
    content = of_type(decide(seen), act.WriteRequest).content
    asked = GenerateRequest.model_validate_json(content)
    assert (asked.persons, asked.row_count) == (7, 0)


def test_shards_are_summed_and_the_worst_one_decides() -> None:
    def part(index: int, status: str, met: int, error: float) -> dict[str, Any]:
        attainment = {
            "status": status,
            "asked": 2,
            "met": met,
            "maxAbsError": error,
            "effectiveSampleSize": 5.0,
        }
        artefact = {"name": f"parts/{index:05d}.parquet", "bytes": 1, "sha256": "a" * 64}
        return pod(
            0,
            index=index,
            result=result(rows=5, attainment=attainment, worth=4.5, artefacts=[artefact]),
        )

    pods = (part(1, "partial", 1, 0.2), part(0, "exact", 2, 0.0))
    actions = decide(generation(2, job=job("", "j", "complete", shards=2), pods=pods))
    patch = of_type(actions, act.PatchStatus).patch
    assert (patch["phase"], patch["rows"], patch["worth"]) == ("Partial", 10, 4.5)
    assert patch["verdicts"] == dict.fromkeys(("likeness", "privacy", "worth"), "unknown")
    assert patch["attainment"]["status"] == "partial"
    assert (patch["attainment"]["met"], patch["attainment"]["effectiveSampleSize"]) == (1, 5.0)
    assert [one["name"] for one in patch["artefacts"]] == [
        "parts/00000.parquet",
        "parts/00001.parquet",
    ]
    assert conditions(actions)["Ready"] == ("True", "Ready")
    assert isinstance(actions[-1], act.DeleteJob)


@pytest.mark.parametrize(("kept", "worth"), [(0.9, "good"), (0.5, "fair")])
def test_rows_get_the_verdicts_of_their_models_figures(kept: float, worth: str) -> None:
    seen = generation(1, job=job("", "j", "complete"), pods=(pod(0, result=result(worth=4.5)),))
    assert seen.model is not None
    pairs = dict.fromkeys(("pairs_kept", "pairs_weakened", "pairs_lost", "pairs_unmeasured"), 0.0)
    seen.model.status.figures = {"c2st_auc": 0.55, "kept_ratio": kept, **pairs}
    patch = of_type(decide(seen), act.PatchStatus).patch
    assert patch["verdicts"] == {"likeness": worth, "privacy": "unknown", "worth": worth}


def test_a_shard_without_a_result_is_an_internal_error() -> None:
    pods = (pod(0, index=0, result=result(rows=5)),)
    actions = decide(generation(2, job=job("", "j", "complete", shards=2), pods=pods))
    assert of_type(actions, act.PatchStatus).patch["lastFailure"]["reason"] == "Internal"


def _disrupted(one: dict[str, Any]) -> dict[str, Any]:
    """Return a pod that a drain, a preemption or its node ended."""
    one["status"]["conditions"] = [{"type": "DisruptionTarget", "status": "True"}]
    return one


def _deleted(one: dict[str, Any]) -> dict[str, Any]:
    one["metadata"]["deletionTimestamp"] = iso(NOW)
    return one


_BEYOND = {**result(), "outcome": "Failed", "reason": "ResultInvalid", "message": "too many"}
_GONE = {**result(), "stored": {"name": "results/00000.json", "bytes": 9, "sha256": "0" * 64}}
"""Refers to a stored result that could not be read."""


@pytest.mark.parametrize(
    ("state", "pods", "reason", "code"),
    [
        (
            "failed",
            (pod(42, result={**result(), "reason": "UploadInvalid", "message": "no header"}),),
            "UploadInvalid",
            42,
        ),
        ("failed", (pod(42, result={**result(), "reason": "NotAReason"}),), "Internal", 42),
        ("failed", (pod(42),), "RequestInvalid", 42),
        ("failed", (pod(1, ago=9), pod(43)), "CustodyUnavailable", 43),
        ("failed", (pod(1, ago=9), pod(46)), "CustodyUnavailable", 46),
        ("failed", (pod(137, reason="OOMKilled"),), "OutOfMemory", 137),
        ("failed", (pod(137),), "OutOfMemory", 137),
        ("failed", (_disrupted(pod(137)),), "Interrupted", 137),
        ("failed", (_deleted(pod(137)),), "Interrupted", 137),
        ("failed", (pod(143),), "Interrupted", 143),
        ("failed", (pod(1),), "Internal", 1),
        ("failed", (pod(45, result=_BEYOND, ago=9), pod(1)), "ResultInvalid", 45),
        (
            "complete",
            (pod(0, result={**result(), "of_a_later_release": 1}),),
            "ResultInvalid",
            None,
        ),
        ("complete", (pod(0, result=_GONE),), "ResultInvalid", None),
        ("failed", (), "Internal", None),
        ("late", (), "DeadlineExceeded", None),
    ],
)
def test_a_failure_has_a_reason_and_a_message(
    state: str, pods: tuple[Any, ...], reason: str, code: int | None
) -> None:
    actions = decide(generation(job=job("", "j", state), pods=pods))
    failure = of_type(actions, act.PatchStatus).patch["lastFailure"]
    assert (failure["reason"], failure.get("exitCode")) == (reason, code)
    assert failure["message"]
    assert conditions(actions)["Generated"] == ("False", reason)
    assert conditions(actions)["Failed"] == ("True", reason)
    note = of_type(actions, act.LogFailure)
    assert reason != "Internal" or note.support in failure["message"]


def test_a_retried_pod_is_visible_in_status() -> None:
    actions = decide(generation(job=job("", "j"), pods=(pod(43),)))
    assert "Failed" not in conditions(actions)
    assert conditions(actions)["Ready"] == ("False", "JobRetrying")
    assert of_type(actions, act.PatchStatus).patch["lastFailure"]["reason"] == "CustodyUnavailable"


def test_a_drained_pod_is_interrupted_and_retried() -> None:
    for drained in (_disrupted(pod(137)), _disrupted(pod(1)), pod(143), _deleted(pod(137))):
        actions = decide(generation(job=job("", "j"), pods=(drained,)))
        assert conditions(actions)["Ready"] == ("False", "JobRetrying")
        patch = of_type(actions, act.PatchStatus).patch
        assert patch["lastFailure"]["reason"] == "Interrupted"


def test_a_drained_pod_that_is_gone_is_logged_and_no_reason_to_wait() -> None:
    """Nothing of it is left to list, and what keeps the next pod is more important."""
    actions = decide(generation(job=job("", "j"), vanished=True))
    note = of_type(actions, act.LogFailure)
    assert (note.reason, note.retried) == ("Interrupted", True)
    assert conditions(actions)["Ready"] == ("False", "JobRunning")
    assert of_type(actions, act.PatchStatus).patch["lastFailure"]["reason"] == "Interrupted"


def test_the_pods_that_a_failing_job_deletes_are_not_interrupted() -> None:
    failing = job("", "j")
    failing["status"]["conditions"] = [{"type": "FailureTarget", "status": "True"}]
    actions = decide(generation(job=failing, vanished=True))
    assert not [one for one in actions if isinstance(one, act.LogFailure)]


@pytest.mark.parametrize(
    ("last", "reason"),
    [
        (pod(46), "CustodyUnavailable"),
        (pod(46, ago=3600), "DeadlineExceeded"),
        (pod(43), "DeadlineExceeded"),
    ],
)
def test_a_job_whose_time_ended_in_an_outage_names_the_outage(last: Object, reason: str) -> None:
    """An outage that was over an hour ago, or a damaged object, is not what took the time."""
    seen = generation(job=job("", "j"), pods=(last,))
    patch = of_type(decide(seen), act.PatchStatus).patch
    known = seen.resource.status.model_validate(seen.resource.status.to_wire() | patch)
    late = replace(
        seen, resource=replace(seen.resource, status=known), job=job("", "j", "late"), pods=()
    )
    failure = of_type(decide(late), act.PatchStatus).patch["lastFailure"]
    assert failure["reason"] == reason
    assert "time limit" in failure["message"]
    assert ("reached its" in failure["message"]) == (reason == "CustodyUnavailable")


@pytest.mark.parametrize("code", [42, 45, 137])
def test_a_lasting_failure_is_never_called_a_retry(code: int) -> None:
    """The pod ends a moment before the Job fails."""
    actions = decide(generation(job=job("", "j"), pods=(pod(code),)))
    assert conditions(actions)["Ready"] == ("False", "JobRunning")
    assert "lastFailure" not in of_type(actions, act.PatchStatus).patch


def test_a_retried_failure_is_logged_once_with_its_support_id() -> None:
    seen = generation(job=job("", "j"), pods=(pod(1),))
    note = of_type(decide(seen), act.LogFailure)
    assert note.retried
    assert note.support in note.message
    patch = of_type(decide(seen), act.PatchStatus).patch
    known = seen.resource.status.model_validate(seen.resource.status.to_wire() | patch)
    again = replace(seen, resource=replace(seen.resource, status=known))
    assert not [one for one in decide(again) if isinstance(one, act.LogFailure)]


@pytest.mark.parametrize(
    ("kind", "todo"), [("models", "spec.resources.memory"), ("generationjobs", "fewer rows")]
)
def test_out_of_memory_names_the_limit_and_what_to_change(kind: str, todo: str) -> None:
    failed = job("", "j", "failed")
    failed["metadata"]["labels"]["simulacra.dev/kind"] = kind
    limits = {"resources": {"limits": {"memory": "3Gi"}}}
    failed["spec"]["template"] = {"spec": {"containers": [limits]}}
    actions = decide(generation(job=failed, pods=(pod(137, reason="OOMKilled"),)))
    told = of_type(actions, act.PatchStatus).patch["lastFailure"]["message"]
    assert "3Gi" in told
    assert todo in told


def test_suspension_and_resumption_reach_the_job() -> None:
    body = resource("GenerationJob", "gen-1", None, KEY, labels={LABEL_DATASET: "ds-1"})
    body["spec"]["suspend"] = True
    facts: dict[str, Any] = {"model": ended("Model", "mdl-1")}
    assert act.SuspendJob(job_name(body), True) in decide(observed(body, job=job("", "j"), **facts))
    body["spec"]["suspend"] = False
    assert act.SuspendJob(job_name(body), False) in decide(
        observed(body, job=job("", "j", "suspended"), **facts)
    )


def job_name(body: dict[str, Any]) -> str:
    return observed(body).job_name


def test_status_of_ended_work_changes_only_with_the_retention() -> None:
    status = {
        **KEY,
        "phase": "Ready",
        "observedGeneration": 1,
        "conditions": [{**ready_condition("True"), "observedGeneration": 1}],
        "finishedAt": "2026-03-01T12:00:00Z",
        "expiresAt": "2026-03-02T12:00:00Z",
    }
    seen = observed(resource("GenerationJob", "gen-1", None, status))
    assert decide(seen) == []
    capped = replace(seen, tenant=tenant(maxRetentionSeconds=3600))
    assert decide(capped) == [act.PatchStatus({"expiresAt": "2026-03-01T13:00:00Z"})]


def test_an_invalid_spec_fails_and_is_not_quoted() -> None:
    spec = {
        "modelRef": {"name": "mdl-1"},
        "rowCount": 10,
        "interventions": {"salary_of_zoe" * 30: {"number": 1}},
    }
    actions = decide(observed(resource("GenerationJob", "gen-1", spec)))
    assert conditions(actions)["Ready"] == ("False", "RequestInvalid")
    assert "zoe" not in repr(actions)


def test_a_dataset_with_an_invalid_spec_loses_its_bytes_if_any() -> None:
    beyond = {"source": {"sha256": "a" * 64, "bytes": 3}, "weights": "w" * 300}
    refused = decide(observed(resource("Dataset", "ds-1", beyond, {"wrappedKey": "key"})))
    assert [type(one) for one in refused] == [act.DiscardArtifacts, act.PatchStatus]
    assert refused[0] == act.DiscardArtifacts(None, None)
    assert [type(one) for one in decide(observed(resource("Dataset", "ds-1", beyond)))] == [
        act.PatchStatus
    ]


def test_rows_in_mode_customer_are_encrypted_with_the_customers_key() -> None:
    arn = "arn:aws:kms:eu-central-1:111122223333:key/0d1c2b3a-0000-4000-8000-000000000000"
    encryption = {
        "mode": "Customer",
        "keyArn": arn,
        "roleArn": "arn:aws:iam::111122223333:role/simulacra",
    }
    for spec, expected in (({"encryption": encryption}, arn), ({}, None)):
        seen = observed(
            resource(
                "GenerationJob", "gen-1", status={"wrappedKey": "k"}, labels={LABEL_DATASET: "ds-1"}
            ),
            model=ended("Model", "mdl-1"),
            tenant=tenant(**spec),
        )
        (job,) = [
            one.manifest
            for one in RECONCILERS["GenerationJob"](seen)
            if isinstance(one, act.CreateJob)
        ]
        env = {
            one["name"]: one.get("value")
            for one in job["spec"]["template"]["spec"]["containers"][0]["env"]
        }
        task = TaskSpec.model_validate_json(env["SIMULACRA_TASK"])
        assert (task.customer_key.key_arn if task.customer_key else None) == expected
