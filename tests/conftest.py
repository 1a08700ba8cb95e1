"""Which tests pytest-xdist runs in one process, and which first (`--dist loadfile`)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

TOGETHER = ("tests/api/",)
"""Folders whose last checks cover all their tests, so that they run in one process."""
LONG = {"neural": 100, "e2e": 100, "browser": 100, "timeout": 100, "slow": 50}
"""Marks of long tests, each with how many other tests take about as long."""


def scope_of(nodeid: str) -> str:
    """Return the file of a test, or the folder if its tests run in one process."""
    file = nodeid.partition("::")[0]
    return next((folder for folder in TOGETHER if file.startswith(folder)), file)


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
    cost = Counter[str]()
    for item in items:
        marks = (LONG.get(mark.name, 1) for mark in item.iter_markers())
        cost[scope_of(item.nodeid)] += max(marks, default=1)
    items.sort(key=lambda item: -cost[scope_of(item.nodeid)])


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Group tests by file, so that a file's servers start once and its steps keep their order.

    Not by the mark `xdist_group`: xdist 3.8 writes it to `_nodeid`, which pytest 9.2 ignores.
    """
    if config.getvalue("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    class ByFileOrFolder(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return scope_of(nodeid)

    config.option.loadscopereorder = False  # by the number of tests
    return ByFileOrFolder(config, log)
