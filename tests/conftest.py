"""Test groups for pytest-xdist (`--dist loadgroup`)."""

from __future__ import annotations

from pathlib import Path

import pytest

TESTS = Path(__file__).parent
TOGETHER = {"api"}
"""Folders whose last checks cover all their tests, so that they run in one process."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Group tests by file, so that a file's servers start once."""
    for item in items:
        place = item.path.relative_to(TESTS)
        folder = place.parts[0]
        item.add_marker(pytest.mark.xdist_group(folder if folder in TOGETHER else str(place)))
