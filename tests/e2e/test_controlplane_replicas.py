"""The number of operators on a real API server: one, two and one again, as Helm applies it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml

from helm_chart import render
from real_cluster import GIVEN_VARIABLE, SYSTEM, TOOL, RealCluster

pytestmark = [pytest.mark.controlplane, pytest.mark.timeout(300)]
RECREATE = {"type": "Recreate"}
"""Strategy of the chart before, for one operator."""


def _apply(cluster: RealCluster, replicas: int, strategy: dict[str, str] | None = None) -> None:
    """Apply the operator's Deployment as Helm 4 does: on the server, for one field manager."""
    count = ("--set", f"operator.replicas={replicas}")
    (body,) = render(*count, only=("operator/deployment.yaml",))
    if strategy is not None:
        body["spec"]["strategy"] = strategy
    how = ("apply", "--server-side", "--field-manager=helm", "-f", "-")
    cluster.kubectl(*how, stdin=yaml.safe_dump(body))


def test_operators_become_two_and_one_again_and_roll_back(tmp_path: Path) -> None:
    given = os.environ.get(GIVEN_VARIABLE)
    if given is None and not TOOL.exists():
        pytest.skip(f"no real kube-apiserver: neither ../shared/bin/cluster nor {GIVEN_VARIABLE}")
    cluster = RealCluster(tmp_path / "cluster", given)
    with cluster.running():
        cluster.kubectl("create", "namespace", SYSTEM)
        _apply(cluster, 1, RECREATE)  # of the release before: an upgrade, and back, and again
        _apply(cluster, 1)
        _apply(cluster, 1, RECREATE)
        for replicas in (1, 2, 1):
            _apply(cluster, replicas)
        shown = ("get", "deployment", "simulacra-operator", "-n", SYSTEM, "-o")
        assert cluster.kubectl(*shown, "jsonpath={.spec.replicas}") == "1"
