"""Installations for end-to-end tests: one of the test's own, or one that a module shares."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from installation import Installation


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    """A started installation of the test's own."""
    one = Installation(tmp_path / "data")
    one.start()
    yield one
    if one.process and one.process.poll() is None:
        one.stop()


@pytest.fixture(scope="module")
def shared_installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """A started installation that the tests of a module share."""
    one = Installation(tmp_path_factory.mktemp("up") / "data")
    one.start()
    yield one
    one.stop()
