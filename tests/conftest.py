"""Which tests pytest-xdist runs in one process, and which first (`--dist loadfile`)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

LONG = {"neural": 100, "e2e": 100, "browser": 100, "timeout": 100, "slow": 50}
"""Marks of long tests, each with how many other tests take about as long."""


CODES = pytest.StashKey[tuple[set[str], set[str]]]()
"""Error codes that tests/api produced in all processes, and those that it must produce."""


@pytest.fixture(autouse=True, scope="session")
def _state_of_the_command(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the command's memory (the last `up`, names of tables) out of the developer's home."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Sort the files by their length, longest first, or a process would end alone with a long one.

    Every process of xdist sorts them so; pytest without it keeps the order of the command line.
    """
    if not hasattr(config, "workerinput"):
        return
    cost = Counter[Path]()
    for item in items:
        marks = (LONG.get(mark.name, 1) for mark in item.iter_markers())
        cost[item.path] += max(marks, default=1)
    items.sort(key=lambda item: -cost[item.path])


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config) -> None:
    """Keep the order of `pytest_collection_modifyitems`, not that by the number of tests."""
    config.option.loadscopereorder = False


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Join the error codes that a process of xdist produced (tests/api/conftest.py)."""
    found, wanted = node.config.stash.setdefault(CODES, (set(), set()))
    output = getattr(node, "workeroutput", {})  # a process that crashed has none
    for both, of_node in zip((found, wanted), output.get("codes", ((), ())), strict=True):
        both.update(of_node)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail if no process produced a code that tests/api must produce."""
    found, wanted = session.config.stash.get(CODES, (set(), set()))
    if wanted - found and not session.testsfailed:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
        message = f"tests/api: no test produces {sorted(wanted - found)}"
        session.config.get_terminal_writer().line(f"\n{message}", red=True)
