"""Expiry of resources, and which deletions count as one."""

from __future__ import annotations

from datetime import timedelta

import pytest

from operator_facts import CREATED, LABELS, MODEL_OWNER, NOW, ended, iso, job, observed, resource
from simulacra_crds.kinds.base import (
    ANNOTATION_DELETED,
    ANNOTATION_UPLOAD_LEASE,
    ANNOTATION_UPLOAD_STARTED,
)
from simulacra_operator.observed.custom_resource import parse
from simulacra_operator.runtime.planner import RECONCILERS
from simulacra_operator.work import actions as act
from simulacra_operator.work import erasure
from simulacra_operator.work.expiry import due

WEEK = 604_800
HOUR = timedelta(hours=1)


def test_retention_starts_at_creation_or_at_the_end_of_a_result() -> None:
    end = CREATED + timedelta(minutes=1)
    assert due(ended("Dataset", "ds-1"), WEEK).at == CREATED + timedelta(days=1)
    assert due(ended("Model", "mdl-1"), WEEK).at == CREATED + timedelta(days=1)
    assert due(ended("GenerationJob", "gen-1"), WEEK).at == end + timedelta(days=1)
    assert due(parse(resource("GenerationJob", "gen-1")), WEEK).at == CREATED + timedelta(days=1)


def test_the_tenant_limits_the_retention() -> None:
    assert due(ended("Model", "mdl-1"), 60).at == CREATED + timedelta(seconds=60)


@pytest.mark.parametrize(
    ("annotations", "begun"),
    [
        ({}, CREATED),
        ({ANNOTATION_UPLOAD_STARTED: iso(CREATED + HOUR)}, CREATED + HOUR),
        ({ANNOTATION_UPLOAD_STARTED: "yesterday"}, CREATED),
        ({ANNOTATION_UPLOAD_STARTED: "2026-03-01T13:00:00"}, CREATED),
        ({ANNOTATION_UPLOAD_LEASE: f"00ff {iso(CREATED + 2 * HOUR)}"}, CREATED + 2 * HOUR),
        (
            {ANNOTATION_UPLOAD_LEASE: f"- {iso(CREATED + 3 * HOUR)}"},
            CREATED + 3 * HOUR,
        ),  # between two parts
    ],
)
def test_a_silent_upload_is_abandoned_after_an_hour(
    annotations: dict[str, str], begun: object
) -> None:
    dataset = parse(resource("Dataset", "ds-1", {"source": {}}, annotations=annotations))
    assert due(dataset, WEEK) == (begun + HOUR, "UploadAbandoned")  # type: ignore[operator]


def test_a_complete_upload_is_never_abandoned() -> None:
    assert due(parse(resource("Dataset", "ds-1")), WEEK).reason == "Expired"


def test_results_outlive_an_expired_dataset_but_not_a_deleted_one() -> None:
    results = (
        ended("GenerationJob", "gen-1"),
        parse(resource("GenerationJob", "gen-2", uid="uid-2")),
    )
    early, late = iso(CREATED + timedelta(seconds=50)), iso(CREATED + timedelta(seconds=60))
    body = resource("Dataset", "ds-1", {"retentionSeconds": 60}, {}, deletionTimestamp=early)
    explicit = erasure.reconcile(observed(body, dependants=results))
    body["metadata"]["deletionTimestamp"] = late
    expired = erasure.reconcile(observed(body, dependants=results))
    assert [one.key.name for one in explicit if isinstance(one, act.DeleteResource)] == [
        "gen-1",
        "gen-2",
    ]
    assert [one.key.name for one in expired if isinstance(one, act.DeleteResource)] == ["gen-2"]
    body["metadata"]["annotations"] = {ANNOTATION_DELETED: late}
    assert erasure.reconcile(observed(body, dependants=results)) == explicit


def test_unfinished_results_of_an_expired_model_end_before_its_erasure() -> None:
    late = iso(CREATED + timedelta(seconds=61))
    spec = {"datasetRef": {"name": "ds-1"}, "retentionSeconds": 60}
    body = resource("Model", "mdl-1", spec, {}, deletionTimestamp=late)
    running = parse(resource("GenerationJob", "gen-1"))
    (waits,) = erasure.reconcile(observed(body, dependants=(running,)))
    assert isinstance(waits, act.PatchStatus)
    work = resource("GenerationJob", "gen-1", labels=LABELS)
    ends = RECONCILERS["GenerationJob"](observed(work, model=parse(body), job=job("", "j")))
    assert [type(one) for one in ends] == [act.PatchStatus, act.DeleteJob]
    assert "finishedAt" not in ends[0].patch


def test_a_model_waits_for_results_that_the_garbage_collector_would_take() -> None:
    late = iso(CREATED + timedelta(days=2))
    body = resource("Model", "mdl-1", None, {}, deletionTimestamp=late)
    tied = ended("GenerationJob", "gen-1", ownerReferences=MODEL_OWNER)
    (waits,) = erasure.reconcile(observed(body, dependants=(tied,)))
    assert isinstance(waits, act.PatchStatus)


def test_a_request_for_the_dataset_counts_for_a_model_that_expired() -> None:
    late = iso(CREATED + timedelta(days=2))
    body = resource("Model", "mdl-1", None, {}, deletionTimestamp=late)
    noted = {ANNOTATION_DELETED: late}
    dataset = parse(resource("Dataset", "ds-1", deletionTimestamp=late, annotations=noted))
    assert erasure.by_expiry(observed(body))
    assert not erasure.by_expiry(observed(body, dataset=dataset))


def test_owners_that_are_no_model_of_ours_are_kept() -> None:
    others = [{**MODEL_OWNER[0], "apiVersion": "other.dev/v1"}, {"kind": "ConfigMap"}]
    result = ended("EffectEstimate", "eff-1", ownerReferences=[*MODEL_OWNER, *others])
    assert result.collected
    assert result.kept_owners == others
    assert not ended("Model", "mdl-1", ownerReferences=MODEL_OWNER).collected


def test_a_model_of_an_expired_dataset_spares_finished_results() -> None:
    spec = {"retentionSeconds": 60}
    dataset = parse(
        resource("Dataset", "ds-1", spec, deletionTimestamp=iso(CREATED + timedelta(seconds=61)))
    )
    body = resource(
        "Model", "mdl-1", None, {}, deletionTimestamp=iso(CREATED + timedelta(seconds=62))
    )
    seen = observed(body, dataset=dataset, dependants=(ended("GenerationJob", "gen-1"),))
    assert erasure.by_expiry(seen)
    assert isinstance(erasure.reconcile(seen)[-1], act.ReleaseFinalizer)
    assert not erasure.by_expiry(observed(body, dataset=ended("Dataset", "ds-1")))


def test_extending_the_retention_during_a_deletion_has_no_effect() -> None:
    status = {"expiresAt": iso(NOW - timedelta(seconds=5))}
    body = resource("Dataset", "ds-1", None, status, deletionTimestamp=iso(NOW))
    assert erasure.by_expiry(observed(body))
