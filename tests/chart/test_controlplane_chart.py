"""Every variant of the chart on a real API server, and the life of a release."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

from helm_chart import CHART, FOREIGN, OWN, ROOT, SYSTEM, TOOL, VARIANTS, render, require_program
from real_cluster import CLIENTS, RealCluster

HOOK = "simulacra-copy-clients"
FLAGS = re.MULTILINE | re.DOTALL
pytestmark = [pytest.mark.controlplane, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealCluster]:
    if not TOOL.exists():
        pytest.skip("no real kube-apiserver: ../shared/bin/cluster is not there")
    found = RealCluster(tmp_path_factory.mktemp("chart") / "cluster")
    with found.running():
        for name in (
            SYSTEM,
            CLIENTS,
            f"{SYSTEM}-keys",
            "tenant-acme",
            "tenant-globex",
        ):  # the last three for "namespaced"
            found.kubectl("create", "namespace", name)
        found.kubectl("label", "namespace", SYSTEM, "pod-security.kubernetes.io/enforce=restricted")
        yield found


def helm(cluster: RealCluster, *arguments: str, ok: bool = True) -> str:
    command = [
        str(require_program("helm")),
        "--kubeconfig",
        str(cluster.kubeconfig),
        *arguments,
        "-n",
        SYSTEM,
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert (done.returncode == 0) is ok, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def account(cluster: RealCluster) -> Iterator[None]:
    """Create the account of a bare pod, which admission needs even in a dry run."""
    cluster.kubectl("create", "serviceaccount", "simulacra-api", "-n", SYSTEM)
    yield
    cluster.kubectl("delete", "serviceaccount", "simulacra-api", "-n", SYSTEM)


@pytest.mark.usefixtures("account")
@pytest.mark.parametrize("variant", VARIANTS)
def test_api_server_accepts_every_object(cluster: RealCluster, variant: str) -> None:
    objects = [
        one for one in render(*VARIANTS[variant]) if one["apiVersion"].split("/")[0] not in FOREIGN
    ]
    out = cluster.kubectl(
        "apply", "--dry-run=server", "--server-side", "-f", "-", stdin=yaml.safe_dump_all(objects)
    )
    assert len(out.splitlines()) == len(objects)
    assert "Warning" not in out


def test_release_keeps_its_secret_store_and_crds(cluster: RealCluster, tmp_path: Path) -> None:
    cluster.kubectl("delete", "namespace", CLIENTS)
    quick = ("--set", "check.enabled=false")
    notes = helm(cluster, "install", "simulacra", str(CHART), *quick)
    assert "FOR TRIALS ONLY" in notes
    get = ("get", "secret", "simulacra-credentials", "-n", SYSTEM, "-o", "jsonpath={.data}")
    before = cluster.kubectl(*get)
    assert len(json.loads(before)) == 3
    assert "cannot be imported" in helm(cluster, "install", "second", str(CHART), *quick, ok=False)
    next_chart = tmp_path / "next"
    shutil.copytree(CHART, next_chart)
    text = (CHART / "Chart.yaml").read_text().replace("\nversion: 0.", "\nversion: 1.")
    (next_chart / "Chart.yaml").write_text(text)
    helm(cluster, "upgrade", "simulacra", str(next_chart), *quick)
    assert cluster.kubectl(*get) == before
    assert "--set store.change=true" in helm(
        cluster, "upgrade", "simulacra", str(CHART), "--set", OWN, ok=False
    )
    variable = ".spec.template.spec.containers[0].env[?(@.name=='SIMULACRA_STORE_TAKE_OVER')]"
    taken = f"jsonpath={{{variable}.value}}"
    own = cluster.kubectl("get", "namespace", "kube-system", "-o", "jsonpath={.metadata.uid}")
    operator = ("get", "deployment", "simulacra-operator", "-n", SYSTEM, "-o", taken)
    helm(cluster, "upgrade", "simulacra", str(CHART), *quick, "--set", f"{OWN},store.change=true")
    assert cluster.kubectl(*operator) == own
    helm(cluster, "upgrade", "simulacra", str(CHART), *quick, "--set", OWN)
    assert cluster.kubectl(*operator) == ""
    helm(cluster, "rollback", "simulacra", "1")
    helm(cluster, "uninstall", "simulacra")
    left = cluster.kubectl("get", "crds", "-o", "name")
    assert left.count("simulacra.dev") == 8
    everything = "deployments,services,secrets,serviceaccounts,roles,networkpolicies,jobs"
    named = cluster.kubectl(
        "get", everything, "-n", SYSTEM, "-l", "app.kubernetes.io/part-of=simulacra", "-o", "name"
    )
    assert named == ""
    assert cluster.kubectl("get", "namespace", CLIENTS, "-o", "name"), "clients' Secrets are kept"
    # The second install adopts the kept CRDs.
    helm(cluster, "install", "simulacra", str(CHART), *quick)
    helm(cluster, "uninstall", "simulacra")


def run_hook(cluster: RealCluster, pod: str) -> None:
    """Do what a node would: run the pod's command as its account, and report how it ended."""
    done = subprocess.run(
        [sys.executable, "-m", "simulacra_api.auth.former_secrets"],
        env=os.environ | {"KUBECONFIG": str(cluster.login(HOOK))},
        capture_output=True,
        timeout=60,
    )
    phase = "Failed" if done.returncode else "Succeeded"
    patch = json.dumps({"status": {"phase": phase}})
    cluster.kubectl("patch", "pod", pod, "-n", SYSTEM, "--subresource=status", "-p", patch)


