"""Parts of the node agent: quantities, threads, commands, directories, refusals."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from simulacra_embedded.node import status
from simulacra_embedded.node.agent import refusal
from simulacra_embedded.node.environment import INHERITED, TRAINER, command
from simulacra_embedded.node.pod_dir import PodDir
from simulacra_embedded.node.resources import parse_quantity, threads
from simulacra_embedded.processes import files, session


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
def test_quantities_are_parsed(text: str, value: float) -> None:
    assert parse_quantity(text) == value


@pytest.mark.parametrize("text", ["", "many", "5x", "Mi"])
def test_invalid_quantity_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a quantity"):
        parse_quantity(text)


@pytest.mark.parametrize(
    ("limit", "request_", "running", "expected"),
    [
        (None, None, 1, 8),  # alone: the whole machine
        (None, "500m", 4, 2),  # its share of the cores
        (None, "3", 8, 3),  # its request
        ("1500m", "500m", 1, 2),  # the limit applies also on an idle machine
        ("64", None, 1, 8),
        (None, "100m", 20, 1),
    ],
)
def test_threads_follow_limit_request_and_idle_cores(
    limit: str | None, request_: str | None, running: int, expected: int
) -> None:
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
def test_command_is_expanded(container: dict[str, Any], expected: list[str]) -> None:
    assert command(container, {"A": "1"}) == expected


def pod(image: str = "simulacra/trainer:1", **spec: Any) -> dict[str, Any]:
    containers = [{"name": "main", "image": image}]
    return {"spec": {"restartPolicy": "Never", "containers": containers} | spec}


@pytest.mark.parametrize(
    "image",
    [
        "simulacra/trainer",
        "simulacra/trainer:dev",
        "registry.example/simulacra/trainer@sha256:00",
        "test/shell",
    ],
)
def test_trainer_images_run(image: str) -> None:
    assert refusal(pod(image), frozenset({"test/shell"})) is None


@pytest.mark.parametrize(
    "image", ["nginx", "evil/trainer", "simulacra/trainers", "test/shell:1", "x/trainer"]
)
def test_other_images_do_not_run(image: str) -> None:
    found = refusal(pod(image), frozenset({"test/shell"}))
    assert found is not None
    assert found[0] == "ImageNotRunnable"


@pytest.mark.parametrize(
    ("spec", "word"),
    [
        ({"initContainers": [{"name": "i"}]}, "one container"),
        ({"containers": [{"name": "a", "image": "simulacra/trainer"}] * 2}, "one container"),
        ({"volumes": [{"name": "v", "secret": {"secretName": "s"}}]}, "secret"),
        ({"restartPolicy": "OnFailure"}, "restartPolicy"),
    ],
)
def test_unsupported_pods_do_not_run(spec: dict[str, Any], word: str) -> None:
    found = refusal(pod(**spec), frozenset())
    assert found is not None
    assert found[0] == "NotSupported"
    assert word in found[1]


def test_pod_dir_keeps_the_final_status_and_limits_the_message(tmp_path: Path) -> None:
    (tmp_path / "pods").mkdir()
    folder = PodDir(tmp_path, "uid")
    assert not folder.exists
    folder.prepare()
    assert folder.final() is None
    folder.record_final({"phase": "Succeeded"})
    assert folder.final() == {"phase": "Succeeded"}
    folder.termination.write_bytes(b"a" * 4095 + "é".encode())
    assert folder.message() == "a" * 4095  # an incomplete character is dropped
    assert [one.uid for one in PodDir.all(tmp_path)] == ["uid"]
    folder.remove()
    assert not folder.exists


def test_survivors_are_found_by_pid_and_start_time(tmp_path: Path) -> None:
    record = tmp_path / "process.json"
    other = subprocess.Popen(["sleep", "60"], start_new_session=True)
    session.record(record, other.pid)
    assert json.loads(record.read_text())["startTime"] == session.start_time(other.pid)
    noted = json.loads(record.read_text())
    record.write_text(json.dumps(noted | {"startTime": noted["startTime"] - 1}))
    assert session.kill_recorded(record) == 0  # the pid belongs to another process
    assert other.poll() is None
    record.write_text(json.dumps(noted))
    assert session.kill_recorded(record) == 1
    assert other.wait(60) == -9
    record.write_text("torn")
    assert session.kill_recorded(record) == 0


def test_logs_are_rotated_and_never_raise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "LOG_BYTES", 100)
    path = tmp_path / "main.log"
    log = files.LogFile(path)
    for number in range(30):
        log.write(f"{number:09d}\n".encode())
    assert path.stat().st_size <= 100
    assert (tmp_path / "main.log.1").stat().st_size <= 100
    assert path.read_text().endswith("000000029\n")
    assert path.stat().st_mode & 0o777 == 0o600
    log.close()
    full = files.LogFile(Path("/dev/full"))  # a full disk
    full.write(b"dropped")
    full.close()


def test_memory_includes_descendants() -> None:
    code = "import subprocess, sys, time; x = bytearray(40 << 20); print(flush=True)\n"
    fork = "subprocess.Popen([sys.executable, '-c', sys.orig_argv[2], 'x'])"
    code += f"if len(sys.argv) < 2: {fork}\ntime.sleep(60)"
    words = [sys.executable, "-c", code]
    child = subprocess.Popen(words, stdout=subprocess.PIPE, start_new_session=True)
    assert child.stdout is not None
    child.stdout.readline()
    child.stdout.readline()
    assert session.memory(child.pid) > 80 << 20
    assert session.kill(child.pid, 9) == 2
    child.wait(60)
    child.stdout.close()
    assert session.memory(child.pid) == 0
    assert session.start_time(os.getpid()) is not None


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
def test_pods_inherit_only_custody_variables(name: str, passed: bool) -> None:
    assert bool(INHERITED.fullmatch(name)) is passed


def test_a_condition_keeps_the_time_of_its_last_change() -> None:
    old = {"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}
    body = {"spec": {"containers": [{"name": "c", "image": "i"}]}, "status": {"conditions": [old]}}
    pod = status.PodStatus(body)
    times = []
    for phase in ("Running", "Failed"):
        made = pod.build(phase, status.waiting("x") if phase == "Failed" else {"running": {}})
        (ready,) = [one for one in made["conditions"] if one["type"] == "Ready"]
        times.append((ready["status"], ready["lastTransitionTime"] == old["lastTransitionTime"]))
    assert times == [("True", True), ("False", False)]
