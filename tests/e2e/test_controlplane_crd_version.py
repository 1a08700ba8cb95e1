"""A second version of a kind on a real API server: what `strategy: None` keeps and what it loses.

ADR 0083 decides by it. It is tried with the Dataset's own definition: v1beta1 beside v1alpha1, the
move of the storage, the way back, and a field that v1beta1 calls otherwise.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest

from established import wait_for_kinds
from real_cluster import TOOL, RealCluster
from simulacra_crds.crd_yaml import crd
from simulacra_crds.kinds.dataset import Dataset

pytestmark = [pytest.mark.controlplane, pytest.mark.timeout(200)]
CRD = crd(Dataset)
NAME = CRD["metadata"]["name"]
OLD, NEW = "v1alpha1", "v1beta1"
BODY = {"kind": "Dataset", "spec": {"source": {"type": "Upload"}, "retentionSeconds": 7200}}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealCluster]:
    """A control plane without the product: conversion is the API server's."""
    if not TOOL.exists():
        pytest.skip("there is no real control plane here (../shared/bin/cluster)")
    cluster = RealCluster(tmp_path_factory.mktemp("versions") / "cluster")
    with cluster.running():
        yield cluster


def _apply(cluster: RealCluster, *, stored: str, renamed: bool = False) -> None:
    """Apply the definition with both versions served; one of them is stored."""
    definition = copy.deepcopy(CRD)
    (first,) = definition["spec"]["versions"]
    second = copy.deepcopy(first) | {"name": NEW}
    if renamed:
        fields = second["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
        fields["retainSeconds"] = fields.pop("retentionSeconds")
        # Kubernetes 1.36 refuses equal selectableFields of versions whose schemas differ
        del second["selectableFields"]
    for one in (first, second):
        one["storage"] = one["name"] == stored
    definition["spec"]["versions"] = [first, second]
    text = json.dumps(definition)
    cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=text)
    wait_for_kinds(cluster.kubectl, NAME)


def _create(cluster: RealCluster, version: str, name: str) -> None:
    body = {**BODY, "apiVersion": f"simulacra.dev/{version}", "metadata": {"name": name}}
    cluster.kubectl("create", "-f", "-", stdin=json.dumps(body))


def _read(cluster: RealCluster, version: str, name: str) -> dict[str, Any]:
    where = f"datasets.{version}.simulacra.dev"
    found: dict[str, Any] = json.loads(cluster.kubectl("get", where, name, "-o", "json"))
    assert found["apiVersion"] == f"simulacra.dev/{version}"
    return found


def _stored(cluster: RealCluster) -> list[str]:
    text = cluster.kubectl("get", "crd", NAME, "-o", "jsonpath={.status.storedVersions}")
    found: list[str] = json.loads(text)
    return found


def test_a_version_with_the_same_fields_needs_no_webhook_and_can_be_taken_back(
    cluster: RealCluster,
) -> None:
    cluster.kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps(CRD))
    wait_for_kinds(cluster.kubectl, NAME)
    _create(cluster, OLD, "before")
    _apply(cluster, stored=NEW)
    _create(cluster, NEW, "after")
    for name in ("before", "after"):
        old, new = (_read(cluster, version, name) for version in (OLD, NEW))
        assert old["spec"] == new["spec"]
        assert old["metadata"]["uid"] == new["metadata"]["uid"]
    assert _stored(cluster) == [OLD, NEW]
    _apply(cluster, stored=OLD)  # a rollback
    assert _read(cluster, OLD, "after")["spec"]["retentionSeconds"] == 7200
    refused = cluster.kubectl(
        "apply", "--server-side", "--force-conflicts", "-f", "-", stdin=json.dumps(CRD), ok=False
    )
    assert "status.storedVersions" in refused  # until what is stored was written again
    for name in ("before", "after"):
        cluster.kubectl("annotate", "dataset", name, "moved=1")
    status = json.dumps({"status": {"storedVersions": [OLD]}})
    cluster.kubectl("patch", "crd", NAME, "--subresource=status", "--type=merge", "-p", status)
    cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=json.dumps(CRD))
    assert _read(cluster, OLD, "after")["spec"]["retentionSeconds"] == 7200


def test_a_renamed_field_is_lost_without_a_webhook(cluster: RealCluster) -> None:
    _apply(cluster, stored=OLD)
    _create(cluster, OLD, "renamed")
    _apply(cluster, stored=NEW, renamed=True)
    assert "retainSeconds" not in _read(cluster, NEW, "renamed")["spec"]
    cluster.kubectl("annotate", "datasets.v1beta1.simulacra.dev", "renamed", "moved=1")
    kept = _read(cluster, OLD, "renamed")["spec"].get("retentionSeconds")
    assert kept != 7200  # the write through v1beta1 pruned it; v1alpha1 shows the default
