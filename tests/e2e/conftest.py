"""Installations for end-to-end tests: one per test, or one shared by a module."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from installation import SURVEY, Installation
from simulacra import Client


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


@pytest.fixture(scope="module")
def client(shared_installation: Installation) -> Iterator[Client]:
    """A client of the module's installation."""
    with shared_installation.client() as one:
        yield one


@pytest.fixture(scope="module")
def dataset(client: Client) -> str:
    """The survey's dataset, ready."""
    uploaded = client.upload(SURVEY)
    client.wait(uploaded["job_id"], timeout=240)
    return str(uploaded["dataset_id"])
