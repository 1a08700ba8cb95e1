"""The data directory of `simulacra up`: made, checked, locked.

Layout 1 (mode 0700):
    layout           this number
    lock             held while an `up` runs; holds its pid
    ports.json       the ports of the last run, used again when free
    connection.json  what a client needs, credentials included (mode 0600)
    kubeconfig, objects.sqlite, port, token, ca.crt, tls.*  of the control plane
    pods/            of the node agent
    objects/, keyring.json, audit/  custody
    logs/, run/      of the supervisor: output of the programs, their pids
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import socket
from pathlib import Path
from urllib.parse import quote

from simulacra_custody.wiring import AUDIT_VARIABLE, KEYS_VARIABLE, STORE_VARIABLE
from simulacra_embedded import processes
from simulacra_embedded.supervisor.errors import UpError

LAYOUT = 1
FREE_BYTES = 256 * 2**20
"""Less free disk space than this is refused at start."""
HOST = "127.0.0.1"


class DataDir:
    """An open data directory; the lock lasts as long as the process.

    Raises:
        UpError: It cannot be written, is nearly full, is in use, or was written by a newer version.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.expanduser().absolute()
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.path.chmod(0o700)
            self._lock = self._take_lock()
            self._check_layout()
            for name in ("logs", "run", "objects"):
                (self.path / name).mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise UpError(
                f"{self.path}: {error.strerror}; correct that or choose another --data-dir"
            ) from error
        free = shutil.disk_usage(self.path).free
        if free < FREE_BYTES:
            raise UpError(
                f"{self.path}: only {free >> 20} MiB of disk are free, {FREE_BYTES >> 20} MiB are needed; free some, "
                "or choose another --data-dir"
            )

    @property
    def kubeconfig(self) -> Path:
        """Written by the control plane."""
        return self.path / "kubeconfig"

    @property
    def connection(self) -> Path:
        """What clients read."""
        return self.path / "connection.json"

    @property
    def environment(self) -> dict[str, str]:
        """The variables by which every program finds custody and the cluster; custody is here unless they say where."""
        root = quote(str(self.path))
        custody = {
            STORE_VARIABLE: f"file://{root}/objects",
            KEYS_VARIABLE: f"local://{root}/keyring.json",
            AUDIT_VARIABLE: f"file://{root}/audit",
        }
        given = {name: os.environ[name] for name in custody if os.environ.get(name)}
        return {"KUBECONFIG": str(self.kubeconfig), **custody, **given}

    def log(self, program: str) -> Path:
        """Where a program's output goes."""
        return self.path / "logs" / f"{program}.log"

    def pid_file(self, program: str) -> Path:
        """Where a program's pid is noted."""
        return self.path / "run" / f"{program}.json"

    def kill_survivors(self) -> int:
        """Kill what an `up` that was itself killed left of its programs; return the number of processes."""
        return sum(processes.kill_recorded(path) for path in (self.path / "run").glob("*.json"))

    def ports(self, api: int | None) -> dict[str, int]:
        """Return a free port for each server: the one given, that of the last run, or any; and note them.

        Raises:
            UpError: The one given is taken.
        """
        path = self.path / "ports.json"
        last = json.loads(path.read_text()) if path.exists() else {}
        if api and not _is_free(api):
            raise UpError(
                f"port {api} on {HOST} is taken; stop what listens there or choose another --port"
            )
        chosen = {name: _free_port(last.get(name)) for name in ("controlplane", "operator", "api")}
        chosen["api"] = api or chosen["api"]
        processes.replace_file(path, json.dumps(chosen))
        return chosen

    def _take_lock(self) -> int:
        lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(lock, 32).decode() or "unknown"
            message = f"{self.path} is in use by another `simulacra up` (pid {holder}); stop it or choose another"
            raise UpError(f"{message} --data-dir") from None
        os.ftruncate(lock, 0)
        os.pwrite(lock, str(os.getpid()).encode(), 0)
        return lock

    def _check_layout(self) -> None:
        path = self.path / "layout"
        if not path.exists():
            processes.replace_file(path, f"{LAYOUT}\n")
        found = path.read_text().strip()
        if found != str(LAYOUT):
            raise UpError(
                f"{self.path} has layout {found}, this version knows {LAYOUT}; use the version that made it"
            )


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def _free_port(wanted: int | None) -> int:
    if wanted and _is_free(wanted):
        return wanted
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
