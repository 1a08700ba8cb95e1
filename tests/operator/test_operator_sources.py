"""A Dataset from an object: which objects are allowed, and what the pod gets."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any
from unittest.mock import ANY

import pytest
from pydantic import ValidationError

from operator_facts import NOW, SETTINGS, ended, iso, job, observed, pod, resource, result, tenant
from simulacra_crds.kinds.dataset import ReadSource
from simulacra_crds.kinds.tenant import ObjectSource, TenantSpec
from simulacra_crds.kube.client import Object
from simulacra_crds.tasks import PrepareRequest
from simulacra_custody.wiring import is_own_bucket, own_buckets
from simulacra_operator.observed.custom_resource import parse
from simulacra_operator.observed.observe import Observed
from simulacra_operator.runtime.planner import RECONCILERS
from simulacra_operator.work import actions as act
from simulacra_operator.work.expiry import due

reconcile = RECONCILERS["Dataset"]

URI = "s3://acme-data/in/layoffs.csv"
BY_SECRET = {
    "prefix": "s3://acme-data/in/",
    "endpoint": "https://s3.acme.example",
    "secretName": "acme-reader",
}
ROLE = "arn:aws:iam::111122223333:role/reader"


def dataset(
    status: Object | None = None, *, sources: Any = (BY_SECRET,), source: Any = None, **facts: Any
) -> Observed:
    spec = {"source": {"type": "Object", "uri": URI, "format": "csv", **(source or {})}}
    owner = tenant(sources=list(sources), **facts.pop("quotas", {}))
    return observed(resource("Dataset", "ds-1", spec, status), **{"tenant": owner, **facts})


def of_type(actions: list[act.Action], kind: type[Any]) -> Any:
    (found,) = [one for one in actions if isinstance(one, kind)]
    return found


def gate(seen: Observed) -> tuple[str, str, str]:
    """Return status and reason of SourceAllowed, and the phase."""
    actions = reconcile(seen)
    patch = next(one.patch for one in actions if isinstance(one, act.PatchStatus | act.CreateKey))
    found = next(one for one in patch["conditions"] if one["type"] == "SourceAllowed")
    assert URI not in json.dumps(patch), "an object's key may be as confidential as a column's name"
    assert found["status"] == "True" or found["message"]
    return found["status"], found["reason"], patch["phase"]


def test_the_operator_creates_the_key_and_the_pod_reads_as_the_tenant() -> None:
    assert gate(dataset()) == ("True", "SourceAllowed", "Running")
    of_type(reconcile(dataset()), act.CreateKey)
    actions = reconcile(dataset({"wrappedKey": "key"}, source={"sha256": "a" * 64}))
    request = PrepareRequest.model_validate_json(of_type(actions, act.WriteRequest).content)
    assert request.source is not None
    assert (request.format, request.source.uri, request.source.sha256) == ("csv", URI, "a" * 64)
    assert (request.source.limit, request.source.endpoint) == (1 << 30, "https://s3.acme.example")
    (container,) = of_type(actions, act.CreateJob).manifest["spec"]["template"]["spec"][
        "containers"
    ]
    refs = {
        one["name"]: one["valueFrom"]["secretKeyRef"]
        for one in container["env"]
        if "valueFrom" in one
    }
    assert refs["SIMULACRA_SOURCE_SECRET_ACCESS_KEY"] == {
        "name": "acme-reader",
        "key": "AWS_SECRET_ACCESS_KEY",
    }
    assert refs["SIMULACRA_SOURCE_SESSION_TOKEN"]["optional"] is True
    assert URI not in json.dumps(container), "the uri is in the encrypted request only"


def test_with_a_role_the_pod_gets_no_secret() -> None:
    role = {"prefix": "s3://acme-data/in/", "roleArn": ROLE, "externalId": "acme-7c1"}
    actions = reconcile(dataset({"wrappedKey": "key"}, sources=(role,)))
    request = PrepareRequest.model_validate_json(of_type(actions, act.WriteRequest).content)
    assert request.source is not None
    assert (request.source.role_arn, request.source.external_id) == (ROLE, "acme-7c1")
    assert "secretKeyRef" not in json.dumps(of_type(actions, act.CreateJob).manifest)


@pytest.mark.parametrize(
    "prefix",
    [
        None,
        "s3://acme-data/out/",
        "s3://acme-dat/in/",
        "s3://acme-data/in/layoffs.csv/",
        "s3://acme-data-2/",
    ],
)
def test_a_uri_outside_all_prefixes_is_refused_for_good(prefix: str | None) -> None:
    sources = [] if prefix is None else [{**BY_SECRET, "prefix": prefix}]
    assert gate(dataset(sources=sources)) == ("False", "SourceNotAllowed", "Failed")
    assert not any(
        isinstance(one, act.CreateKey | act.CreateJob)
        for one in reconcile(dataset(sources=sources))
    )


def test_the_longest_matching_prefix_decides_the_access() -> None:
    wide = {**BY_SECRET, "prefix": "s3://acme-data/", "secretName": "wide"}
    spec = TenantSpec.model_validate({"sources": [wide, BY_SECRET]})
    found = (
        spec.source_of(URI),
        spec.source_of("s3://acme-data/other.csv"),
        spec.source_of("s3://acme-database/x"),
    )
    assert [one.secret_name if one else None for one in found] == ["acme-reader", "wide", None]


@pytest.mark.parametrize(
    ("store", "refused"),
    [
        ("s3://acme-data/deep?endpoint=https://other.example", True),
        ("s3://acme-{tenant}?region=eu-west-1", True),
        ("s3://acme-data-2/in", False),
        ("file:///acme-data", False),
    ],
)
def test_the_installations_own_store_is_never_a_source(store: str, refused: bool) -> None:
    for variable in ("SIMULACRA_STORE", "SIMULACRA_AUDIT"):
        buckets = own_buckets({variable: store})
        assert is_own_bucket(buckets, URI) is refused
        status = gate(dataset(settings=replace(SETTINGS, own_buckets=buckets)))[:2]
        assert status == (("False", "SourceNotAllowed") if refused else ("True", "SourceAllowed"))


def test_the_limits_are_those_of_an_upload() -> None:
    small = {"quotas": {"quotas": {"maxUploadBytes": 1000, "storedBytes": 5000}}}
    assert gate(dataset(source={"bytes": 1001}, **small)) == ("False", "SourceTooLarge", "Failed")
    assert gate(dataset(stored_bytes=5000, **small)) == ("False", "AwaitingQuota", "Pending")
    actions = reconcile(dataset({"wrappedKey": "key"}, stored_bytes=4400, **small))
    assert json.loads(of_type(actions, act.WriteRequest).content)["source"]["limit"] == 600


def test_a_dataset_from_an_object_waits_for_its_tenant() -> None:
    assert gate(dataset(tenant=None)) == ("False", "AwaitingTenant", "Pending")
    assert gate(dataset(tenant=tenant(ready=False, sources=[BY_SECRET])))[:2] == (
        "True",
        "SourceAllowed",
    )
    assert due(dataset().resource, 604_800).reason == "Expired"
    assert (
        due(parse(resource("Dataset", "ds-1", {"source": {}})), 604_800).reason == "UploadAbandoned"
    )


ABSENT = ('secret "acme-reader" not found', "secret acme-reader not found")
KEYLESS = (
    "couldn't find key AWS_SECRET_ACCESS_KEY in Secret tenant-acme/acme-reader",
    "env SIMULACRA_SOURCE_SECRET_ACCESS_KEY: acme-reader has no key AWS_SECRET_ACCESS_KEY",
)
"""Messages of the kubelet and of the embedded node agent."""


def unconfigured(said: str) -> Object:
    """Return the pod of the operator's Job before its container is created."""
    manifest = of_type(reconcile(dataset({"wrappedKey": "key"})), act.CreateJob).manifest
    waiting = {"reason": "CreateContainerConfigError", "message": said}
    status = {"phase": "Pending", "containerStatuses": [{"state": {"waiting": waiting}}]}
    return {
        "metadata": {"namespace": "tenant-acme"},
        "spec": manifest["spec"]["template"]["spec"],
        "status": status,
    }


