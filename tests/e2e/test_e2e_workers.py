"""Neural fits on `simulacra up`: two workers of an Indexed Job, and a killed pod."""

from __future__ import annotations

import json
import os
import signal
from importlib.util import find_spec
from pathlib import Path

import pytest

from installation import SURVEY, Installation, descendants, eventually

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.neural,
    pytest.mark.skipif(find_spec("pytorch_lightning") is None, reason="needs the neural extra"),
    pytest.mark.reliability,
    pytest.mark.timeout(900),
]
INSIDE = ("-n", "tenant-default")
ROWS = (f"{number % 17},{'gold' if number % 3 else 'basic'}" for number in range(300))
TABLE = "\n".join(["visits,segment", *ROWS, ""])


def process_of_pods(installation: Installation) -> int:
    """Return the pid of the process that trainer pods are forks of."""
    assert installation.process
    return next(
        pid
        for pid in descendants(installation.process.pid)
        if b"simulacra_embedded.node.preloaded" in Path(f"/proc/{pid}/cmdline").read_bytes()
    )


def test_two_workers_of_an_indexed_job_fit_a_model(
    installation: Installation, tmp_path: Path
) -> None:
    kubectl = installation.kubectl
    table = tmp_path / "table.csv"
    table.write_text(TABLE)
    with installation.client() as client:
        uploaded = client.upload(table, family="forest")
        client.wait(uploaded["job_id"], timeout=240)
        dataset = uploaded["dataset_id"]
        spec = {"datasetRef": {"name": dataset}, "family": "neural", "resources": {"workers": 2}}
        body = {
            "apiVersion": "simulacra.dev/v1alpha1",
            "kind": "Model",
            "metadata": {"name": "pair"},
            "spec": spec,
        }
        kubectl("create", *INSIDE, "-f", "-", stdin=json.dumps(body))
        eventually(lambda: "pair-fit-" in kubectl("get", "services", *INSIDE, "-o", "name"), 60)
        (job,) = json.loads(kubectl("get", "jobs", *INSIDE, "-o", "json"))["items"]
        assert (job["spec"]["completionMode"], job["spec"]["completions"]) == ("Indexed", 2)
        ready = '{.status.conditions[?(@.type=="Ready")].status}'
        eventually(
            lambda: kubectl("get", "model/pair", *INSIDE, "-o", f"jsonpath={ready}") == "True", 600
        )
        status = json.loads(kubectl("get", "model/pair", *INSIDE, "-o", "json"))["status"]
        assert status["family"] == "neural"
        assert "lastFailure" not in status
        eventually(
            lambda: "pair-" not in kubectl("get", "services,jobs,pods", *INSIDE, "-o", "name"), 60
        )
        generation = {"modelRef": {"name": "pair"}, "rowCount": 50}
        body |= {"kind": "GenerationJob", "metadata": {"name": "rows"}, "spec": generation}
        kubectl("create", *INSIDE, "-f", "-", stdin=json.dumps(body))
        eventually(
            lambda: (
                kubectl("get", "generationjob/rows", *INSIDE, "-o", f"jsonpath={ready}") == "True"
            ),
            240,
        )
        client.delete_dataset(dataset)
    assert installation.objects() == []


def test_next_pod_resumes_the_fit_of_a_killed_pod(installation: Installation) -> None:
    kubectl = installation.kubectl
    with installation.client() as client:
        uploaded = client.upload(SURVEY, family="neural")
        kept = ("trained.ckpt", "last.ckpt")
        eventually(
            lambda: any(
                "/checkpoint/" in key and key.endswith(kept) for key in installation.objects()
            ),
            400,
        )
        os.kill(process_of_pods(installation), signal.SIGKILL)
        pods = ("get", "pods", *INSIDE, "--field-selector=status.phase=Running", "-o", "name")
        said = "interrupted fit resumed"

        def goes_on() -> bool:
            found = [name for name in kubectl(*pods).split() if "-fit-" in name]
            return any(said in kubectl("logs", name, *INSIDE) for name in found)

        eventually(goes_on, 120)
        client.wait(uploaded["job_id"], timeout=600)
        assert not [key for key in installation.objects() if "/checkpoint/" in key]
        client.delete_dataset(uploaded["dataset_id"])
    assert installation.objects() == []
