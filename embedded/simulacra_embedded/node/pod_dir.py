"""A pod's folder in the agent's data directory: logs, temporary files, what survives a crash of the agent.

`<data-dir>/pods/<uid>/` holds `<container>.log`, `tmp/`, `termination`, `process.json` (who runs, to find survivors)
and `final.json` (the last status, written before it is sent). The folder itself says: this pod was started here.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from simulacra_crds.contract.tasks import TERMINATION_LIMIT
from simulacra_embedded import processes

Object = dict[str, Any]


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
        processes.record(self._process, pid)

    def kill_survivors(self) -> int:
        """Kill what an earlier agent left running of this pod; return the number of processes."""
        return processes.kill_recorded(self._process)

    def record_final(self, status: Object) -> None:
        """Note the status that the pod ends with, so that a crash before it is sent does not lose it."""
        processes.replace_file(self._final, json.dumps(status))

    def final(self) -> Object | None:
        """Return the status noted by record_final."""
        try:
            status: Object = json.loads(self._final.read_text())
        except (OSError, ValueError):
            return None
        return status
