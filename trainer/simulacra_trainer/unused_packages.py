"""Packages that libraries import where they are installed, and that no pod needs.

Where pandas is installed, as beside the SDK, Arrow and LightGBM import it: 0.5 CPU seconds of each
pod. numba imports coverage.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

PACKAGES = frozenset({"pandas", "coverage"})


class _Absent(MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname in PACKAGES:
            raise ModuleNotFoundError(f"{fullname} is left out of this process", name=fullname)
        return None


def leave_out() -> None:
    """Let imports of `PACKAGES` fail from now on, as where they are not installed."""
    sys.meta_path.insert(0, _Absent())
