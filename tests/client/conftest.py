"""One build of the command for all calls of the command line."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import pytest
import typer.testing


@pytest.fixture(scope="session", autouse=True)
def command_is_built_once() -> Iterator[None]:
    """Build the command of an app at its first call: its 40 subcommands take 50 ms at each."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(typer.testing, "_get_command", cache(typer.testing._get_command))
        yield
