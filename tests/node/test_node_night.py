"""A night in half an hour: 300 resources, faults of every kind; nothing is lost, all is explained.

Ten minutes without faults come first: no alert of the chart's rules is even pending. Then a drain,
a killed leader, a killed API, an outage of the store and one of the key provider, a full quota, an
upgrade and a rollback, each under load. The state of resources, the log and, where a person must
act, an alert explain every event; no alert comes without a cause. The rules run twice, as they are
and with a tenth of their durations. Opt-in: `python scripts/e2e.py --night`.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import httpx2
import pyarrow.parquet as pq
import pytest
import yaml

from helm_chart import SYSTEM
from installation import eventually
from night import (
    EXPLAINED_S,
    QUICK,
    ROWS,
    WORK,
    Asked,
    Load,
    Night,
    Told,
    away,
    holder,
    report,
    rules,
    small_table,
    wait_for_pods,
)
from node import CLUSTER_VARIABLE, NIGHT_VARIABLE, Node
from node_servers import BY_TOKEN, STORE_ARGUMENTS, set_arguments
from prometheus import Prometheus, of_release
from simulacra import ApiError, Client, JobFailed
from simulacra.certificates import verify_certificate
from simulacra_crds.kinds.base import LABEL_KIND

pytestmark = [
    pytest.mark.node,
    pytest.mark.timeout(5400),
    pytest.mark.skipif(
        NIGHT_VARIABLE not in os.environ or CLUSTER_VARIABLE not in os.environ,
        reason="half an hour and more on a node of this machine: scripts/e2e.py --night",
    ),
]
CUSTOMERS, EACH = 3, 96
"""The requests of each make 100 resources: four of them are uploads, of a Dataset and a Model."""
CALM_S, CORDONED_S = 600, 60
OUTAGE_S = {"seaweedfs": 240, "openbao": 90}
"""Four attempts of a pod end within two minutes: the store is away for longer."""
ADDRESS = "10.96.77.77"
"""A Service of our own for the API, whose address outlives its pods; this machine reaches it."""
OF_A_BUSY_MACHINE = {"SimulacraQueueLag", "SimulacraApiSlow"}
"""Alerts about seconds, which say nothing where load, product and cluster share two cores."""
AFTERWARDS_S = 150.0
"""How long an alert of the second set may go on after its cause: the longest range and `for`."""
CALM = "alerts in ten minutes without faults, firing or pending"
UNEXPLAINED = "alerts without a cause"
TWO = {"operator.replicas": "2"}


@pytest.mark.usefixtures("servers")
def test_a_night_loses_nothing_and_explains_everything(node: Node, tmp_path: Path) -> None:
    node.url = f"http://{ADDRESS}"
    figures: dict[str, Any] = {}
    node.apply("install", *set_arguments(BY_TOKEN | {"operator.replicas": "1"}))
    node.apply("upgrade", *set_arguments(BY_TOKEN | TWO))
    _expose(node)
    config = of_release() | {"rule_files": rules(tmp_path)}
    with Prometheus(tmp_path, config).running() as prometheus:
        night = Night(node, prometheus)
        customers, tenants = _customers(node)
        began = time.time()
        load = Load(small_table(tmp_path / "survey.csv"), pause_s=10)
        try:
            with load.running(customers, EACH):
                _calm(night, load, began, figures)
                _drain(night, customers[0], load)
                _kill_leader(night)
                _kill_api(night)
                _outage(night, "seaweedfs", "object store", "StoreUnavailable")
                _outage(night, "openbao", "key provider", "KeyUnavailable")
                _fill_quota(night, customers[2], tenants[2], load)
                _upgrade(night)
                eventually(lambda: load.resources() >= 300 or bool(load.errors), 1200)
            assert load.errors == []
            _settle(load, figures)
            _check_rows(load, tmp_path)
            figures["resources"] = load.resources()
            figures["repeated requests"] = {
                code: load.repeats.count(code) for code in sorted(set(load.repeats))
            }
            time.sleep(AFTERWARDS_S)
            _note_alerts(night, began, figures)
            _erase(node, load, tenants)
        finally:
            figures["load average at the end"] = os.getloadavg()
            figures["minutes"] = round((time.time() - began) / 60, 1)
            Path(os.environ[NIGHT_VARIABLE]).write_text(report(night, figures))
        _check(night, figures)


def _check(night: Night, figures: dict[str, Any]) -> None:
    """Check what the report says, once it is complete."""
    calm = {name.removeprefix(QUICK) for name in figures[CALM]}
    assert calm <= OF_A_BUSY_MACHINE, figures[CALM]
    late = [
        (told.event, place, words)
        for told in night.events
        for place, words in told.places.items()
        if words[0] > EXPLAINED_S
    ]
    assert late == []
    assert figures[UNEXPLAINED] == {}
    assert figures["alerts that go on"] == []


def _expose(node: Node) -> None:
    selector = {"app.kubernetes.io/name": "simulacra", "app.kubernetes.io/component": "api"}
    ports = [{"port": 80, "targetPort": 8080}]
    spec = {"clusterIP": ADDRESS, "selector": selector, "ports": ports}
    body = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "night"}, "spec": spec}
    node.kubectl("apply", "-n", SYSTEM, "-f", "-", stdin=yaml.safe_dump(body))

    def answers() -> bool:
        try:
            return httpx2.get(f"{node.url}/readyz", timeout=5).is_success
        except httpx2.TransportError:
            return False

    eventually(answers, 60)


def _customers(node: Node) -> tuple[list[Client], list[str]]:
    pairs = [node.sign_up(f"Night {at}") for at in range(CUSTOMERS)]
    for _, tenant in pairs:  # the node's two cores hold six pods of Jobs beside the product
        _patch_quota(node, tenant, {"concurrentJobs": 2})
    return [client for client, _ in pairs], [tenant for _, tenant in pairs]


def _patch_quota(node: Node, tenant: str, quotas: dict[str, int]) -> None:
    patch = json.dumps({"spec": {"quotas": quotas}})
    node.kubectl("patch", "tenant", tenant, "--type=merge", "-p", patch)


def _calm(night: Night, load: Load, began: float, figures: dict[str, Any]) -> None:
    """Ten minutes of load: no alert may be pending, neither as the rules are nor at their tenth."""
    time.sleep(max(began + CALM_S - time.time(), 0))
    assert load.errors == []
    pending = night.alerts(began + 5, time.time(), "pending|firing")
    figures[CALM] = {name: _spells(times, began) for name, times in pending.items()}
    figures["load average then"] = os.getloadavg()
    figures["resources in ten minutes without faults"] = load.resources()


def _drain(night: Night, customer: Client, load: Load) -> None:
    node = night.node
    load.upload(customer, "drained")
    wait_for_pods(node, f"{LABEL_KIND}=models")  # a fit, which does not end before it is evicted
    name = node.kubectl("get", "nodes", "-o", "name").strip().removeprefix("node/")
    with night.event("the node is drained of Jobs and cordoned for a minute") as told:
        options = ("--ignore-daemonsets", "--delete-emptydir-data", "--force")
        selector = ("--pod-selector=batch.kubernetes.io/job-name", "--timeout=60s")
        node.kubectl("drain", name, *options, *selector)
        night.explains(
            told,
            status=night.status("PodNotStarting"),
            log=night.logged(told, "operator", "pod failed, the job retries", "Interrupted"),
        )
        time.sleep(max(told.began + CORDONED_S - time.time(), 0))
        node.kubectl("uncordon", name)


def _kill_leader(night: Night) -> None:
    node = night.node
    leader = holder(node)
    with night.event("the operator that leads is killed", "SimulacraNoLeader") as told:
        node.kubectl("delete", "pod", leader, "-n", SYSTEM, "--grace-period=0", "--force")

        def next_one() -> str:
            now = holder(node)
            return f"Lease simulacra-operator: {now}" if now not in ("", leader) else ""

        log = night.logged(told, "operator", "leadership acquired")
        night.explains(told, status=next_one, log=log)


def _kill_api(night: Night) -> None:
    node = night.node
    selector = ("-n", SYSTEM, "-l", "app.kubernetes.io/component=api")
    with night.event("every API pod is killed", "SimulacraApiDown") as told:
        node.kubectl("delete", "pod", *selector, "--grace-period=0", "--force")
        path = '{.status.conditions[?(@.type=="Available")].message}'

        def unavailable() -> str:
            shown = ("get", "deployment", "simulacra-api", "-n", SYSTEM, "-o", f"jsonpath={path}")
            said = node.kubectl(*shown)
            return said if "does not have minimum" in said else ""

        night.explains(told, status=unavailable, log=night.logged(told, "api", '"url"'))
        node.kubectl("rollout", "status", "-n", SYSTEM, "deploy/simulacra-api", "--timeout=120s")


def _outage(night: Night, server: str, what: str, error: str) -> None:
    wait_for_pods(night.node)
    causes = ("SimulacraCustodyErrors", "SimulacraApiErrors")
    of_operator, of_pod = (night.status("CustodyUnavailable", word) for word in (what, error))
    with (
        night.event(f"an outage of the {what}", *causes) as told,
        away(night.node, server),
    ):
        night.explains(
            told,
            status=lambda: of_operator() or of_pod(),
            # of the operator's own call, or of a pod's
            log=night.logged(told, "operator", "failed", error),
            alert=night.alerted("SimulacraCustodyErrors"),
        )
        time.sleep(max(told.began + OUTAGE_S[server] - time.time(), 0))
    time.sleep(60)  # the next event comes when work goes on


def _fill_quota(night: Night, client: Client, tenant: str, load: Load) -> None:
    node = night.node
    with night.event("a tenant's quota is full") as told:
        _patch_quota(node, tenant, {"storedBytes": 1})
        model = node.kubectl(
            "get", "models", "-n", f"tenant-{tenant}", "-o", "jsonpath={.items[0].metadata.name}"
        )
        body = {
            "apiVersion": "simulacra.dev/v1alpha1",
            "kind": "GenerationJob",
            "metadata": {"name": "by-kubectl", "namespace": f"tenant-{tenant}"},
            "spec": {"modelRef": {"name": model}, "rowCount": ROWS},
        }
        node.kubectl("apply", "-f", "-", stdin=yaml.safe_dump(body))

        def answer() -> str:
            try:
                client.upload(load.table, key="full")
            except ApiError as error:
                return f"{error.status} {error.code}: {error.detail}"
            return ""

        night.explains(
            told,
            answer=answer,
            status=night.status("by-kubectl", "AwaitingQuota"),
            log=night.logged(told, "operator", "AwaitingQuota"),
        )
        _patch_quota(node, tenant, {"storedBytes": 1 << 30})
    by_kubectl = ("by-kubectl", "job-gen.by-kubectl")
    dataset = model.replace("mdl-", "ds-")
    load.asked.append(
        Asked(
            client, "generation", *by_kubectl, lambda key: client.generate(dataset, ROWS, key=key)
        )
    )


def _upgrade(night: Night) -> None:
    node, deployment = night.node, "deploy/simulacra-operator"
    newer = set_arguments(BY_TOKEN | {"operator.replicas": "1", "log.level": "debug"})
    for what, act in (
        ("an upgrade: one operator, another log level", lambda: node.apply("upgrade", *newer)),
        ("a rollback to two operators", lambda: node.helm("rollback", "--wait")),
    ):
        with night.event(what, "SimulacraNoLeader") as told:
            act()
            told.began = time.time()
            night.explains(
                told,
                status=lambda: node.kubectl("rollout", "status", "-n", SYSTEM, deployment),
                log=night.logged(told, "operator", "leadership acquired"),
            )


def _settle(load: Load, figures: dict[str, Any]) -> None:
    """Wait for every job; one that an outage ended is asked for again, as its error says."""
    ends: dict[str, int] = {}
    for one in list(load.asked):
        try:
            end = one.client.wait(one.job, timeout=1200, away_seconds=300)["status"]
        except JobFailed as failed:
            end = f"failed: {failed.args[0]}"[:160]
            load.asked.remove(one)
            load.asked.append(_again(load, one))
        ends[end] = ends.get(end, 0) + 1
    figures["jobs by their end"] = ends
    for one in load.asked:
        assert one.client.job(one.job)["status"] in ("ready", "partial")


def _again(load: Load, one: Asked) -> Asked:
    again = load.ask(one.client, one.kind, one.ask, f"again-{one.resource}")
    one.client.wait(again.job, timeout=600)
    return again


def _check_rows(load: Load, folder: Path) -> None:
    path = folder / "rows.parquet"
    for one in load.asked:
        if one.kind == "generation":
            path.unlink(missing_ok=True)
            one.client.download(one.resource, path, "parquet")
            assert pq.read_metadata(path).num_rows == ROWS


def _note_alerts(night: Night, began: float, figures: dict[str, Any]) -> None:
    fired = night.alerts(began, time.time())
    figures["alerts that fired"] = {
        name: _spells(times, began) for name, times in sorted(fired.items())
    }
    without = {
        name: _spells(times, began)
        for name, times in fired.items()
        if name.removeprefix(QUICK) not in OF_A_BUSY_MACHINE
        if not all(any(_causes(told, name, at) for told in night.events) for at in times)
    }
    figures[UNEXPLAINED] = without
    still = {name for name, times in fired.items() if times[-1] > time.time() - 10}
    busy = {f"{QUICK}{one}" for one in OF_A_BUSY_MACHINE}
    figures["alerts that go on"] = [one for one in still - busy if one.startswith(QUICK)]


def _causes(told: Told, name: str, at: float) -> bool:
    quick = name if name.startswith(QUICK) else f"{QUICK}{name}"
    last = told.ended + AFTERWARDS_S * (1 if name.startswith(QUICK) else 12)
    return quick in told.expected and told.started <= at <= last


def _spells(times: list[float], began: float) -> list[str]:
    """Return the times as minutes from the begin: from - to."""
    spells: list[list[float]] = []
    for at in times:
        if not spells or at - spells[-1][1] > 10:
            spells.append([at, at])
        spells[-1][1] = at
    return [f"{(a - began) / 60:.1f} - {(b - began) / 60:.1f}" for a, b in spells]


def _erase(node: Node, load: Load, tenants: list[str]) -> None:
    """Delete every table; each certificate verifies, and nothing of the tenants is left."""
    for one in load.asked:
        if one.kind == "dataset":
            one.client.delete_dataset(one.resource, timeout=300)
            certificate = one.client.erasure_certificate(one.resource)
            assert verify_certificate(certificate, one.client.published_keys())
    for tenant in tenants:
        assert node.kubectl("get", WORK, "-n", f"tenant-{tenant}", "-o", "name") == ""
        assert [key for key in node.stored(*STORE_ARGUMENTS) if f"tenants/{tenant}/" in key] == []
        node.kubectl("delete", "tenant", tenant, "--timeout=120s")
    node.kubectl("delete", "service", "night", "-n", SYSTEM)
    node.helm("uninstall", "--wait")