def prepared(status: Object, job: Object, *pods: Object) -> Object:
    """Return the status after a pass."""
    patch = of_type(reconcile(dataset(status, job=job, pods=pods)), act.PatchStatus).patch
    (found,) = [one for one in patch["conditions"] if one["type"] == "Prepared"]
    assert (
        found["reason"]
        == next(one for one in patch["conditions"] if one["type"] == "Ready")["reason"]
    )
    return {**status, **patch, "found": (found["reason"], found["message"])}


@pytest.mark.parametrize(
    ("said", "lacks"), [*((one, None) for one in ABSENT), *((one, "key") for one in KEYLESS)]
)
def test_a_missing_source_secret_is_reported_by_name(said: str, lacks: str | None) -> None:
    reason, message = prepared({"wrappedKey": "key"}, job("Dataset", "j"), unconfigured(said))[
        "found"
    ]
    do = (
        "has no key AWS_SECRET_ACCESS_KEY: add it"
        if lacks
        else "create it with AWS_ACCESS_KEY_ID and AWS_SECRET"
    )
    assert reason == "SourceSecretMissing"
    assert [
        one
        for one in ("acme-reader", "tenant-acme", "secretName", "spec.sources", do)
        if one not in message
    ] == []


@pytest.mark.parametrize(
    "said", ['secret "simulacra-pods" not found', 'secret "acme-reader-2" not found', ""]
)
def test_another_missing_secret_is_not_reported_as_the_tenants(said: str) -> None:
    reason, message = prepared({"wrappedKey": "key"}, job("Dataset", "j"), unconfigured(said))[
        "found"
    ]
    assert (reason, "CreateContainerConfigError" in message) == ("PodNotStarting", True)


