"""Installations for end-to-end tests: one for all modules, and of their own for those `ALONE`."""

from collections.abc import Iterator

import pytest

from installation import SURVEY, Installation
from simulacra import Client


@pytest.fixture(scope="session")
def common_installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """A started installation; what a module leaves there, the next one finds."""
    yield from _started(tmp_path_factory)


@pytest.fixture(scope="module")
def own_installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """A started installation of one module."""
    yield from _started(tmp_path_factory)


def _started(folders: pytest.TempPathFactory) -> Iterator[Installation]:
    one = Installation(folders.mktemp("up") / "data")
    one.start()
    yield one
    if one.process and one.process.poll() is None:
        one.stop()


@pytest.fixture
def installation(own_installation: Installation) -> Installation:
    """The module's own installation, started again if the test before killed it."""
    assert own_installation.process
    if own_installation.process.poll() is not None:
        own_installation.start()
    return own_installation


@pytest.fixture(scope="module")
def shared_installation(request: pytest.FixtureRequest) -> Installation:
    """The common installation; with `ALONE` the module's own, as it looks at all that is there."""
    alone = getattr(request.module, "ALONE", False)
    found = request.getfixturevalue("own_installation" if alone else "common_installation")
    assert isinstance(found, Installation)
    return found


@pytest.fixture(scope="module")
def client(shared_installation: Installation) -> Iterator[Client]:
    """A client of the installation."""
    with shared_installation.client() as one:
        yield one


@pytest.fixture(scope="module")
def dataset(client: Client) -> str:
    """The survey's dataset, ready."""
    uploaded = client.upload(SURVEY)
    client.wait(uploaded["job_id"], timeout=240)
    return str(uploaded["dataset_id"])
