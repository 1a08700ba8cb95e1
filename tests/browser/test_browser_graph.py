"""The layout of causal graphs, in a browser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

import simulacra_api

LAYERS = Path(simulacra_api.__file__).parent / "pages" / "static" / "console" / "layers.js"
DRAW = """async ([source, graph]) => {
  const module = await import("data:text/javascript," + encodeURIComponent(source));
  return module.layered(graph);
}"""

pytestmark = pytest.mark.browser


def draw(browser: Browser, edges: list[tuple[str, str]]) -> Any:
    order = list(dict.fromkeys(name for edge in edges for name in edge))
    graph = {"order": order, "edges": [{"source": one, "target": other} for one, other in edges]}
    page = browser.new_page()
    try:
        return page.evaluate(DRAW, [LAYERS.read_text(), graph])
    finally:
        page.close()


def stars(leaves: list[int]) -> list[tuple[str, str]]:
    """Return edges from the center of each star to its leaves."""
    return [(f"star {at}", f"leaf {at} {leaf}") for at, n in enumerate(leaves) for leaf in range(n)]


def test_parts_of_a_graph_that_are_too_wide_together_lie_below_each_other(
    browser: Browser,
) -> None:
    drawn = draw(browser, stars([4, 4, 3, 2]))
    size, boxes = drawn["size"], list(drawn["boxes"].values())
    assert drawn["width"] < 1200
    for at, one in enumerate(boxes):
        assert size["width"] / 2 < one["x"] < drawn["width"] - size["width"] / 2
        assert size["height"] / 2 < one["y"] < drawn["height"] - size["height"] / 2
        for other in boxes[:at]:
            beside = abs(one["x"] - other["x"]) >= size["width"]
            assert beside or abs(one["y"] - other["y"]) >= 2 * size["height"]
    tops = [drawn["boxes"][f"star {at}"]["y"] for at in range(4)]
    # Three leaves do not fit beside four; two fit beside three.
    assert tops[0] < tops[1] < tops[2] == tops[3]


def test_parts_that_fit_lie_beside_each_other(browser: Browser) -> None:
    drawn = draw(browser, stars([3, 2]))
    assert drawn["boxes"]["star 0"]["y"] == drawn["boxes"]["star 1"]["y"]


def test_one_part_may_be_wider_than_the_page(browser: Browser) -> None:
    drawn = draw(browser, stars([9, 2]))
    assert drawn["width"] > 1200
    assert drawn["boxes"]["star 1"]["y"] > drawn["boxes"]["star 0"]["y"]