def test_upgrade_copies_former_client_secrets(cluster: RealCluster) -> None:
    cluster.kubectl("delete", "namespace", CLIENTS)
    quick = ("--set", "check.enabled=false")
    helm(cluster, "install", "simulacra", str(CHART), *quick)
    for name, data in (
        ("client-former", {"hashes": "[]"}),
        ("oauth-signing-keys", {"link.key": "a"}),
    ):
        former = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}}
        body = json.dumps(former | {"stringData": data})
        cluster.kubectl("create", "-n", SYSTEM, "-f", "-", stdin=body)
    pods = ("get", "pods", "-n", SYSTEM, "-l", f"batch.kubernetes.io/job-name={HOOK}")
    names = "jsonpath={.items[?(@.status.phase=='Pending')].metadata.name}"
    with ThreadPoolExecutor(1) as pool:
        upgrade = pool.submit(helm, cluster, "upgrade", "simulacra", str(CHART), *quick)
        while not upgrade.done():
            for pod in cluster.kubectl(*pods, "-o", names).split():
                run_hook(cluster, pod)
            time.sleep(0.2)
    upgrade.result()
    copied = cluster.kubectl("get", "secrets", "-n", CLIENTS, "-o", "name").split()
    assert copied == ["secret/client-former", "secret/oauth-signing-keys"]
    accounts = cluster.kubectl("get", "serviceaccounts,roles", "-n", SYSTEM, "-o", "name")
    assert "simulacra-api" in accounts
    assert HOOK not in accounts, "its rights end with the upgrade"
    helm(cluster, "uninstall", "simulacra")


def test_documented_command_copies_client_secrets_back(cluster: RealCluster) -> None:
    require_program("jq")
    page = (ROOT / "docs" / "howto" / "operations.md").read_text()
    block = re.search(r"^kubectl get secrets -n simulacra-system-clients.+?-f -$", page, FLAGS)
    assert block is not None
    for namespace, hashes in ((SYSTEM, "former"), (CLIENTS, "present")):
        body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "client-back"}}
        secret = json.dumps(body | {"stringData": {"hashes": hashes}})
        cluster.kubectl("create", "-n", namespace, "-f", "-", stdin=secret)
    folder = Path(sys.executable).parent
    env = {"KUBECONFIG": str(cluster.kubeconfig), "PATH": f"{folder}:{os.environ['PATH']}"}
    subprocess.run(["bash", "-ec", block[0]], env=os.environ | env, check=True, timeout=60)
    data = ("get", "secret", "client-back", "-n", SYSTEM, "-o", "jsonpath={.data.hashes}")
    assert base64.b64decode(cluster.kubectl(*data)) == b"present"
