"""Which tests pytest-xdist runs in one process, in their order (`--dist loadfile`)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

TOGETHER = ("tests/api/",)
"""Folders whose last checks cover all their tests, so that they run in one process."""


@pytest.fixture(autouse=True, scope="session")
def _state_of_the_command(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the command's memory (the last `up`, names of tables) out of the developer's home."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


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
            file = super()._split_scope(nodeid)
            return next((folder for folder in TOGETHER if file.startswith(folder)), file)

    return ByFileOrFolder(config, log)
