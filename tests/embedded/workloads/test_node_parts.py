"""The small parts of the node agent: quantities, threads, commands, folders, refusals."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from simulacra_embedded import processes, procfs
from simulacra_embedded.node import quantities
from simulacra_embedded.node.agent import objection
from simulacra_embedded.node.environment import PASSED_ON, TRAINER, command, threads
from simulacra_embedded.node.pod_dir import PodFolder


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("500m", 0.5),
        ("2", 2),
        (1, 1),
        ("128Mi", 128 * 2**20),
        ("2Gi", 2**31),
        ("1G", 1e9),
        ("1.5Gi", 1.5 * 2**30),
        ("0", 0),
    ],
)
def test_quantities(text: str, value: float) -> None:
    assert quantities.parse(text) == value


@pytest.mark.parametrize("text", ["", "many", "5x", "Mi"])
def test_not_a_quantity(text: str) -> None:
    with pytest.raises(ValueError, match="not a quantity"):
        quantities.parse(text)


@pytest.mark.parametrize(
    ("limit", "request_", "running", "expected"),
    [
        (None, None, 1, 8),  # alone: the whole machine
        (None, "500m", 4, 2),  # its share
        (None, "3", 8, 3),  # what it asked for
        ("1500m", "500m", 1, 2),  # the limit holds even when the machine is idle
        ("64", None, 1, 8),
        (None, "100m", 20, 1),
    ],
)
def test_threads(limit: str | None, request_: str | None, running: int, expected: int) -> None:
    resources = {
        "limits": {"cpu": limit} if limit else {},
        "requests": {"cpu": request_} if request_ else {},
    }
    assert threads({"resources": resources}, running, 8) == expected


@pytest.mark.parametrize(
    ("container", "expected"),
    [
        ({}, TRAINER),
        ({"args": ["fit"]}, [*TRAINER, "fit"]),
        ({"command": ["python", "-m", "x"]}, [sys.executable, "-m", "x"]),
        (
            {"command": ["sh", "-c"], "args": ["echo $(A) $$(A) $(NO)"]},
            ["sh", "-c", "echo 1 $(A) $(NO)"],
        ),
    ],
)
def test_command(container: dict[str, Any], expected: list[str]) -> None:
    assert command(container, {"A": "1"}) == expected


def pod(image: str = "simulacra/trainer:1", **spec: Any) -> dict[str, Any]:
    return {"spec": {"containers": [{"name": "main", "image": image}]} | spec}


@pytest.mark.parametrize(
    "image",
    [
        "simulacra/trainer",
        "simulacra/trainer:dev",
        "registry.example/simulacra/trainer@sha256:00",
        "test/shell",
    ],
)
def test_images_that_run(image: str) -> None:
    assert objection(pod(image), frozenset({"test/shell"})) is None


@pytest.mark.parametrize(
    "image", ["nginx", "evil/trainer", "simulacra/trainers", "test/shell:1", "x/trainer"]
)
def test_images_that_do_not_run(image: str) -> None:
    found = objection(pod(image), frozenset({"test/shell"}))
    assert found is not None
    assert found[0] == "ImageNotRunnable"


@pytest.mark.parametrize(
    ("spec", "word"),
    [
        ({"initContainers": [{"name": "i"}]}, "one container"),
        ({"containers": [{"name": "a", "image": "simulacra/trainer"}] * 2}, "one container"),
        ({"volumes": [{"name": "v", "secret": {"secretName": "s"}}]}, "secret"),
    ],
)
def test_pods_that_do_not_run(spec: dict[str, Any], word: str) -> None:
    found = objection(pod(**spec), frozenset())
    assert found is not None
    assert found[0] == "NotSupported"
    assert word in found[1]


def test_folder_keeps_the_final_status_and_bounds_the_message(tmp_path: Path) -> None:
    (tmp_path / "pods").mkdir()
    folder = PodFolder(tmp_path, "uid")
    assert not folder.exists
    folder.prepare()
    assert folder.final() is None
    folder.record_final({"phase": "Succeeded"})
    assert folder.final() == {"phase": "Succeeded"}
    folder.termination.write_bytes(b"a" * 4095 + "é".encode())
    assert folder.message() == "a" * 4095  # a character cut in two is left out
    assert [one.uid for one in PodFolder.all(tmp_path)] == ["uid"]
    folder.remove()
    assert not folder.exists


def test_survivors_are_found_by_pid_and_start_time(tmp_path: Path) -> None:
    record = tmp_path / "process.json"
    other = subprocess.Popen(["sleep", "60"], start_new_session=True)
    processes.record(record, other.pid)
    assert json.loads(record.read_text())["startTime"] == procfs.start_time(other.pid)
    noted = json.loads(record.read_text())
    record.write_text(json.dumps(noted | {"startTime": noted["startTime"] - 1}))
    assert processes.kill_recorded(record) == 0  # the pid is somebody else's
    assert other.poll() is None
    record.write_text(json.dumps(noted))
    assert processes.kill_recorded(record) == 1
    assert other.wait(5) == -9
    record.write_text("torn")
    assert processes.kill_recorded(record) == 0


def test_logs_turn_over_and_never_raise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "LOG_BYTES", 100)
    path = tmp_path / "main.log"
    log = processes.LogFile(path)
    for number in range(30):
        log.write(f"{number:09d}\n".encode())
    assert path.stat().st_size <= 100
    assert (tmp_path / "main.log.1").stat().st_size <= 100
    assert path.read_text().endswith("000000029\n")
    assert path.stat().st_mode & 0o777 == 0o600
    log.close()
    full = processes.LogFile(Path("/dev/full"))  # a disk without room
    full.write(b"dropped")
    full.close()


def test_memory_counts_descendants() -> None:
    code = "import subprocess, sys, time; x = bytearray(40 << 20); print(flush=True)\n"
    code += (
        "if len(sys.argv) < 2: subprocess.Popen([sys.executable, '-c', sys.orig_argv[2], 'x'])\n"
    )
    code += "time.sleep(60)"
    child = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, start_new_session=True
    )
    assert child.stdout is not None
    child.stdout.readline()
    child.stdout.readline()
    assert procfs.memory(child.pid) > 80 << 20
    assert procfs.kill_session(child.pid, 9) == 2
    child.wait(5)
    child.stdout.close()
    assert procfs.memory(child.pid) == 0
    assert procfs.start_time(os.getpid()) is not None


@pytest.mark.parametrize(
    ("name", "passed"),
    [
        ("AWS_SECRET_ACCESS_KEY", True),
        ("AWS_ENDPOINT_URL_KMS", True),
        ("VAULT_SECRET_ID", True),
        ("SIMULACRA_KEYS", True),
        ("KUBECONFIG", False),
        ("SIMULACRA_AUDIT", False),
        ("AWS_LAMBDA_RUNTIME_API", False),
        ("MY_AWS_PROFILE", False),
    ],
)
def test_pods_get_what_reaches_custody_and_no_more(name: str, passed: bool) -> None:
    assert bool(PASSED_ON.fullmatch(name)) is passed
