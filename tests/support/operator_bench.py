"""Test bench of the operator: a control plane, its process, and simulated pods."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

import helm_chart
from operator_fork import OperatorFork
from ports import free_port
from simulacra.certificates import verify_certificate
from simulacra_crds.crd_yaml import crd
from simulacra_crds.kinds.base import FINALIZER, LABEL_DATASET, LABEL_UID
from simulacra_crds.kube import client as kube
from simulacra_crds.kube.client import ApiResource, Cluster, ClusterError, Object
from simulacra_crds.names import INSTALLATION_KEYS, system_namespace, tenant_namespace
from simulacra_crds.registry import KINDS
from simulacra_crds.tasks import TASK_ENV, TERMINATION_LIMIT, UPLOAD, TaskSpec, result_name
from simulacra_custody.refs import ResourceRef
from simulacra_custody.service import Custody
from simulacra_custody.wiring import open_certificates, open_custody

ROOT = Path(__file__).resolve().parents[2]
REAL = ROOT.parent / "shared" / "bin" / "cluster"
INDEX = "batch.kubernetes.io/job-completion-index"
WORK = {api.kind: api for api in kube.WORK_RESOURCES}


class Plane:
    """Our control plane with the embedded Job controller, or a real one."""

    def __init__(self, root: Path, real: bool, *, jobs: bool = True) -> None:
        self.root, self.real, self._jobs = root, real, jobs
        self.kubeconfig = root / "plane" / "kubeconfig"
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def up(self) -> None:
        if self.real:
            self._cluster("up", "--port", str(free_port(5)))
        else:
            self.start("controlplane")
            if self._jobs:
                self.start("jobs")

    def down(self) -> None:
        if self.real:
            self._cluster("down")
        for name in ("jobs", "controlplane"):
            if name in self._running:
                self.stop(name)

    def start(self, name: str) -> None:
        """Start one of our programs; the control plane is ready when this returns."""
        arguments = {
            "controlplane": ["--data-dir", str(self.root / "plane")],
            "jobs": ["--backoff-seconds", "0.2"],
        }
        command = [
            sys.executable,
            "-W",
            "ignore",
            "-m",
            "simulacra_controlplane" if name == "controlplane" else f"simulacra_embedded.{name}",
            *arguments[name],
        ]
        env = os.environ | {"KUBECONFIG": str(self.kubeconfig)}
        with (self.root / f"{name}.log").open("ab") as log:
            out = subprocess.PIPE if name == "controlplane" else log
            process = subprocess.Popen(command, env=env, stdout=out, stderr=log)
        self._running[name] = process
        if process.stdout is not None:
            assert json.loads(process.stdout.readline())["server"]

    def stop(self, name: str) -> None:
        process = self._running.pop(name)
        process.terminate()
        process.wait(60)

    def _cluster(self, verb: str, *more: str) -> None:
        command = [str(REAL), verb, str(self.root / "plane"), *more]
        subprocess.run(command, check=True, timeout=120, stdout=subprocess.DEVNULL)


class OperatorProcess:
    """The process `python -m simulacra_operator`, which can be killed and restarted."""

    def __init__(self, root: Path, kubeconfig: Path) -> None:
        self.root, self.kubeconfig = root, kubeconfig
        self.log = root / "operator.log"
        self.program: list[str] | None = None
        """Arguments of Python for a process from the start; without them the operator is forked."""
        self.script: Path | None = None
        """A script that the fork runs instead of `python -m simulacra_operator`."""
        self.extra: dict[str, str] = {}
        self._process: subprocess.Popen[bytes] | OperatorFork | None = None

    @property
    def env(self) -> dict[str, str]:
        store = {
            "SIMULACRA_STORE": f"file://{self.root}/store",
            "SIMULACRA_KEYS": f"local://{self.root}/keyring.json",
            "SIMULACRA_AUDIT": f"file://{self.root}/audit",
        }
        return {
            **store,
            "KUBECONFIG": str(self.kubeconfig),
            "SIMULACRA_OPERATOR_LISTEN": "127.0.0.1:0",
        }

    def start(self, kubeconfig: Path | None = None) -> None:
        env = {
            name: value for name, value in os.environ.items() if name not in ("LOGNAME", "USER")
        } | self.env
        env["KUBECONFIG"] = str(kubeconfig or self.kubeconfig)
        env |= self.extra
        if self.program is None:
            self._process = OperatorFork(env, self.log, self.script)
            return
        command = [sys.executable, "-W", "ignore", *self.program]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(command, env=env, stderr=log)

    def end(self, signum: int = signal.SIGTERM) -> int:
        self.send(signum)
        assert self._process is not None
        return self._process.wait(60)

    def send(self, signum: int) -> None:
        assert self._process is not None
        self._process.send_signal(signum)

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def port(self) -> int:
        for line in reversed(self.log.read_text().splitlines()):
            if '"started"' in line:
                return int(json.loads(line)["port"])
        raise AssertionError("the operator has not started")


Play = Callable[[TaskSpec, int], Object]
"""Behavior of a pod: return its container's terminated state, or raise Held to keep running."""


