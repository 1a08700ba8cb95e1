"""`simulacra up` as a user starts it, and tools to kill it, list its stores and add tenants."""

from __future__ import annotations

import csv
import json
import os
import pty
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import Any

from simulacra import Client, Connection
from simulacra_crds.registry import WORK

SURVEY = Path(__file__).parents[2] / "examples" / "gss_survey.csv"
FEW = ("female", "region", "education_years", "happiness", "tv_hours")
"""Columns of the survey that the questions of these tests name."""
READY_SECONDS = 90
ALL_RESOURCES = ",".join([*(info.resource.PLURAL for info in WORK), "jobs", "pods"])
"""What is there of tenants' work, for `kubectl get`."""


def survey_part(path: Path, columns: Collection[str] = FEW, rows: int = 600) -> Path:
    """Write some columns of the survey's first rows to a CSV; return its path.

    A fit of so few columns takes 5 CPU seconds less than one with all 21, so it is for tests that
    look at what becomes of a table, not at its content.
    """
    with SURVEY.open(newline="") as source, path.open("w", newline="") as part:
        table = csv.DictReader(source)
        named = [name for name in table.fieldnames or () if name in columns]
        written = csv.DictWriter(part, named, extrasaction="ignore", lineterminator="\n")
        written.writeheader()
        written.writerows(islice(table, rows))
    return path


def own_environment() -> dict[str, str]:
    """Return the environment without the variables that fixtures of other folders set.

    One store belongs to one installation.
    """
    return {name: value for name, value in os.environ.items() if not name.startswith("SIMULACRA_")}


def descendants(pid: int) -> list[int]:
    """Return the pids of all processes below a process."""
    table = subprocess.run(
        ["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True
    ).stdout
    children: dict[int, list[int]] = {}
    for line in table.splitlines():
        child, parent = map(int, line.split())
        children.setdefault(parent, []).append(child)
    found, queue = [], [pid]
    while queue:
        below = children.get(queue.pop(), [])
        found += below
        queue += below
    return found


class Installation:
    """One data directory and the `simulacra up` that serves it."""

    def __init__(
        self, data_dir: Path, env: dict[str, str] | None = None, *, on_terminal: bool = False
    ) -> None:
        self.data_dir, self._env = data_dir, env or {}
        self._on_terminal = on_terminal
        self.said = b""
        """What `up` printed on its terminal, with `on_terminal`."""
        self.process: subprocess.Popen[str] | None = None
        self.ready: dict[str, Any] = {}

    def start(self) -> None:
        command = [
            str(Path(sys.executable).with_name("simulacra")),
            "up",
            "--data-dir",
            str(self.data_dir),
        ]
        terminal, stderr = pty.openpty() if self._on_terminal else (None, None)
        self.process = subprocess.Popen(
            command,
            env=own_environment() | self._env,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )
        if terminal is not None and stderr is not None:
            os.close(stderr)
            threading.Thread(target=self._listen, args=(terminal,), daemon=True).start()
        assert self.process.stdout
        self.ready = json.loads(self.process.stdout.readline())

    def _listen(self, terminal: int) -> None:
        with suppress(OSError):  # EIO: the last program on the terminal has ended
            while read := os.read(terminal, 4096):
                self.said += read
        os.close(terminal)

    def stop(self) -> int:
        assert self.process
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(60)
        assert self.process.stdout
        self.process.stdout.close()
        return code

    @contextmanager
    def serving(self) -> Iterator[Client]:
        """Start, yield a client, and stop."""
        self.start()
        try:
            with self.client() as client:
                yield client
        finally:
            self.stop()

    def kill_tree(self) -> None:
        """Send kill -9 to the supervisor and everything below it at once."""
        assert self.process
        victims = [self.process.pid, *descendants(self.process.pid)]
        for pid in victims:
            os.kill(pid, signal.SIGSTOP)  # so that no process reacts to another's death
        for pid in victims:
            os.kill(pid, signal.SIGKILL)
        self.process.wait(60)
        assert self.process.stdout
        self.process.stdout.close()

    def pid(self, program: str) -> int:
        """Return the pid of a program: controlplane, jobs, node, operator or api."""
        return int(json.loads((self.data_dir / "run" / f"{program}.json").read_text())["pid"])

    @property
    def connection(self) -> dict[str, str]:
        values: dict[str, str] = json.loads((self.data_dir / "connection.json").read_text())
        return values

    def client(self) -> Client:
        return Client.from_connection(self.data_dir / "connection.json")

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        command = [
            str(Path(sys.executable).with_name("kubectl")),
            "--kubeconfig",
            self.connection["kubeconfig"],
        ]
        done = subprocess.run(
            [*command, *arguments], capture_output=True, text=True, timeout=60, input=stdin
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    @contextmanager
    def changes(self, *arguments: str) -> Iterator[Iterator[str]]:
        """Yield the lines of `kubectl get --watch`, which miss no state however short."""
        command = [
            str(Path(sys.executable).with_name("kubectl")),
            "--kubeconfig",
            self.connection["kubeconfig"],
        ]
        asked = [*command, "get", *arguments, "--watch"]
        with subprocess.Popen(
            asked, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        ) as process:
            assert process.stdout
            yield iter(process.stdout)
            process.terminate()

    def resources(
        self,
        kinds: str = ALL_RESOURCES,
    ) -> list[str]:
        found = self.kubectl("get", kinds, "--all-namespaces", "-o", "name").splitlines()
        return [line for line in found if "/" in line]

    def objects(self) -> list[str]:
        """Return the keys of everything stored for a tenant, finished or not."""
        root = self.data_dir / "objects"
        found = [
            str((Path(folder) / name).relative_to(root))
            for folder, _, names in os.walk(root)  # which bears folders that go meanwhile
            for name in names
        ]
        return [name for name in found if not name.startswith("installation/")]

    def add_tenant(self, name: str) -> Client:
        """Create a Tenant and its client's Secret with kubectl; return a client."""
        from simulacra_api.auth.clients import hash_secret

        client_id, secret = f"sim-{name}", "simsec_" + secrets.token_urlsafe(32)
        hashes = json.dumps([{"hash": hash_secret(secret), "created": "2026-01-01T00:00:00Z"}])
        tenant = {
            "apiVersion": "simulacra.dev/v1alpha1",
            "kind": "Tenant",
            "metadata": {"name": name},
        }
        tenant["spec"] = {"clients": [client_id]}
        credential = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "name": f"client-{client_id}",
                "namespace": "simulacra-system-clients",
                "labels": {"simulacra.dev/kind": "client"},
            },
            "stringData": {"hashes": hashes},
        }
        for body in (tenant, credential):
            self.kubectl("apply", "-f", "-", stdin=json.dumps(body))
        self.kubectl("wait", "--for=condition=Ready", f"tenant/{name}", "--timeout=30s")
        known = self.connection
        return Client(
            Connection(known["api_url"], known["token_url"], client_id, secret, known["audience"])
        )


@contextmanager
def served(command: list[str], env: Mapping[str, str]) -> Iterator[str]:
    """Start a program that prints its URL in a line of JSON; yield it, and end the program."""
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=env
    ) as process:
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())["url"]
        finally:
            process.terminate()
            process.wait(60)


def eventually(check: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait until a check holds; fail with its name when time is up."""
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline, f"not within {seconds} s: {check}"
        time.sleep(0.2)
