"""The data directory of `simulacra up`: layout, lock, checks, ports.

Layout 1 (mode 0700):
    layout           this number
    lock             locked while an `up` runs; has its pid
    ports.json       the ports of the last run, used again if they are free
    connection.json  addresses and credentials for clients (mode 0600)
    kubeconfig, objects.sqlite, port, token, ca.crt, tls.*  of the control plane
    pods/            of the node agent
    objects/, keyring.json, audit/  custody
    logs/, run/      of the supervisor: output and pids of the programs
"""

import fcntl
import json
import os
import shutil
import socket
from pathlib import Path
from urllib.parse import quote

from simulacra_custody.wiring import AUDIT_VARIABLE, KEYS_VARIABLE, STORE_VARIABLE
from simulacra_embedded.processes import session
from simulacra_embedded.processes.files import replace_file
from simulacra_embedded.supervisor import UpError

LAYOUT = 1
FREE_BYTES = 256 * 2**20
"""The free disk space that a start needs."""
HOST = "127.0.0.1"


class DataDir:
    """An open data directory, locked until this process ends.

    Raises:
        UpError: It cannot be written, is nearly full, is in use, or has another layout.
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
            problem = f"{self.path}: {error.strerror}"
            raise UpError(f"{problem}. Correct this or choose another --data-dir.") from error
        free = shutil.disk_usage(self.path).free
        if free < FREE_BYTES:
            need = f"only {free >> 20} MiB of disk are free, {FREE_BYTES >> 20} MiB are needed"
            raise UpError(f"{self.path}: {need}. Free some or choose another --data-dir.")

    @property
    def kubeconfig(self) -> Path:
        """The kubeconfig that the control plane writes."""
        return self.path / "kubeconfig"

    @property
    def connection(self) -> Path:
        """The connection.json of clients."""
        return self.path / "connection.json"

    @property
    def canary_files(self) -> str:
        """Where the canary looks for its marks on this machine."""
        places = {
            "scratch": "pods",
            "process logs": "logs",
            "control plane database": "objects.sqlite*",
        }
        return ":".join(f"{name}={self.path / pattern}" for name, pattern in places.items())

    @property
    def environment(self) -> dict[str, str]:
        """The variables of custody and cluster for every program; set variables of custody win."""
        root = quote(str(self.path))
        custody = {
            STORE_VARIABLE: f"file://{root}/objects",
            KEYS_VARIABLE: f"local://{root}/keyring.json",
            AUDIT_VARIABLE: f"file://{root}/audit",
        }
        given = {name: os.environ[name] for name in custody if os.environ.get(name)}
        return {"KUBECONFIG": str(self.kubeconfig), **custody, **given}

    def log(self, program: str) -> Path:
        """Return the file for a program's output."""
        return self.path / "logs" / f"{program}.log"

    def pid_file(self, program: str) -> Path:
        """Return the file for a program's pid."""
        return self.path / "run" / f"{program}.json"

    def kill_survivors(self) -> int:
        """Kill the processes of an `up` that was killed; return their number."""
        return sum(session.kill_recorded(path) for path in (self.path / "run").glob("*.json"))

    def ports(self, api: int | None) -> dict[str, int]:
        """Return and store a port for each server: the given one, the last one, or any free one.

        Raises:
            UpError: The given one is taken.
        """
        path = self.path / "ports.json"
        last = json.loads(path.read_text()) if path.exists() else {}
        if api and not _is_free(api):
            taken = f"port {api} on {HOST} is taken"
            raise UpError(f"{taken}. Stop the program that uses it or choose another --port.")
        chosen = {name: _free_port(last.get(name)) for name in ("controlplane", "operator", "api")}
        chosen["api"] = api or chosen["api"]
        replace_file(path, json.dumps(chosen))
        return chosen

    def _take_lock(self) -> int:
        lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(lock, 32).decode() or "unknown"
            message = f"{self.path} is in use by another `simulacra up` (pid {holder})"
            raise UpError(f"{message}. Stop it or choose another --data-dir.") from None
        os.ftruncate(lock, 0)
        os.pwrite(lock, str(os.getpid()).encode(), 0)
        return lock

    def _check_layout(self) -> None:
        path = self.path / "layout"
        if not path.exists():
            replace_file(path, f"{LAYOUT}\n")
        found = path.read_text().strip()
        if found != str(LAYOUT):
            message = f"{self.path} has layout {found}, this version knows {LAYOUT}"
            raise UpError(f"{message}. Use the version that made it.")


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
