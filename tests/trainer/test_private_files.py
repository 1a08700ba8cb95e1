"""Private files: mode 0600 from the first byte, and nothing of an older file is reused."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from simulacra_trainer.private_files import PrivatePath


@pytest.fixture(autouse=True)
def _open_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def test_file_is_private_before_anything_is_in_it(tmp_path: Path) -> None:
    path = PrivatePath(tmp_path) / "train.parquet"
    with path.open("wb") as file:
        found = path.stat()
        assert (stat.S_IMODE(found.st_mode), found.st_size) == (0o600, 0)
        file.write(b"x")
    assert path.read_bytes() == b"x"


def test_readable_file_and_link_are_replaced_not_written(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("theirs")
    link = PrivatePath(tmp_path / "link")
    link.symlink_to(elsewhere)
    link.write_text("secret")
    assert (elsewhere.read_text(), link.is_symlink()) == ("theirs", False)
    assert stat.S_IMODE(link.stat().st_mode) == 0o600


def test_mode_that_would_reuse_a_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="private file"):
        PrivatePath(tmp_path / "a").open("a")
