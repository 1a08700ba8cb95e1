"""Places in which marks are looked for: what each search read, found, or could not read.

A place that could not be read to its end counts as not searched, whatever the reason. The result
then says so and never becomes better by it.
"""

import json
import logging
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import REGISTRY, generate_latest
from pydantic import BaseModel, NonNegativeInt

from simulacra_crds.kube.client import ApiResource, Cluster
from simulacra_crds.logs import LineFormatter
from simulacra_custody.errors import ArtifactMissing
from simulacra_custody.stores.base import ObjectInfo, ObjectStore
from simulacra_operator.tasks.canary.marks import Finder

SKEW_S = 600.0
"""What was last written so long before a run began cannot have its marks, with any clock."""
LIMIT_BYTES = 1 << 30
"""The most that is read in one place in one run; a place with more is not searched to its end."""
_CHUNK = 1 << 20


class NotSearched(Exception):
    """A place could not be read to its end; the message says why, in constants."""


class Searched(BaseModel, extra="forbid", frozen=True):
    """Result of one place.

    Attributes:
        items: objects, files, lines or samples that were read.
        found: items with a mark.
        unsearched: why it could not be searched to its end, None if it was.
    """

    place: str
    items: NonNegativeInt = 0
    bytes: NonNegativeInt = 0
    found: NonNegativeInt = 0
    unsearched: str | None = None


@dataclass
class Tally:
    """Counts of a search while it runs."""

    needles: tuple[bytes, ...]
    items: int = 0
    size: int = 0
    found: int = 0

    def look(self, *streams: bytes | Iterable[bytes]) -> None:
        """Look into one item: its name and its content, each a stream of its own."""
        found = False
        for stream in streams:
            finder = Finder(self.needles)
            for part in (stream,) if isinstance(stream, bytes) else stream:
                finder.feed(part)
                self.size += len(part)
                if self.size > LIMIT_BYTES:
                    raise NotSearched("more was written than is read in one run")
            found = found or finder.found
        self.items += 1
        self.found += found

    def result(self, place: str, unsearched: str | None = None) -> Searched:
        """Return the result of a place."""
        return Searched(
            place=place, items=self.items, bytes=self.size, found=self.found, unsearched=unsearched
        )


def search_store(store: ObjectStore, since: float, tally: Tally) -> None:
    """Search every key, also of unfinished puts, and what was written since, as it is stored.

    Raises:
        NotSearched: versions were written since that were replaced; they cannot be read.
    """
    for info in store.list_incomplete(""):
        tally.look(info.key.encode())
    current = 0
    for info in store.list(""):
        written = info.modified >= since - SKEW_S
        current += written
        tally.look(info.key.encode(), _content(store, info) if written else b"")
    versions = [info for info in store.list_versions("") if info.size]
    if sum(info.modified >= since - SKEW_S for info in versions) > current:
        raise NotSearched("versions that were replaced cannot be read")


def _content(store: ObjectStore, info: ObjectInfo) -> Iterator[bytes]:
    try:
        yield from store.open_range(info.key)
    except ArtifactMissing:
        return  # erased since it was listed


def search_files(pattern: str, since: float, tally: Tally) -> None:
    """Search names and content of the files under a path, or of those that a glob names.

    Raises:
        NotSearched: there is no such path, or a file cannot be read.
    """
    path = Path(pattern)
    roots = sorted(path.parent.glob(path.name))
    if not roots:
        raise NotSearched("its path does not exist")
    try:
        for root in roots:
            files = _walk(root) if root.is_dir() else iter([root])
            for file in files:
                _search_file(file, since, tally)
    except OSError as error:
        raise NotSearched(f"a file cannot be read ({type(error).__name__})") from None


def _walk(root: Path) -> Iterator[Path]:
    def fail(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError):
            raise error

    for folder, _, names in os.walk(root, onerror=fail):
        yield Path(folder)
        yield from (Path(folder) / name for name in names)


def _search_file(file: Path, since: float, tally: Tally) -> None:
    name = os.fsencode(file)
    try:
        stat = file.lstat()
        if not file.is_file() or file.is_symlink() or stat.st_mtime < since - SKEW_S:
            tally.look(name)
            return
        with file.open("rb") as stream:
            tally.look(name, iter(lambda: stream.read(_CHUNK), b""))
    except FileNotFoundError:
        return  # deleted since it was listed


async def search_kind(cluster: Cluster, kind: ApiResource, tally: Tally) -> None:
    """Search every object of a kind, with metadata, status and managed fields."""
    async for body in cluster.list(kind):
        tally.look(json.dumps(body, ensure_ascii=False).encode())


def search_metrics(tally: Tally) -> None:
    """Search what this process exposes on its metrics port."""
    for line in generate_latest(REGISTRY).splitlines():
        tally.look(line)


class LogWatch(logging.Handler):
    """Looks for marks in the lines of this process's log, as they are written."""

    def __init__(self, needles: tuple[bytes, ...]) -> None:
        super().__init__()
        self.setFormatter(LineFormatter())
        self.tally = Tally(needles)
        self._failed = False

    def emit(self, record: logging.LogRecord) -> None:
        """Look into one line."""
        try:
            self.tally.look(self.format(record).encode())
        except Exception:
            self._failed = True

    def search(self, tally: Tally) -> None:
        """Hand over the counts. Raises `NotSearched` if a line could not be read."""
        tally.items = self.tally.items
        tally.size = self.tally.size
        tally.found = self.tally.found
        if self._failed:
            raise NotSearched("a line could not be read")
