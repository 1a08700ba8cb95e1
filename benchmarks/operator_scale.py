"""The operator under many resources: time to Ready, API writes, memory, lag, restart and expiry.

    python benchmarks/operator_scale.py [--sizes 1000 5000 10000] [--limit-s 240] [--real
    [--controller-qps 200]]

Datasets of ten tenants are created at once on a control plane (the embedded one, or a real
kube-apiserver with --real). Their Jobs are stubs: a player marks each Job complete and creates its
finished pod, like Job controller and kubelet (on the real one the Job controller runs, and only the
kubelet is played). The Job controller sends 20 requests a second by default, which limits many
short Jobs; --controller-qps raises it. Measured: seconds from the first creation until every
Dataset is Ready, CPU time per resource of each part (other load on the machine changes it less than
the wall time), writes of the operator per resource (by its own metric, without events and Lease),
its RSS when idle and at the peak, queue lag, its writes after a restart, expiry lag. A run that is
not settled at its limit is cut and reported as such. Writes benchmarks/results/operator.md.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "support"))

from operator_bench import OperatorProcess, Plane, apply_crds, ready  # noqa: E402
from simulacra_crds.kinds.base import FINALIZER, LABEL_KIND, Phase  # noqa: E402
from simulacra_crds.kube import client as kube  # noqa: E402
from simulacra_crds.kube.client import Cluster, ClusterError, Object  # noqa: E402
from simulacra_custody.refs import ResourceRef  # noqa: E402
from simulacra_custody.wiring import open_custody  # noqa: E402

RESULTS = Path(__file__).parent / "results" / "operator.md"
THRESHOLDS = {
    "settle_s": 60.0,
    "writes_a_resource": 4.0,
    "rss_mib": 200.0,
    "restart_writes": 0.0,
    "expiry_lag_p99_s": 2.0,
}
"""Targets for 10 000 resources on two cores; the result marks each figure above its target."""
TENANTS = 10
EXPIRING_S = 30
SHA = "a" * 64


@dataclass
class Figures:
    """Measurements of one run; None where it was cut before."""

    size: int
    plane: str
    values: dict[str, float | None] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


class Stubs:
    """Plays the kubelet and, on the embedded plane, the Job controller: every Job succeeds."""

    def __init__(self, cluster: Cluster, *, real: bool) -> None:
        self._cluster, self._real = cluster, real
        self.gate = asyncio.Semaphore(16)

    async def run(self) -> None:
        """Play until cancelled."""
        tasks: set[asyncio.Task[None]] = set()
        seen: set[str] = set()
        async for kind, body in self._cluster.watch(
            kube.PODS if self._real else kube.JOBS, labels=LABEL_KIND
        ):
            uid = body["metadata"].get("uid")
            if kind in ("ADDED", "MODIFIED") and uid not in seen:
                seen.add(uid)
                task = asyncio.create_task(self._play(body))
                tasks.add(task)
                task.add_done_callback(tasks.discard)

    async def _play(self, body: Object) -> None:
        async with self.gate:
            with suppress(ClusterError):
                await (self._end_pod(body) if self._real else self._end_job(body))

    async def _end_job(self, job: Object) -> None:
        meta, now = job["metadata"], _now()
        owner = {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "name": meta["name"],
            "uid": meta["uid"],
            "controller": True,
        }
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": meta["name"],
                "labels": meta["labels"],
                "ownerReferences": [owner],
            },
            "spec": job["spec"]["template"]["spec"],
        }
        done = [
            {"type": one, "status": "True", "lastTransitionTime": now}
            for one in ("SuccessCriteriaMet", "Complete")
        ]
        complete = {
            "status": {"conditions": done, "startTime": now, "completionTime": now, "succeeded": 1}
        }
        await self._end_pod(await self._cluster.create(kube.PODS, pod, meta["namespace"]))
        await self._cluster.patch(
            kube.JOBS, meta["name"], complete, meta["namespace"], subresource="status"
        )

    async def _end_pod(self, pod: Object) -> None:
        meta, now = pod["metadata"], _now()
        artefact = {"name": "dataset.parquet", "bytes": 4, "sha256": SHA}
        result = {
            "outcome": "Succeeded",
            "reason": "Prepared",
            "artefacts": [artefact],
            "rows": 10,
            "columns": 3,
        }
        ended = {
            "exitCode": 0,
            "reason": "Completed",
            "message": json.dumps(result),
            "startedAt": now,
        }
        container: Object = {
            "name": "trainer",
            "state": {"terminated": {**ended, "finishedAt": now}},
        }
        container |= {"ready": False, "restartCount": 0, "image": "stub", "imageID": "stub"}
        status = {"status": {"phase": "Succeeded", "containerStatuses": [container]}}
        await self._cluster.patch(
            kube.PODS, meta["name"], status, meta["namespace"], subresource="status"
        )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


class Scene:
    """One control plane, one operator, many Datasets."""

    def __init__(self, cluster: Cluster, operator: OperatorProcess, size: int) -> None:
        self.cluster, self.operator, self.size = cluster, operator, size
        self.custody = open_custody(operator.env)

    async def tenants(self) -> None:
        """Create the tenants and wait until they are Ready."""
        for number in range(TENANTS):
            body: Object = {
                "metadata": {"name": f"t{number}", "finalizers": [FINALIZER]},
                "spec": {},
            }
            body["spec"] = {"quotas": {"concurrentJobs": 1000}}
            identity = {"apiVersion": "simulacra.dev/v1alpha1", "kind": "Tenant"}
            await self.cluster.create(kube.TENANTS, identity | body)
        async with asyncio.timeout(60):
            while not all([ready(one) async for one in self.cluster.list(kube.TENANTS)]):  # noqa: ASYNC110
                await asyncio.sleep(0.2)

    async def datasets(self, count: int, prefix: str, **spec: Any) -> None:
        """Create complete Datasets as an API would (finalizer, key, digest), 16 at a time."""
        gate = asyncio.Semaphore(16)

        async def one(number: int) -> None:
            tenant = f"t{number % TENANTS}"
            namespace, name = f"tenant-{tenant}", f"{prefix}-{number:05d}"
            body = {
                "apiVersion": "simulacra.dev/v1alpha1",
                "kind": "Dataset",
                "metadata": {"name": name, "finalizers": [FINALIZER]},
                "spec": {"source": {"sha256": SHA, "bytes": 8}, **spec},
            }
            async with gate:
                made = await self.cluster.create(kube.DATASETS, body, namespace)
                ref = ResourceRef(tenant, "datasets", made["metadata"]["uid"])
                patch = {"status": {"wrappedKey": self.custody.new_resource_key(ref)}}
                await self.cluster.patch(
                    kube.DATASETS, name, patch, namespace, subresource="status"
                )

        await asyncio.gather(*(one(number) for number in range(count)))

    async def count(self, prefix: str, *, ready_only: bool) -> int:
        """Count the Datasets with a prefix."""
        found = [
            one
            async for one in self.cluster.list(kube.DATASETS)
            if one["metadata"]["name"].startswith(prefix)
        ]
        return sum(ready(one) for one in found) if ready_only else len(found)

    async def settled(self, limit_s: float) -> float:
        """Wait until all are Ready or time is up; return that monotonic time."""
        end = time.monotonic() + limit_s
        while (asked := time.monotonic()) < end and await self._any_open():  # noqa: ASYNC110
            # Polling takes at most 5 % of the time.
            await asyncio.sleep(max(0.5, 20 * (time.monotonic() - asked)))
        return time.monotonic()

    async def _any_open(self) -> bool:
        """Return whether a Dataset is not Ready, found by the server's first match."""
        query = {"fieldSelector": f"status.phase!={Phase.READY}", "limit": "1"}
        answer = await self.cluster.request("GET", kube.DATASETS.path(), params=query)
        return bool(answer["items"])


