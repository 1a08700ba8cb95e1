"""A pod's folder in the agent's data directory: logs, temporary files, what survives a crash of the agent.

`<data-dir>/pods/<uid>/` holds `<container>.log`, `tmp/`, `termination`, `process.json` (who runs, to find survivors)
and `final.json` (the last status, written before it is sent). The folder itself says: this pod was started here.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from simulacra_crds.tasks import TERMINATION_LIMIT
from simulacra_embedded.node import procfs

Object = dict[str, Any]
LOG_BYTES = 10 * 2**20
"""Size at which a log is turned over; one older part is kept, so a pod has twice this at most."""


class PodFolder:
    """One pod's files, all of mode 0600 below a folder of mode 0700."""

    def __init__(self, root: Path, uid: str) -> None:
        self.path = root / "pods" / uid
        self.tmp = self.path / "tmp"
        self.termination = self.path / "termination"
        self._process = self.path / "process.json"
        self._final = self.path / "final.json"

    @classmethod
    def all(cls, root: Path) -> Iterator[PodFolder]:
        """Yield the folders of every pod that was started here."""
        for path in (root / "pods").iterdir():
            if path.is_dir():
                yield cls(root, path.name)

    @property
    def uid(self) -> str:
        """The pod's uid."""
        return self.path.name

    @property
    def exists(self) -> bool:
        """Whether the pod was started here."""
        return self.path.is_dir()

    def prepare(self) -> None:
        """Make the folder, with an empty tmp and no termination message."""
        self.path.mkdir(mode=0o700, exist_ok=True)
        self.remove_tmp()
        self.tmp.mkdir(mode=0o700)
        self.termination.write_bytes(b"")

    def remove_tmp(self) -> None:
        """Remove the temporary files."""
        shutil.rmtree(self.tmp, ignore_errors=True)

    def remove(self) -> None:
        """Remove everything."""
        shutil.rmtree(self.path, ignore_errors=True)

    def message(self) -> str:
        """Return the termination message, cut to TERMINATION_LIMIT bytes."""
        try:
            with self.termination.open("rb") as file:
                return file.read(TERMINATION_LIMIT).decode("utf-8", "ignore")
        except OSError:
            return ""

    def log_tail(self, container: str) -> str:
        """Return the end of the log: 80 lines and 2048 bytes at most, as kubelet does for FallbackToLogsOnError."""
        try:
            data = (self.path / f"{container}.log").read_bytes()[-2048:]
        except OSError:
            return ""
        return "\n".join(data.decode("utf-8", "ignore").splitlines()[-80:])

    def record_process(self, pid: int) -> None:
        """Note the leader of the pod's session."""
        _write(self._process, {"pid": pid, "startTime": procfs.start_time(pid)})

    def kill_survivors(self) -> int:
        """Kill what an earlier agent left running of this pod; return the number of processes."""
        record = _read(self._process)
        if record is None or record["startTime"] is None:
            return 0
        now = procfs.start_time(record["pid"])
        if now is not None and now != record["startTime"]:
            return 0  # the pid (and so the session id) belongs to somebody else by now
        return procfs.kill_session(record["pid"], signal.SIGKILL)

    def record_final(self, status: Object) -> None:
        """Note the status that the pod ends with, so that a crash before it is sent does not lose it."""
        _write(self._final, status)

    def final(self) -> Object | None:
        """Return the status noted by record_final."""
        return _read(self._final)


class LogFile:
    """An append-only log of bounded size."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = self._open()

    def _open(self) -> BinaryIO:
        return os.fdopen(os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab", buffering=0)

    def write(self, data: bytes) -> None:
        """Append; turn the log over when it is full."""
        if self._file.tell() + len(data) > LOG_BYTES:
            self._file.close()
            self._path.replace(self._path.with_suffix(".log.1"))
            self._file = self._open()
        self._file.write(data)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _write(path: Path, value: Object) -> None:
    draft = path.with_suffix(".new")
    draft.write_text(json.dumps(value))
    draft.replace(path)


def _read(path: Path) -> Object | None:
    try:
        value: Object = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    return value