class Held(Exception):
    """The pod keeps running."""


def succeed(task: TaskSpec, shard: int) -> Object:
    """Succeed with a result as the trainer writes it."""
    name = f"parts/{shard:05d}.parquet" if task.task == "generate" else f"{task.task}.bin"
    artefact = {"name": name, "bytes": 4, "sha256": hashlib.sha256(b"work").hexdigest()}
    result: Object = {"outcome": "Succeeded", "reason": "Done", "artefacts": [artefact], "rows": 10}
    if task.task == "prepare":
        result["columns"] = 3
    if task.task == "fit":
        result |= {"family": "forest", "figures": {"fidelity": 0.9}}
    if task.task == "generate":
        result["attainment"] = {"status": "exact", "asked": 1, "met": 1}
        result |= {"identified": False, "verdict": "open"}
    if task.given is not None:
        result["given"] = {"rows": 30, "implicates": 10, "gaps": 4, "filled": 3, "leastWorth": 8.5}
    if task.task == "estimate":
        sample = {
            "effect": 1.5,
            "low": 1.0,
            "high": 2.0,
            "rows": 10,
            "support": 1.0,
            "identified": True,
            "verdict": "assumed",
            "precision": "clear",
            "effectiveRows": 8.0,
            "robustness": 0.1,
        }
        result["estimate"] = sample
    if task.task == "boost":
        result["segments"] = {"intervals": 2, "boosted": 1, "slightly": 0, "noBetter": 1}
    return {"exitCode": 0, "reason": "Completed", "message": json.dumps(result)}


def fail(code: int, reason: str, message: str = "stated by the pod") -> Play:
    """Return the behavior that fails with an exit code and a reason."""

    def play(task: TaskSpec, shard: int) -> Object:
        text = json.dumps({"outcome": "Failed", "reason": reason, "message": message})
        return {"exitCode": code, "reason": "Error", "message": text}

    return play


class Pods:
    """Simulates a node: every pod writes its task's artifacts, and ends as the test says."""

    def __init__(self, cluster: Cluster, custody: Custody) -> None:
        self._cluster, self._custody = cluster, custody
        self.plays: dict[str, Play] = {}
        self.tasks: list[TaskSpec] = []
        self.held: set[str] = set()
        """Pods that keep running and have ended their last write."""

    async def run(self) -> None:
        while True:
            with suppress(ClusterError):  # a pod or plane that disappears is listed again
                async for pod in self._cluster.list(kube.PODS, labels=LABEL_UID):
                    if pod["status"].get("phase", "Pending") in ("Pending", "Running"):
                        await self._step(pod)
            await asyncio.sleep(0.05)

    async def _step(self, pod: Object) -> None:
        if pod["metadata"].get("deletionTimestamp"):
            return
        env = {one["name"]: one.get("value", "") for one in pod["spec"]["containers"][0]["env"]}
        task = TaskSpec.model_validate_json(env[TASK_ENV])
        shard = int(pod["metadata"].get("annotations", {}).get(INDEX, 0))
        try:
            state = self.plays.get(task.task, succeed)(task, shard)
        except Held:
            await self._write_progress(pod["metadata"]["uid"], task)
            return
        self.tasks.append(task)
        if state["exitCode"] == 0:
            await asyncio.to_thread(
                self._write, task, json.loads(state["message"])["artefacts"][0]["name"], b"work"
            )
            state = await asyncio.to_thread(self._shortened, task, shard, state)
        now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        status = {
            "name": "trainer",
            "state": {"terminated": {**state, "startedAt": now, "finishedAt": now}},
        }
        status |= {"ready": False, "restartCount": 0, "image": "stub", "imageID": "stub"}
        phase = "Succeeded" if state["exitCode"] == 0 else "Failed"
        patch = {"status": {"phase": phase, "containerStatuses": [status]}}
        meta = pod["metadata"]
        await self._cluster.patch(
            kube.PODS, meta["name"], patch, meta["namespace"], subresource="status"
        )

    async def _write_progress(self, uid: str, task: TaskSpec) -> None:
        if uid not in self.held:
            content = json.dumps({"percent": 47, "etaSeconds": 9, "step": "learning"}).encode()
            await asyncio.to_thread(self._write, task, "progress.json", content)
            self.held.add(uid)

    def _shortened(self, task: TaskSpec, shard: int, state: Object) -> Object:
        """Return a state whose message fits: a long result is stored, as the trainer does it."""
        content = state["message"].encode()
        if len(content) <= TERMINATION_LIMIT:
            return state
        name, digest = result_name(shard), hashlib.sha256(content).hexdigest()
        self._write(task, name, content)
        stored = {"name": name, "bytes": len(content), "sha256": digest}
        reference = {"outcome": "Succeeded", "reason": "Done", "stored": stored}
        return {**state, "message": json.dumps(reference)}

    def _write(self, task: TaskSpec, artefact: str, content: bytes) -> None:
        ref = ResourceRef(task.tenant, task.resource.kind, task.resource.uid)
        self._custody.write(ref.artifact(artefact), task.resource.wrapped_key, [content])


