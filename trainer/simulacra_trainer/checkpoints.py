"""Checkpoints of a fit as encrypted artifacts, so that the next pod resumes it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path

from simulacra_crds.contract.tasks import CHECKPOINT_PREFIX
from simulacra_custody.errors import CustodyError
from simulacra_trainer.artifacts import Artifacts

SHARE = 0.1
"""Most of the time that goes into storing checkpoints."""
_JOINT = "--"
log = logging.getLogger(__name__)


class StoredCheckpoints:
    """A directory of checkpoints and its copy in the object store.

    Args:
        own: artifacts of the Model.
        directory: where the fit keeps its checkpoints; made here.
        clock: seconds, monotonic.
    """

    def __init__(
        self, own: Artifacts, directory: Path, clock: Callable[[], float] = time.monotonic
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self._own, self._clock = own, clock
        self._stored: dict[str, tuple[int, int]] = {}
        self._rest_until = float("-inf")

    def restore(self) -> None:
        """Fetch what an earlier pod left. Raises `CustodyError`."""
        names = self._own.names(CHECKPOINT_PREFIX)
        if names:
            log.info("an earlier pod was cut off: its fit goes on from %d files", len(names))
        for name in names:
            path = self.directory / name.removeprefix(CHECKPOINT_PREFIX).replace(_JOINT, "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            self._own.download(name, path)
            self._stored[name] = _mark(path)

    def keep(self) -> None:
        """Store what changed and erase what went, unless the last time is too short ago.

        A store that refuses is no reason to end a fit: the next time may go better.
        """
        began = self._clock()
        if began < self._rest_until:
            return
        try:
            self._mirror()
        except CustodyError as error:
            log.warning("checkpoints were not stored: %s", type(error).__name__)
        now = self._clock()
        self._rest_until = now + (now - began) / SHARE

    def erase(self) -> None:
        """Erase all that is stored. Raises `CustodyError`."""
        for name in self._own.names(CHECKPOINT_PREFIX):
            self._own.erase(name)
        self._stored.clear()

    def _mirror(self) -> None:
        there = {
            self._name(path): path for path in sorted(self.directory.rglob("*")) if _is_whole(path)
        }
        for name, path in there.items():  # "best" before "last", which speaks of it
            if self._stored.get(name) != (mark := _mark(path)):
                self._own.upload(name, path)
                self._stored[name] = mark
        for name in self._stored.keys() - there.keys():
            self._own.erase(name)
            del self._stored[name]

    def _name(self, path: Path) -> str:
        return CHECKPOINT_PREFIX + path.relative_to(self.directory).as_posix().replace("/", _JOINT)


def _is_whole(path: Path) -> bool:
    return path.is_file() and path.suffix in (".ckpt", ".json")


def _mark(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_mtime_ns, status.st_size
