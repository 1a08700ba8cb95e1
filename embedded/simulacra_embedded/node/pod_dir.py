"""A pod's directory: logs, temporary files, and what survives a crash of the agent.

`<data-dir>/pods/<uid>/` has `<container>.log`, `tmp/`, `termination`, `process.json` (the session,
to find survivors) and `final.json` (the last status, written before it is sent). It exists if this
agent or an earlier one has started the pod.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from simulacra_crds.tasks import TERMINATION_LIMIT
from simulacra_embedded.processes import session
from simulacra_embedded.processes.files import replace_file

Object = dict[str, Any]


class PodDir:
    """One pod's files, of mode 0600 below a directory of mode 0700."""

    def __init__(self, root: Path, uid: str) -> None:
        self.path = root / "pods" / uid
        self.tmp = self.path / "tmp"
        self.termination = self.path / "termination"
        self._process = self.path / "process.json"
        self._final = self.path / "final.json"

    @classmethod
    def all(cls, root: Path) -> Iterator[PodDir]:
        """Yield the directory of every pod that was started here."""
        for path in (root / "pods").iterdir():
            if path.is_dir():
                yield cls(root, path.name)

    @property
    def uid(self) -> str:
        """The pod's uid."""
        return self.path.name

    @property
    def exists(self) -> bool:
        """Return whether the pod was started here."""
        return self.path.is_dir()

    def prepare(self) -> None:
        """Make the directory, with an empty tmp and no termination message."""
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

    def record_process(self, pid: int) -> None:
        """Store the leader of the pod's session."""
        session.record(self._process, pid)

    def kill_survivors(self) -> int:
        """Kill the processes of this pod from an earlier agent; return their number."""
        return session.kill_recorded(self._process)

    def record_final(self, status: Object) -> None:
        """Store the final status, so that a crash before it is sent does not lose it."""
        replace_file(self._final, json.dumps(status))

    def final(self) -> Object | None:
        """Return the status that record_final stored."""
        try:
            status: Object = json.loads(self._final.read_text())
        except (OSError, ValueError):
            return None
        return status
