"""kopf as the operator runs it: discovery, watch, patches, finalizers, events, restart."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

OPERATOR = Path(__file__).with_name("kopf_operator.py")


@contextlib.contextmanager
def operator(cluster: Any, ns: str, log: Path) -> Iterator[None]:
    """Run the operator as a process for one namespace."""
    command = [
        sys.executable,
        "-m",
        "kopf",
        "run",
        str(OPERATOR),
        "-n",
        ns,
        "--standalone",
        "--verbose",
    ]
    environment = {**os.environ, "KUBECONFIG": str(cluster.kubeconfig), "LOGNAME": "suite"}
    with log.open("ab") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file, env=environment)
        try:
            yield
        finally:
            process.terminate()
            assert process.wait(60) == 0


def test_kopf_operator_handles_create_change_delete_and_restart(
    cluster: Any, ns: str, widgets: str, widget: Any, eventually: Any, tmp_path: Path
) -> None:
    def status() -> dict[str, Any]:
        found: dict[str, Any] = cluster.call("GET", f"{widgets}/a", code=200).get("status", {})
        return found

    log = tmp_path / "kopf.log"
    with operator(cluster, ns, log):
        cluster.call("POST", widgets, widget("a"), 201)
        eventually(lambda: status().get("phase") == "Created")
        made = cluster.call("GET", f"{widgets}/a", code=200)["metadata"]
        assert made["finalizers"] == ["contract.test/kopf"]
        assert made["generation"] == 1
        events = f"/api/v1/namespaces/{ns}/events"
        eventually(
            lambda: any(
                e["reason"] == "Greeted" for e in cluster.call("GET", events, code=200)["items"]
            )
        )
        cluster.patch(f"{widgets}/a", {"spec": {"size": 9}})
        eventually(lambda: status() == {"phase": "Sized9", "observedGeneration": 2})
    # The restarted operator must find a change that it did not see.
    with operator(cluster, ns, log):
        cluster.patch(f"{widgets}/a", {"spec": {"size": 4}})
        eventually(lambda: status().get("phase") == "Sized4")
        cluster.call("DELETE", f"{widgets}/a", code=200)
        eventually(lambda: cluster.client.get(f"{widgets}/a").status_code == 404)
    said = log.read_text()
    assert "Traceback" not in said, said
    assert "not yet" in said