def metrics(port: int) -> str:
    """Return the operator's metrics page."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        page: str = answer.read().decode()
    return page


def quantile(page: str, histogram: str, share: float) -> float:
    """Return the upper bound of the bucket at this quantile of a histogram without labels."""
    found = re.findall(rf'^{histogram}_bucket{{le="([^"]+)"}} (\S+)$', page, re.MULTILINE)
    total = float(found[-1][1])
    return next(
        (float(bound) for bound, count in found if float(count) >= share * total), float("inf")
    )


def writes(page: str) -> Counter[str]:
    """Return the operator's writes by resource; Lease writes depend on the clock only."""
    found = re.findall(
        r'^simulacra_api_writes_total{resource="([^"]+)"} (\S+)$', page, re.MULTILINE
    )
    return Counter({name: int(float(value)) for name, value in found if name != "leases"})


def cpu_ms(operator: OperatorProcess, plane: Plane) -> dict[str, float]:
    """Return the CPU milliseconds of each part; processes that name its folder are the plane."""
    planes = 0.0
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if str(plane.root / "plane") in (process / "cmdline").read_text():
                planes += _ticks(process)
    assert operator._process is not None
    parts = {"operator": _ticks(Path("/proc") / str(operator._process.pid)), "plane": planes}
    return {**parts, "stubs": _ticks(Path("/proc/self"))}


