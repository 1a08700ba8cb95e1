"""A browser and an installation for each module; skipped without chromium."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from browser import CHROMIUM, Scheme, Tab, chromium
from installation import SURVEY, Installation
from simulacra import Client

expect.set_options(timeout=60_000)


@pytest.fixture(scope="session")
def chromium_is_here() -> None:
    if CHROMIUM is None:
        pytest.skip("chromium is not installed: apt-get install -y chromium fonts-dejavu")


@pytest.fixture(scope="module")
def browser(chromium_is_here: None) -> Iterator[Browser]:
    """Return a browser of this module's own.

    Playwright's event loop runs as long as it does, and no test with a loop of its own could run
    in this process meanwhile.
    """
    with chromium() as one:
        yield one


@pytest.fixture(scope="module")
def installation(
    chromium_is_here: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    """Return a running installation; the tests of a module share it and say what is there."""
    one = Installation(tmp_path_factory.mktemp("up") / "data", on_terminal=True)
    one.start()
    yield one
    one.stop()


@pytest.fixture(scope="module")
def client(installation: Installation) -> Iterator[Client]:
    with installation.client() as one:
        yield one


@pytest.fixture(scope="module")
def dataset(client: Client) -> str:
    """Return a ready dataset that tests read and do not change."""
    uploaded = client.upload(SURVEY)
    client.wait(uploaded["job_id"], timeout=300)
    return str(uploaded["dataset_id"])


@pytest.fixture(scope="module")
def generation(client: Client, dataset: str) -> str:
    conditions: dict[str, Any] = {"categorical": {"happiness": {"very happy": 0.5}}}
    asked = client.generate(
        dataset, 400, conditions=conditions | {"numeric": {"tv_hours": {"min": 1, "max": 4}}}
    )
    client.wait(asked["job_id"], timeout=300)
    return str(asked["generation_id"])


@pytest.fixture
def open_tab(browser: Browser, installation: Installation) -> Iterator[Callable[..., Tab]]:
    """Open tabs; at the end, assert that none logged an error or a foreign request."""
    tabs: list[Tab] = []

    def open_one(path: str, width: str = "desk", scheme: Scheme = "light") -> Tab:
        tab = Tab(browser, installation.connection["api_url"], width, scheme)
        tabs.append(tab)
        tab.page.goto(path)
        return tab

    yield open_one
    wrong = [text for tab in tabs for text in tab.wrong]
    for tab in tabs:
        tab.close()
    assert wrong == []
