"""Installations for end-to-end tests: one per test, or one shared by a module."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from installation import Installation


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    """A started installation for one test."""
    one = Installation(tmp_path / "data")
    one.start()
    yield one
    if one.process and one.process.poll() is None:
        one.stop()


@pytest.fixture(scope="module")
def shared_installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """A started installation shared by the tests of a module."""
    one = Installation(tmp_path_factory.mktemp("up") / "data")
    one.start()
    yield one
    one.stop()
