"""A neural fit by two workers on a real node: Lightning DDP over a headless Service.

`make e2e E2E=--neural` builds the image with torch that this needs, which takes minutes and 5 GiB
more of disk.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from installation import eventually
from node import NEURAL_VARIABLE, Node

pytestmark = [
    pytest.mark.node,
    pytest.mark.timeout(900),
    pytest.mark.skipif(
        NEURAL_VARIABLE not in os.environ, reason="the trainer with torch was not built: --neural"
    ),
]
ROWS = (f"{number % 17},{'gold' if number % 3 else 'basic'}" for number in range(300))
TABLE = "\n".join(["visits,segment", *ROWS, ""])
INDEX = "batch.kubernetes.io/job-completion-index"


def ranks(node: Node, inside: tuple[str, ...]) -> set[str]:
    """Return the ranks of the workers whose pods run now."""
    running = ("-l", "simulacra.dev/workers=2", "--field-selector=status.phase=Running")
    pods = json.loads(node.kubectl("get", "pods", *inside, *running, "-o", "json"))["items"]
    return {one["metadata"]["labels"][INDEX] for one in pods}


def test_two_pods_fit_one_model(node: Node, tmp_path: Path) -> None:
    kubectl = node.kubectl
    node.apply("install", "--set", "trainer.image.variant=cuda,api.replicas=1")
    table = tmp_path / "table.csv"
    table.write_text(TABLE)
    with node.api():
        client, tenant = node.sign_up("Two Workers")
        inside = ("-n", f"tenant-{tenant}")
        uploaded = client.upload(table, family="forest")
        client.wait(uploaded["job_id"], timeout=300)
        dataset = uploaded["dataset_id"]
        spec = {"datasetRef": {"name": dataset}, "family": "neural", "resources": {"workers": 2}}
        body = {
            "apiVersion": "simulacra.dev/v1alpha1",
            "kind": "Model",
            "metadata": {"name": "pair"},
            "spec": spec,
        }
        kubectl("create", *inside, "-f", "-", stdin=json.dumps(body))
        eventually(lambda: "pair-fit-" in kubectl("get", "services", *inside, "-o", "name"), 60)
        eventually(lambda: ranks(node, inside) == {"0", "1"}, 180)
        ready = '{.status.conditions[?(@.type=="Ready")].status}'
        eventually(
            lambda: kubectl("get", "model/pair", *inside, "-o", f"jsonpath={ready}") == "True", 400
        )
        status = json.loads(kubectl("get", "model/pair", *inside, "-o", "json"))["status"]
        assert status["family"] == "neural"
        assert "lastFailure" not in status, "no worker lost another"
        eventually(
            lambda: "pair-" not in kubectl("get", "services,jobs,pods", *inside, "-o", "name"), 60
        )
        body |= {"kind": "GenerationJob", "metadata": {"name": "rows"}}
        body["spec"] = {"modelRef": {"name": "pair"}, "rowCount": 50}
        kubectl("create", *inside, "-f", "-", stdin=json.dumps(body))
        kubectl("wait", "--for=condition=Ready", "generationjob/rows", *inside, "--timeout=170s")
        client.delete_dataset(dataset)
        client.close()
    assert [key for key in node.stored() if f"tenants/{tenant}/" in key] == []
    kubectl("delete", "tenant", tenant, "--timeout=120s")
    node.helm("uninstall", "--wait")
