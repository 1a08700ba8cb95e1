"""Views of the console on answers that these tests write; no service runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from browser import Tab
from console_mock import BASE, MockedConsole
from simulacra_api.docs.example_bodies import CREATED

pytestmark = pytest.mark.browser
Json = dict[str, Any]
DATASET = "ds-111111111111111111111111"
LEVELS = ("good", "fair", "poor", "unknown")


def dataset(**more: Any) -> Json:
    return {
        "dataset_id": DATASET,
        "job_id": f"job-{DATASET}",
        "status": "ready",
        "rows": 40,
        "columns": 2,
        "bytes": 900,
        "retention_seconds": 86_400,
        "created_at": CREATED,
        "expires_at": "2126-03-02T09:30:00Z",
        "waiting_reason": None,
        "source_kept": False,
        "model": {"family": "forest"},
        **more,
    }


def verdict(level: str) -> Json:
    return {"code": "likeness", "level": level, "sentence": "A sentence.", "remedy": "Do this."}


@pytest.fixture
def console(browser: Browser) -> Iterator[Callable[[Json], MockedConsole]]:
    """Open consoles on answers; at the end, assert that none logged an error."""
    tabs: list[Tab] = []

    def opened(answers: Json, width: str = "desk") -> MockedConsole:
        tabs.append(Tab(browser, BASE, width))
        return MockedConsole(tabs[-1], answers)

    yield opened
    wrong = [text for tab in tabs for text in tab.wrong]
    for tab in tabs:
        tab.close()
    assert wrong == []


def test_unknown_verdict_looks_like_no_other_level(console: Callable[..., MockedConsole]) -> None:
    judged = dataset(model={"family": "forest", "verdicts": [verdict(one) for one in LEVELS]})
    one = console({"/v1/datasets": {"items": [judged], "next_cursor": None}})
    one.show()
    dots = one.page.locator(".dot")
    expect(dots).to_have_count(len(LEVELS))
    looks = dots.evaluate_all(
        "all => all.map(one => { const s = getComputedStyle(one);"
        " return [s.backgroundColor, s.borderTopWidth].join(' '); })"
    )
    assert len(set(looks)) == len(LEVELS)
    assert looks[-1] == "rgba(0, 0, 0, 0) 2px"
