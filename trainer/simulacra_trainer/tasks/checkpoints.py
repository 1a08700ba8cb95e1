"""Checkpoints of a fit as encrypted artifacts, from which the next pod resumes it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path

from simulacra_crds.tasks import CHECKPOINT_PREFIX
from simulacra_custody.errors import CustodyError
from simulacra_trainer.tasks.artifacts import Artifacts

SHARE = 0.1
"""Largest share of the time that storing checkpoints may take."""
_SEPARATOR = "--"
log = logging.getLogger(__name__)


class StoredCheckpoints:
    """Mirrors a directory of checkpoints in the object store.

    Args:
        own: artifacts of the Model.
        directory: of the fit's checkpoints; created if missing.
        clock: seconds, monotonic.
    """

    def __init__(
        self, own: Artifacts, directory: Path, clock: Callable[[], float] = time.monotonic
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self._own = own
        self._clock = clock
        self._stored: dict[str, tuple[int, int]] = {}
        self._pause_until = float("-inf")

    def restore(self) -> None:
        """Download the checkpoints of an earlier pod. Raises `CustodyError`."""
        names = self._own.names(CHECKPOINT_PREFIX)
        if names:
            log.info("interrupted fit resumed files=%d", len(names))
        for name in names:
            path = self.directory / name.removeprefix(CHECKPOINT_PREFIX).replace(_SEPARATOR, "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            self._own.download(name, path)
            self._stored[name] = _mark(path)

    def store(self) -> None:
        """Store changed files and erase removed ones, unless the last call was too recent.

        An error of the store does not end the fit; the next call tries again.
        """
        began = self._clock()
        if began < self._pause_until:
            return
        try:
            self._mirror()
        except CustodyError as error:
            log.warning("checkpoints not stored error=%s", type(error).__name__)
        now = self._clock()
        self._pause_until = now + (now - began) / SHARE

    def erase(self) -> None:
        """Erase all stored checkpoints. Raises `CustodyError`."""
        for name in self._own.names(CHECKPOINT_PREFIX):
            self._own.erase(name)
        self._stored.clear()

    def _mirror(self) -> None:
        paths = filter(_is_complete, sorted(self.directory.rglob("*")))
        present = {self._name(path): path for path in paths}
        for name, path in present.items():  # "best" before "last", which refers to it
            mark = _mark(path)
            if self._stored.get(name) != mark:
                self._own.upload(name, path)
                self._stored[name] = mark
        for name in self._stored.keys() - present.keys():
            self._own.erase(name)
            del self._stored[name]

    def _name(self, path: Path) -> str:
        relative = path.relative_to(self.directory).as_posix()
        return CHECKPOINT_PREFIX + relative.replace("/", _SEPARATOR)


def _is_complete(path: Path) -> bool:
    return path.is_file() and path.suffix in (".ckpt", ".json")


def _mark(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_mtime_ns, status.st_size
