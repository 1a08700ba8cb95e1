"""The product on a cluster with a real node: helm, kubectl, its Services and its store."""

from __future__ import annotations

import base64
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import boto3
import httpx2

from helm_chart import APP_VERSION, CHART, SYSTEM, require_program
from installation import eventually
from simulacra import Client, Connection

VALUES_VARIABLE = "SIMULACRA_E2E_VALUES"
"""A values file for this cluster; unset: no cluster with a node."""
CLUSTER_VARIABLE = "SIMULACRA_E2E_CLUSTER"
"""Folder of `../shared/bin/cluster`; set if its pods, kubelet and audit log are on this machine."""
PREVIOUS_VARIABLE = "SIMULACRA_E2E_PREVIOUS"
"""Chart of the previous release, with images `simulacra/previous-*`; unset in a shallow clone."""
NEURAL_VARIABLE = "SIMULACRA_E2E_NEURAL"
"""Set if the cluster has the trainer image with torch."""
NIGHT_VARIABLE = "SIMULACRA_E2E_NIGHT"
"""File for the report of tests/node/test_node_night.py; unset: that test skips."""
CANARY = ("--set", "canary.minutes=1440")
"""Helm's arguments for a release whose canary lives once, at its first start."""
TRAINER = f"simulacra.local/simulacra/trainer:{APP_VERSION}"


def free_port() -> int:
    with closing(socket.socket()) as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


class Node:
    """The cluster of KUBECONFIG, with the release `simulacra` in it."""

    def __init__(self) -> None:
        self.values = os.environ[VALUES_VARIABLE]
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"

    def kubectl(self, *arguments: str, stdin: str | None = None, ok: bool | None = True) -> str:
        """Run kubectl; return its output, with stderr unless `ok` (None accepts failure)."""
        command = [str(Path(sys.executable).with_name("kubectl")), *arguments]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=180)
        assert ok is None or (done.returncode == 0) is ok, done.stdout + done.stderr
        return done.stdout if ok else done.stdout + done.stderr

    def helm(self, verb: str, *arguments: str) -> str:
        """Run a verb of helm on the release and wait for it."""
        command = [
            str(require_program("helm")),
            verb,
            "simulacra",
            *arguments,
            "-n",
            SYSTEM,
            "--timeout",
            "180s",
        ]
        # Hooks and pods are waited for one after another, each as long as helm's limit says.
        done = subprocess.run(command, capture_output=True, text=True, timeout=600)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def apply(self, verb: str, *arguments: str, chart: Path = CHART) -> None:
        """Run `helm install` or `helm upgrade` with the forwarded port as the public URL."""
        public = ("--set", f"api.publicUrl={self.url}")
        self.helm(
            verb, str(chart), "--create-namespace", "-f", self.values, *public, *arguments, "--wait"
        )

    @contextmanager
    def forwarded(
        self, service: str, remote: int, local: int, namespace: str = SYSTEM
    ) -> Iterator[None]:
        """Forward a local port to a Service."""
        command = [str(Path(sys.executable).with_name("kubectl")), "port-forward", "-n", namespace]
        command += [f"svc/{service}", f"{local}:{remote}"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)

        def open_() -> bool:
            nonlocal process
            if process.poll() is not None:  # a new kubelet knows no pods yet
                process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
            with closing(socket.socket()) as one:
                return one.connect_ex(("127.0.0.1", local)) == 0

        try:
            eventually(open_, 60)
            yield
        finally:
            process.terminate()
            process.wait(60)

    def api(self) -> Any:
        """Forward the API to `url`."""
        return self.forwarded("simulacra-api", 80, self.port)

    def sign_up(self, company: str) -> tuple[Client, str]:
        """Sign up, approve with kubectl, claim the secret; return a client and the tenant."""
        with httpx2.Client(base_url=self.url, timeout=30) as http:
            body = {"company": company, "contact": "ada@acme.example"}
            request = http.post("/v1/signup", json=body).raise_for_status().json()
            path = f"/v1/signup/{request['request_id']}"
            jsonpath = "{range .items[?(@.spec.decision!='Approved')]}{.metadata.name}{end}"
            name = self.kubectl("get", "accessrequests", "-o", f"jsonpath={jsonpath}")
            decision = '{"spec": {"decision": "Approved"}}'
            self.kubectl("patch", "accessrequest", name, "--type=merge", "-p", decision)
            self.kubectl("wait", "--for=condition=Ready", f"accessrequest/{name}", "--timeout=60s")
            claim = {"credential_claim_token": http.get(path).json()["credential_claim_token"]}
            known = http.post("/v1/credential-claims", json=claim).raise_for_status().json()
        tenant = self.kubectl("get", "accessrequest", name, "-o", "jsonpath={.status.tenant}")
        connection = Connection(
            self.url,
            known["token_url"],
            known["client_id"],
            known["client_secret"],
            known["audience"],
        )
        return Client(connection), tenant

    @contextmanager
    def store(self, secret: str, service: str, namespace: str) -> Iterator[Any]:
        """Yield a boto3 client of an artifact store, with the credentials in a Secret."""
        found = json.loads(self.kubectl("get", "secret", secret, "-n", SYSTEM, "-o", "json"))
        known = {name: base64.b64decode(value).decode() for name, value in found["data"].items()}
        port = free_port()
        with self.forwarded(service, 8333, port, namespace):
            yield boto3.client(
                "s3",
                endpoint_url=f"http://127.0.0.1:{port}",
                region_name="us-east-1",
                aws_access_key_id=known["AWS_ACCESS_KEY_ID"],
                aws_secret_access_key=known["AWS_SECRET_ACCESS_KEY"],
            )

    def stored(
        self,
        secret: str = "simulacra-credentials",
        service: str = "simulacra-tryout",
        namespace: str = SYSTEM,
    ) -> list[str]:
        """Return all keys in the artifact store."""
        with self.store(secret, service, namespace) as s3:
            pages = s3.get_paginator("list_objects_v2").paginate(Bucket="simulacra", Prefix="data/")
            return [found["Key"] for page in pages for found in page.get("Contents", [])]

    def restart_kubelet(self, folder: Path) -> None:
        """Kill the kubelet of `../shared/bin/cluster` and start it as the tool did."""
        noted = folder / "kubelet.pid"
        pid = int(noted.read_text().split()[0])
        arguments = Path(f"/proc/{pid}/cmdline").read_text().rstrip("\0").split("\0")
        space = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY)
        os.kill(pid, signal.SIGKILL)
        eventually(
            lambda: (
                not Path(f"/proc/{pid}/cmdline").exists()
                or not Path(f"/proc/{pid}/cmdline").read_text()
            ),
            20,
        )
        with (folder / "kubelet.log").open("ab") as log:
            command = ["nsenter", f"--net=/proc/self/fd/{space}", *arguments]
            new = subprocess.Popen(
                command,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                cwd=folder,
                start_new_session=True,
                pass_fds=[space],
            )
        os.close(space)
        started = Path(f"/proc/{new.pid}/stat").read_text().rpartition(")")[2].split()[19]
        noted.write_text(f"{new.pid} {started}")

    def fit_job(self, tenant: str) -> str:
        """Return the Job of a fit whose pod runs."""
        selector = ("-n", f"tenant-{tenant}", "-l", "simulacra.dev/kind=models")
        path = "{.items[?(@.status.phase=='Running')].metadata.labels.job-name}"
        deadline = time.monotonic() + 120
        while not (name := self.kubectl("get", "pods", *selector, "-o", f"jsonpath={path}")):
            assert time.monotonic() < deadline, self.kubectl("get", "pods", "-A")
            time.sleep(0.1)
        return name
