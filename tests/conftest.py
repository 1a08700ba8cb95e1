"""Which tests pytest-xdist runs in one process, and which first (`--dist loadfile`)."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from _pytest.assertion import rewrite

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


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection(session: pytest.Session) -> Generator[None, object, object]:
    """Collect without the garbage collector, which would walk again and again what stays.

    What was imported and collected is left out of every later walk, that at the end too.
    """
    gc.disable()
    try:
        with suppress(Exception):  # private names, and files that the collection itself reports
            _rewrite_share(session.config)
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def _rewrite_share(config: pytest.Config) -> None:
    """Rewrite the assertions of this process's share of the files, where no cache has them.

    Every process of xdist imports all files: else each would rewrite all of them at the same time.
    """
    count = getattr(config, "workerinput", {}).get("workercount", 1)
    if count == 1:
        return
    number = int(config.workerinput["workerid"].removeprefix("gw"))  # type: ignore[attr-defined]
    paths = [config.invocation_params.dir / one.partition("::")[0] for one in config.args]
    files = [file for path in paths for file in sorted(path.rglob("*.py")) or [path]]
    names = [one for one in files if one.stem == "conftest" or one.stem.startswith("test_")]
    for file in names[number::count]:
        cached = rewrite.get_cache_dir(file) / f"{file.stem}{rewrite.PYC_TAIL}"
        if rewrite._read_pyc(file, cached) is None:
            version, code = rewrite._rewrite_test(file, config)
            rewrite.try_makedirs(cached.parent)
            rewrite._write_pyc(config.stash[rewrite.assertstate_key], code, version, cached)


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
