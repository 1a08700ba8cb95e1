"""A small disk of its own (ext4 on a loop device), whose every byte a test can search."""

from __future__ import annotations

import mmap
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


class RawDisk:
    """A mounted file system and the image that holds it.

    Mounted with `sync` and without a journal: each write reaches the image at once, as it would
    reach a real disk sooner or later, and deleted blocks stay as they are.
    """

    def __init__(self, image: Path, path: Path) -> None:
        self.image = image
        self.path = path

    def find(self, mark: bytes) -> list[bytes]:
        """Return each place on the device with these bytes, with its neighborhood."""
        subprocess.run(["sync", "--file-system", str(self.path)], check=True)
        with (
            self.image.open("rb") as device,
            mmap.mmap(device.fileno(), 0, access=mmap.ACCESS_READ) as content,
        ):
            places = [match.start() for match in re.finditer(re.escape(mark), content)]
            return [content[max(place - 80, 0) : place + 80] for place in places]


@contextmanager
def raw_disk(folder: Path, mib: int = 1024) -> Iterator[RawDisk]:
    """Mount a new disk of this size below the folder; skip the test where that is not allowed."""
    disk = RawDisk(folder / "disk.img", folder / "disk")
    disk.path.mkdir()
    with disk.image.open("wb") as image:
        image.truncate(mib << 20)
    for command in (
        ["mkfs.ext4", "-q", "-O", "^has_journal", str(disk.image)],
        ["mount", "-o", "loop,sync,nodiscard", str(disk.image), str(disk.path)],
    ):
        try:
            subprocess.run(command, check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            pytest.skip(f"{command[0]} needs root and loop devices")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "--lazy", str(disk.path)], check=True)