def _ticks(process: Path) -> float:
    """Return the CPU milliseconds of a process, by its fields utime and stime in proc(5)."""
    fields = (process / "stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * 1000 / os.sysconf("SC_CLK_TCK")


def rss_mib(operator: OperatorProcess, *, peak: bool) -> float:
    """Return the operator's resident memory in MiB, now or at its peak."""
    assert operator._process is not None
    status = Path(f"/proc/{operator._process.pid}/status").read_text()
    return int(re.search(rf"{'VmHWM' if peak else 'VmRSS'}:\s+(\d+)", status).group(1)) / 1024  # type: ignore[union-attr]


async def measure(plane: Plane, root: Path, size: int, limit_s: float) -> Figures:
    """Run the scene of one size."""
    figures = Figures(size, "kube-apiserver" if plane.real else "embedded")
    cluster = await Cluster.connect(str(plane.kubeconfig))
    await apply_crds(cluster)
    operator = OperatorProcess(root, plane.kubeconfig)
    # A fork of the test support would share most of its memory and start without imports.
    operator.program = ["-m", "simulacra_operator"]
    scene = Scene(cluster, operator, size)
    stubs = asyncio.create_task(Stubs(cluster, real=plane.real).run())
    operator.start()
    try:
        await scene.tenants()
        await settle(scene, plane, figures, limit_s)
        if figures.values["settle_s"] is not None:
            await after(scene, figures)
    finally:
        stubs.cancel()
        operator.end(signal.SIGKILL)
        await cluster.close()
    return figures


async def settle(scene: Scene, plane: Plane, figures: Figures, limit_s: float) -> None:
    """Create the Datasets, wait until they are Ready and record the cost."""
    operator, size, values = scene.operator, scene.size, figures.values
    values["rss_idle_mib"] = rss_mib(operator, peak=False)
    before, cpu, began = writes(metrics(operator.port())), cpu_ms(operator, plane), time.monotonic()
    await scene.datasets(size, "ds")
    values["creation_s"] = time.monotonic() - began
    took = await scene.settled(limit_s) - began
    used = cpu_ms(operator, plane)
    done = await scene.count("ds", ready_only=True)
    # The last Jobs are deleted after their Datasets are Ready.
    await asyncio.sleep(2)
    page = metrics(operator.port())
    counted, whole = writes(page) - before, done == size
    # A cut run has writes of many unfinished Datasets.
    if not whole:
        figures.notes.append(f"{size}: cut at {took:.0f} s with {done} of {size} Ready")
    values["settle_s"] = took if whole else None
    values["writes_a_resource"] = (counted.total() - counted["events"]) / size if whole else None
    values["events_a_resource"] = counted["events"] / size if whole else None
    for part in used:
        values[f"cpu_ms_{part}"] = (used[part] - cpu[part]) / max(done, 1)
    values["queue_lag_p50_s"] = quantile(page, "simulacra_queue_lag_seconds", 0.5)
    values["queue_lag_p99_s"] = quantile(page, "simulacra_queue_lag_seconds", 0.99)
    values["rss_mib"] = rss_mib(operator, peak=True)


async def after(scene: Scene, figures: Figures) -> None:
    """Measure a restart among settled resources, and the expiry of some."""
    operator = scene.operator
    operator.end()
    operator.log.write_text("")  # it says the port of the process that has ended
    operator.start()
    limit = time.monotonic() + 60
    while time.monotonic() < limit and '"started"' not in operator.log.read_text():  # noqa: ASYNC110
        await asyncio.sleep(0.1)
    await asyncio.sleep(5 + scene.size / 500)
    figures.values["restart_writes"] = writes(metrics(operator.port())).total()
    few = min(100, scene.size)
    await scene.datasets(few, "short", retentionSeconds=EXPIRING_S)
    end = time.monotonic() + EXPIRING_S + 60
    while time.monotonic() < end and await scene.count("short", ready_only=False):  # noqa: ASYNC110
        await asyncio.sleep(1)
    figures.values["expiry_lag_p99_s"] = quantile(
        metrics(operator.port()), "simulacra_expiry_lag_seconds", 0.99
    )


@contextmanager
def quick_controllers(plane: Plane, qps: int | None) -> Iterator[None]:
    """Replace a real plane's kube-controller-manager by one with a higher request rate."""
    if qps is None:
        yield
        return
    pid = int((plane.root / "plane" / "kcm.pid").read_text().split()[0])
    command = (Path("/proc") / str(pid) / "cmdline").read_text().rstrip("\0").split("\0")
    os.kill(pid, signal.SIGTERM)
    while (Path("/proc") / str(pid)).exists():
        time.sleep(0.1)
    with (plane.root / "kcm.log").open("ab") as log:
        limits = [f"--kube-api-qps={qps}", f"--kube-api-burst={2 * qps}"]
        quick = subprocess.Popen(
            [*command, *limits], stdout=log, stderr=log, cwd=plane.root / "plane"
        )
    try:
        yield
    finally:
        quick.terminate()
        quick.wait(10)


def table(runs: list[Figures]) -> str:
    """Return the result as Markdown."""
    names = list(dict.fromkeys(name for run in runs for name in run.values))
    lines = [f"| plane | resources | {' | '.join(names)} |", "|---|---|" + "---|" * len(names)]
    for run in runs:
        cells = [_cell(name, run.values.get(name)) for name in names]
        lines.append(f"| {run.plane} | {run.size} | {' | '.join(cells)} |")
    return "\n".join(lines + [""] + [f"- {note}" for run in runs for note in run.notes])


def _cell(name: str, value: float | None) -> str:
    if value is None:
        return "not measured"
    missed = name in THRESHOLDS and value > THRESHOLDS[name]
    return f"{value:.4g}{' (!)' if missed else ''}"


def main() -> None:
    """Run every size and write the result."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 5000, 10_000])
    parser.add_argument("--limit-s", type=float, default=240.0, help="a run is cut after this time")
    parser.add_argument(
        "--real", action="store_true", help="on a real kube-apiserver from ../shared/bin"
    )
    parser.add_argument(
        "--controller-qps", type=int, help="requests a second of the real plane's controllers"
    )
    parser.add_argument("--append", action="store_true", help="keep the rows that the result has")
    asked = parser.parse_args()
    runs = []
    for size in asked.sizes:
        with tempfile.TemporaryDirectory(prefix="operator-scale-") as folder:
            plane = Plane(Path(folder), asked.real, jobs=False)
            try:
                plane.up()
                with quick_controllers(plane, asked.controller_qps if asked.real else None):
                    runs.append(asyncio.run(measure(plane, Path(folder), size, asked.limit_s)))
            finally:
                plane.down()
        sys.stdout.write(table(runs[-1:]) + "\n")
    head = "# The operator under many resources\n\n"
    load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
    machine = (
        f"{platform.machine()}, {os.cpu_count()} cores, {datetime.now(UTC):%Y-%m-%d}, load at the"
        f" end {load}"
    )
    if asked.append and RESULTS.exists():
        RESULTS.write_text(f"{RESULTS.read_text()}\n{table(runs)}\n{machine}\n")
    else:
        RESULTS.write_text(
            f"{head}`(!)` marks a figure above its aim: {THRESHOLDS}\n\n{table(runs)}\n{machine}\n"
        )


if __name__ == "__main__":
    main()
