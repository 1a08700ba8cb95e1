"""The chart as helm renders it."""

from __future__ import annotations

from typing import Any

from helm_chart import CHART, helm

Object = dict[str, Any]


def test_lint_finds_nothing() -> None:
    assert "0 chart(s) failed" in helm("lint", "--strict", str(CHART))
