"""Pods as local processes, with our control plane and with a real one."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from simulacra_crds.kube.client import NODES, PODS, SECRETS

DISRUPTED = [{"type": "DisruptionTarget", "status": "True"}]
IGNORE_DISRUPTION = {"rules": [{"action": "Ignore", "onPodConditions": DISRUPTED}]}


async def pod(bench: Any, script: str, container: Any = None, **spec: Any) -> Any:
    """Create a Pod that runs a shell script; return it after its end."""
    name = f"pod-{time.monotonic_ns()}"
    main = {"name": "main", "image": "test/shell", "command": ["sh", "-c", script]}
    main |= container or {}
    body = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"color": "red"}, "annotations": {"note": "a b"}},
        "spec": {"restartPolicy": "Never", "containers": [main]} | spec,
    }
    await bench.cluster.create(PODS, body, bench.namespace)

    async def ended() -> Any:
        found = await bench.cluster.get(PODS, name, bench.namespace)
        return found if found["status"].get("phase") in ("Succeeded", "Failed") else None

    return await bench.until(ended)


def terminated(found: Any) -> Any:
    return found["status"]["containerStatuses"][0]["state"]["terminated"]


def lives(pid: str) -> bool:
    """Return whether a process exists and is not a zombie."""
    stat = Path(f"/proc/{int(pid)}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"


async def test_succeeded_pod_has_its_status_and_log(bench: Any) -> None:
    found = await pod(
        bench, "echo out; echo err >&2; printf '{\"a\": 1}' > $SIMULACRA_TERMINATION_PATH"
    )
    assert found["status"]["phase"] == "Succeeded"
    assert found["spec"]["nodeName"] == "embedded"
    assert terminated(found)["exitCode"] == 0
    assert terminated(found)["reason"] == "Completed"
    assert terminated(found)["message"] == '{"a": 1}'
    conditions = {c["type"]: (c["status"], c.get("reason")) for c in found["status"]["conditions"]}
    assert conditions["Ready"] == conditions["ContainersReady"] == ("False", "PodCompleted")
    assert conditions["PodScheduled"][0] == "True"
    assert sorted(bench.log(found).split()) == ["err", "out"]


async def test_termination_message_is_limited(bench: Any) -> None:
    found = await pod(
        bench, "head -c 9000 /dev/zero | tr '\\0' x > $SIMULACRA_TERMINATION_PATH; exit 42"
    )
    assert found["status"]["phase"] == "Failed"
    assert terminated(found)["exitCode"] == 42
    assert terminated(found)["reason"] == "Error"
    assert terminated(found)["message"] == "x" * 4096


async def test_signal_is_in_the_status(bench: Any) -> None:
    found = await pod(bench, "kill -KILL $$$$")  # $$ is an escaped dollar in a pod's command
    assert terminated(found)["exitCode"] == 137
    assert terminated(found)["signal"] == 9


async def test_environment_is_resolved_from_all_sources(bench: Any) -> None:
    secret = {"metadata": {"name": "s"}, "stringData": {"key": "hidden"}}
    await bench.cluster.create(SECRETS, secret, bench.namespace)
    env = [
        {"name": "PLAIN", "value": "one $(OTHER) $$(PLAIN)"},
        {"name": "LABEL", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['color']"}}},
        {"name": "NOTE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.annotations['note']"}}},
        {"name": "SECRET", "valueFrom": {"secretKeyRef": {"name": "s", "key": "key"}}},
        *(
            {
                "name": f"NONE_{key}",
                "valueFrom": {"secretKeyRef": {"name": name, "key": key, "optional": True}},
            }
            for name, key in (("s", "absent"), ("absent", "key"))
        ),
        {"name": "TWICE", "value": "$(SECRET)!"},
    ]
    container = {"env": env, "envFrom": [{"secretRef": {"name": "s"}}]}
    container |= {"resources": {"limits": {"cpu": "700m"}}}
    found = await pod(bench, "env", container)
    said = dict(line.split("=", 1) for line in bench.log(found).splitlines())
    assert said["PLAIN"] == "one $(OTHER) $(PLAIN)"
    assert said["LABEL"] == "red"
    assert said["NOTE"] == "a b"
    assert said["SECRET"] == "hidden"
    assert said["key"] == "hidden"
    assert said["TWICE"] == "hidden!"
    assert not said.keys() & {"NONE_absent", "NONE_key"}
    assert said["OMP_NUM_THREADS"] == said["NUMBA_NUM_THREADS"] == "1"
    assert (
        said["SIMULACRA_STORE"] == "file:///nowhere"
    )  # the agent's own, because the pod sets none
    assert "KUBECONFIG" not in said  # pods get no access to the cluster


async def test_custody_of_the_pod_overrides_the_agents(bench: Any) -> None:
    env = [{"name": "SIMULACRA_STORE", "value": "file:///pod"}]
    found = await pod(bench, "echo $SIMULACRA_STORE", {"env": env})
    assert bench.log(found) == "file:///pod\n"


async def test_private_temporary_directory_is_removed(bench: Any) -> None:
    found = await pod(bench, "stat -c %a $TMPDIR; touch $TMPDIR/x; pwd; umask")
    mode, folder, mask = bench.log(found).split()
    assert (mode, mask) == ("700", "0077")
    assert not Path(folder).exists()


async def test_memory_limit_kills_the_pod(bench: Any) -> None:
    script = "python3 -c 'x = bytearray(200 << 20); import time; time.sleep(30)'"
    found = await pod(bench, script, {"resources": {"limits": {"memory": "100Mi"}}})
    assert terminated(found)["reason"] == "OOMKilled"
    assert terminated(found)["exitCode"] == 137


async def test_descendants_end_with_their_pod(bench: Any) -> None:
    found = await pod(bench, "sleep 300 & echo $!; exit 0")
    assert not lives(bench.log(found))


async def test_missing_program_is_a_start_error(bench: Any) -> None:
    found = await pod(bench, "", {"command": ["/no/such/program"]})
    assert terminated(found)["reason"] == "StartError"
    assert terminated(found)["exitCode"] == 128


async def test_other_image_is_refused(bench: Any) -> None:
    found = await pod(bench, "", {"image": "docker.io/library/nginx"})
    assert found["status"]["phase"] == "Failed"
    assert found["status"]["reason"] == "ImageNotRunnable"
    assert "simulacra/trainer" in found["status"]["message"]


async def test_missing_secret_keeps_the_pod_waiting(bench: Any) -> None:
    env = [{"name": "S", "valueFrom": {"secretKeyRef": {"name": "later", "key": "k"}}}]
    body = {
        "metadata": {"name": "waits"},
        "spec": {
            "restartPolicy": "Never",
            "containers": [
                {"name": "main", "image": "test/shell", "command": ["true"], "env": env}
            ],
        },
    }
    await bench.cluster.create(PODS, body, bench.namespace)

    async def waiting() -> Any:
        found = await bench.cluster.get(PODS, "waits", bench.namespace)
        statuses = found["status"].get("containerStatuses")
        return statuses and statuses[0]["state"].get("waiting")

    assert await bench.until(waiting) == {
        "reason": "CreateContainerConfigError",
        "message": "secret later not found",
    }
    await bench.cluster.delete(PODS, "waits", bench.namespace, grace=1)

    async def gone() -> bool:
        return await bench.cluster.find(PODS, "waits", bench.namespace) is None

    await bench.until(gone)


@pytest.mark.parametrize(("script", "code"), [("trap 'exit 5' TERM", 5), ("trap '' TERM", 137)])
async def test_deleted_pod_gets_its_grace_period(
    bench: Any, script: str, code: int, condition: Any
) -> None:
    await bench.job(f"{script}; while :; do sleep 0.1; done", backoffLimit=0)
    (found,) = await bench.running()
    seen: list[Any] = []

    async def watch() -> None:
        async for change, item in bench.cluster.watch(PODS, bench.namespace):
            if change != "BOOKMARK" and item["metadata"]["uid"] == found["metadata"]["uid"]:
                seen.append((change, item))

    watching = asyncio.ensure_future(watch())
    await bench.cluster.delete(PODS, found["metadata"]["name"], bench.namespace)

    async def gone() -> bool:
        return any(change == "DELETED" for change, _ in seen)

    await bench.until(gone)
    watching.cancel()
    # 137: killed, after the grace period and not earlier.
    assert terminated(seen[-1][1])["exitCode"] == code
    assert seen[-1][1]["status"]["phase"] == "Failed"
    assert condition(await bench.ended(), "Failed")["reason"] == "BackoffLimitExceeded"


async def test_job_recovers_when_the_agent_is_killed(bench: Any, condition: Any) -> None:
    """Its processes end at the latest at the restart; the Job retries without a failure."""
    mark = bench.processes.root / f"pids-{bench.namespace}"
    script = f"echo $$$$ >> {mark}; sleep 100 & echo $! >> {mark}; "
    script += f"test $(wc -l < {mark}) -gt 2 || sleep 100"
    await bench.job(script, backoffLimit=0, podFailurePolicy=IGNORE_DISRUPTION)
    (found,) = await bench.running()

    async def marked() -> bool:
        return mark.exists() and len(mark.read_text().split()) == 2

    await bench.until(marked)
    bench.processes.end("node", signal.SIGKILL)
    bench.processes.start("node")
    status = await bench.ended(seconds=40)
    assert condition(status, "Complete")
    assert "failed" not in status
    for pid in mark.read_text().split():
        assert not lives(pid)
    if not bench.real:  # kube-controller-manager may have deleted the pod
        lost = await bench.cluster.get(PODS, found["metadata"]["name"], bench.namespace)
        assert condition(lost["status"], "DisruptionTarget")["reason"] == "TerminationByKubelet"


async def test_stopped_agent_disrupts_its_pods(bench: Any, condition: Any) -> None:
    await bench.job("sleep 1000", backoffLimit=0, podFailurePolicy=IGNORE_DISRUPTION)
    (found,) = await bench.running()
    assert bench.processes.end("node") == 0  # long before the end of its pods
    lost = await bench.cluster.get(PODS, found["metadata"]["name"], bench.namespace)
    assert lost["status"]["phase"] == "Failed"
    assert condition(lost["status"], "DisruptionTarget")
    bench.processes.start("node")


async def test_pods_wait_for_slots(bench: Any) -> None:
    """Four slots: of six pods that take a second, two wait."""
    await bench.job("sleep 1", completions=6, parallelism=6)
    began = time.monotonic()
    await bench.ended()
    assert time.monotonic() - began > 2
    assert (await bench.status())["succeeded"] == 6


async def test_node_is_ready_with_a_lease(bench: Any, condition: Any) -> None:
    node = await bench.cluster.get(NODES, "embedded")
    assert condition(node["status"], "Ready")
    assert int(node["status"]["capacity"]["cpu"]) == os.cpu_count()
    lease = await bench.cluster.request(
        "GET", "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/embedded"
    )
    assert lease["spec"]["holderIdentity"] == "embedded"