def hold(task: TaskSpec, shard: int) -> Object:
    """Keep running."""
    raise Held


class World:
    """The tenant of one test, read and changed as the API does."""

    def __init__(self, cluster: Cluster, operator: OperatorProcess, tenant: str) -> None:
        self.cluster, self.operator, self.tenant = cluster, operator, tenant
        self.custody = open_custody(operator.env)
        self.pods = Pods(cluster, self.custody)
        self.namespace = tenant_namespace(tenant)

    async def create(self, kind: str, name: str, spec: Object, **metadata: Any) -> Object:
        """Create a resource with the finalizer, as the API does."""
        body = {
            "apiVersion": "simulacra.dev/v1alpha1",
            "kind": kind,
            "metadata": {"name": name, "finalizers": [FINALIZER]} | metadata,
            "spec": spec,
        }
        return await self.cluster.create(
            kube.CUSTOM[kind], body, None if kind == "Tenant" else self.namespace
        )

    async def create_tenant(self, **spec: Any) -> None:
        """Create the tenant and wait until it is Ready."""
        await self.create("Tenant", self.tenant, spec)
        await self.reaches(kube.TENANTS, self.tenant, ready, namespace=None)

    async def upload(self, name: str, **spec: Any) -> Object:
        """Create a Dataset with its bytes and its default Model."""
        made = await self.create("Dataset", name, spec)
        ref = ResourceRef(self.tenant, "datasets", made["metadata"]["uid"])
        wrapped = self.custody.new_resource_key(ref)
        patch = {"status": {"wrappedKey": wrapped}}
        await self.cluster.patch(kube.DATASETS, name, patch, self.namespace, subresource="status")
        stored = self.custody.write(ref.artifact(UPLOAD), wrapped, [b"a,b\n1,2\n"])
        source = {"spec": {"source": {"sha256": stored.sha256, "bytes": stored.bytes}}}
        return await self.cluster.patch(kube.DATASETS, name, source, self.namespace)

    async def model(self, name: str, dataset: str, **spec: Any) -> Object:
        return await self.create("Model", name, {"datasetRef": {"name": dataset}, **spec})

    async def generation(self, name: str, model: str, dataset: str, **spec: Any) -> Object:
        spec = {"modelRef": {"name": model}, "rowCount": 20, **spec}
        return await self.create("GenerationJob", name, spec, **await self._made(model, dataset))

    async def completion(
        self, name: str, model: str, dataset: str, given: str, **spec: Any
    ) -> Object:
        """Create a completion as kubectl does: the label of the given Dataset is the operator's."""
        asked = {"datasetRef": {"name": given}} if given else {}
        spec = {"modelRef": {"name": model}, "given": asked, **spec}
        return await self.create("GenerationJob", name, spec, **await self._made(model, dataset))

    async def effect(self, name: str, model: str, dataset: str, **spec: Any) -> Object:
        asked = {"treatment": "a", "value": {"number": 1}, "baseline": {"number": 0}}
        spec = {"modelRef": {"name": model}, **asked, "outcome": "b", **spec}
        return await self.create("EffectEstimate", name, spec, **await self._made(model, dataset))

    async def _made(self, model: str, dataset: str) -> Object:
        """Return the metadata that the API gives to what is made with a Model."""
        found = await self.cluster.find(kube.MODELS, model, self.namespace)
        owner = {"apiVersion": kube.MODELS.api_version, "kind": "Model", "name": model}
        owner |= {"controller": True, "blockOwnerDeletion": True}
        owners = [{**owner, "uid": found["metadata"]["uid"]}] if found else []
        return {"labels": {LABEL_DATASET: dataset}, "ownerReferences": owners}

    async def reaches(
        self,
        resource: ApiResource,
        name: str,
        check: Callable[[Object], Any],
        *,
        namespace: str | None = "",
        seconds: float = 90,
    ) -> Object:
        """Wait until an object passes a check; return it.

        Every version is checked, so a short-lived state is found.
        """
        place = self.namespace if namespace == "" else namespace
        last: Object = {}
        try:
            async with (
                asyncio.timeout(seconds),
                aclosing(
                    self.cluster.watch(resource, place, fields=f"metadata.name={name}")
                ) as changes,
            ):
                async for kind, last in changes:
                    if kind in ("ADDED", "MODIFIED") and check(last):
                        return last
        except TimeoutError:
            pass
        raise AssertionError(self._late(seconds, f"{name}: {last.get('status')}"))

    async def gone(
        self, resource: ApiResource, name: str, *, namespace: str | None = "", seconds: float = 90
    ) -> None:
        """Wait until an object is gone."""

        async def look() -> bool:
            return (
                await self.cluster.find(
                    resource, name, self.namespace if namespace == "" else namespace
                )
                is None
            )

        await self.until(look, seconds, lambda: f"{name} is still there")

    async def until(
        self, check: Callable[[], Awaitable[Any]], seconds: float, tell: Callable[[], str]
    ) -> Any:
        """Wait until a check returns a true value; return it."""
        end = time.monotonic() + seconds
        while not (found := await check()):
            if time.monotonic() > end:
                raise AssertionError(self._late(seconds, tell()))
            await asyncio.sleep(0.1)
        return found

    def _late(self, seconds: float, state: str) -> str:
        return f"not within {seconds} s: {state}\n{self.operator.log.read_text()[-3000:]}"

    async def names(self, resource: ApiResource) -> list[str]:
        return [
            one["metadata"]["name"] async for one in self.cluster.list(resource, self.namespace)
        ]

    def objects(self) -> list[str]:
        """Keys of everything stored for the tenant."""
        return [
            info.key
            for info in self.custody.store.list("tenants/")
            if f"/{self.tenant}/" in info.key
        ]

    def audit(self) -> list[Object]:
        """Every audit record, oldest first."""
        env = self.operator.env
        store = open_custody({**env, "SIMULACRA_STORE": env["SIMULACRA_AUDIT"]}).store
        lines = (
            line
            for info in store.list("segments/")
            for line in b"".join(store.open_range(info.key)).splitlines()
        )
        return [record for record in map(json.loads, lines) if "type" in record]

    async def certificate(self, tenant_uid: str, resource: str) -> Object:
        """Return the statement of a certificate, by id or uid, after checking its signature."""
        kept = open_certificates(self.operator.env)
        entry = kept.find(tenant_uid, resource)
        assert entry is not None, f"{resource} has no certificate"
        published = await self.cluster.get(kube.CONFIGMAPS, INSTALLATION_KEYS, system_namespace())
        return verify_certificate(
            {"signature": kept.read(tenant_uid, entry)}, json.loads(published["data"]["keys.json"])
        )