def test_a_missing_secret_is_the_reason_of_a_missed_deadline() -> None:
    waiting = prepared({"wrappedKey": "key"}, job("Dataset", "j"), unconfigured(ABSENT[0]))
    failing = job("Dataset", "j")
    failing["status"]["conditions"] = [
        {"type": "FailureTarget", "status": "True", "reason": "DeadlineExceeded"}
    ]
    kept = {name: value for name, value in waiting.items() if name != "found"}
    assert not [
        one for one in reconcile(dataset(kept, job=failing)) if isinstance(one, act.PatchStatus)
    ]
    ended = prepared(kept, job("Dataset", "j", "late"))
    assert (ended["phase"], ended["lastFailure"]["reason"]) == ("Failed", "SourceSecretMissing")
    assert waiting["found"][1] in ended["lastFailure"]["message"]
    started = prepared(kept, job("Dataset", "j"))
    assert started["found"][0] == "JobRunning"
    started.pop("found")
    assert (
        prepared(started, job("Dataset", "j", "late"))["lastFailure"]["reason"]
        == "DeadlineExceeded"
    )


def test_the_read_object_is_in_status_and_not_certified() -> None:
    from simulacra_operator.runtime.eraser import erased_artifacts

    read = {"sha256": "b" * 64, "bytes": 7}
    ends = (pod(0, result=result(rows=20, columns=2, source=read)),)
    seen = dataset(
        {"wrappedKey": "key"}, job=job("Dataset", "j", "complete"), pods=ends, source=read
    )
    assert of_type(reconcile(seen), act.PatchStatus).patch["source"] == read
    assert erased_artifacts(seen.resource) == []
    assert [one.name for one in erased_artifacts(ended("Dataset", "ds-1"))] == ["upload"]
    assert seen.now == NOW


def test_a_read_is_recorded_before_the_dataset_is_finished() -> None:
    """The API records uploads; a Dataset that kubectl created would have no record."""
    read = {"sha256": "b" * 64, "bytes": 7}
    done = (pod(0, result=result(rows=20, columns=2, source=read)),)
    refused = (
        pod(
            42,
            result={
                **result(),
                "outcome": "Failed",
                "reason": "SourceUnreadable",
                "message": "absent",
            },
        ),
    )
    for state, pods, recorded in (
        ("complete", done, ReadSource.model_validate(read)),
        ("failed", refused, None),
    ):
        seen = dataset({"wrappedKey": "key"}, job=job("Dataset", "j", state), pods=pods)
        first, *others = reconcile(seen)
        assert first == act.RecordRead(recorded)
        assert of_type(others, act.PatchStatus).patch["finishedAt"]
        upload = observed(
            resource("Dataset", "ds-1", None, {"wrappedKey": "key"}), job=seen.job, pods=pods
        )
        assert not [one for one in reconcile(upload) if isinstance(one, act.RecordRead)]


def test_the_read_of_a_dataset_that_is_deleted_early_is_recorded() -> None:
    """Otherwise a deletion in time would hide the read."""
    read = {"sha256": "b" * 64, "bytes": 7}
    done = (pod(0, result=result(rows=20, columns=2, source=read)),)

    def dying(
        state: str, status: Object, pods: tuple[Object, ...] = (), **meta: Any
    ) -> list[act.Action]:
        seen = dataset(
            {"wrappedKey": "key", **status}, job=job("Dataset", "j", state, **meta), pods=pods
        )
        gone = seen.resource.meta.model_copy(update={"deletion_timestamp": NOW})
        return reconcile(replace(seen, resource=replace(seen.resource, meta=gone)))

    for state, pods, recorded in (
        ("complete", done, ReadSource.model_validate(read)),
        ("running", (), None),
    ):
        assert dying(state, {}, pods)[-2:] == [
            act.RecordRead(recorded),
            act.DeleteJob(ANY, "uid-job", wait=True),
        ]
    for actions in (
        dying("complete", {"finishedAt": iso(NOW)}, done),
        dying("running", {}, deletionTimestamp=iso(NOW)),
    ):
        assert not [one for one in actions if isinstance(one, act.RecordRead)], (
            "it is recorded already"
        )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"roleArn": ROLE, "externalId": "ab"}, "either secretName or roleArn"),
        ({"secretName": None}, "either secretName or roleArn"),
        ({"secretName": None, "roleArn": ROLE}, "set roleArn and externalId together"),
        ({"secretName": "simulacra-pods"}, "installation's credentials"),
    ],
)
def test_a_source_has_one_access_and_not_the_installations(change: Object, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        ObjectSource.model_validate(
            {name: value for name, value in {**BY_SECRET, **change}.items() if value}
        )