def ready(body: Object) -> bool:
    return condition(body, "Ready").get("status") == "True"


def condition(body: Object, name: str) -> Object:
    conditions = body.get("status", {}).get("conditions") or []
    return next((one for one in conditions if one["type"] == name), {})


def reason(text: str) -> Callable[[Object], bool]:
    """Return the check that Ready has a reason."""
    return lambda body: condition(body, "Ready").get("reason") == text


async def apply_crds(cluster: Cluster) -> None:
    """Create our CRDs and the system namespace; wait until the CRDs are served."""
    with suppress(kube.AlreadyExists):
        await cluster.create(kube.NAMESPACES, {"metadata": {"name": system_namespace()}})
    for kind in KINDS:
        with suppress(kube.AlreadyExists):
            await cluster.create(kube.CRDS, crd(kind))
    for resource in kube.CUSTOM.values():
        for _ in range(100):
            try:
                await cluster.request("GET", resource.path())
                break
            except ClusterError:
                await asyncio.sleep(0.1)


async def operator_kubeconfig(cluster: Cluster, plane: Plane, folder: Path) -> Path:
    """Return a kubeconfig with the rights that the chart gives an operator with a canary."""
    name, namespace = "simulacra-operator", system_namespace()
    for body in helm_chart.rbac_objects("operator", "--set", "canary.minutes=60"):
        root = "/api/v1" if body["apiVersion"] == "v1" else f"/apis/{body['apiVersion']}"
        scope = f"/namespaces/{namespace}" if body["metadata"].get("namespace") else ""
        with suppress(kube.AlreadyExists):
            await cluster.request("POST", f"{root}{scope}/{body['kind'].lower()}s", json=body)
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token"
    token = (await cluster.request("POST", path, json={"spec": {"expirationSeconds": 3600}}))[
        "status"
    ]["token"]
    config = yaml.safe_load(plane.kubeconfig.read_text())
    config["users"] = [{"name": one["name"], "user": {"token": token}} for one in config["users"]]
    target = folder / "operator.kubeconfig"
    target.write_text(yaml.safe_dump(config))
    return target
