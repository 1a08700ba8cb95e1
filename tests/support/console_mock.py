"""The console's pages with answers that a test writes: no service, so a view opens at once."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Route

from browser import Tab
from simulacra_api.html import render
from simulacra_api.pages.assets import HEADERS, PATH, assets

BASE = "http://127.0.0.1:9"
"""Where nothing listens: every request is answered here."""
EMPTY: dict[str, Any] = {"items": [], "next_cursor": None}
LISTS = ("datasets", "generations", "effects", "segments", "sheets")


class MockedConsole:
    """A tab with the console open; `answers` has the documents of the API by path."""

    def __init__(self, tab: Tab, answers: dict[str, Any]) -> None:
        lists = {f"/v1/{name}": EMPTY for name in LISTS}
        self._answers = {"/console/session": {"client_id": "test"}, **lists, **answers}
        self.tab, self.page = tab, tab.page
        self.sent: list[Any] = []
        tab.expected = {404}
        tab.context.route("**/*", self._answer)

    def show(self, place: str = "") -> None:
        """Open a view."""
        self.page.goto(f"{BASE}/console#/{place}")

    def height(self) -> int:
        """Return how high the page is, in pixels."""
        return int(self.page.evaluate("document.documentElement.scrollHeight"))

    def _answer(self, route: Route) -> None:
        path = urlsplit(route.request.url).path
        if route.request.method in ("PUT", "POST"):
            self.sent.append(route.request.post_data_json)
        if path == "/console":
            route.fulfill(body=render("console.html.j2"), content_type="text/html", headers=HEADERS)
        elif asset := assets().get(path.removeprefix(f"{PATH}/")):
            route.fulfill(body=asset.content, content_type=asset.media_type)
        elif path in self._answers:
            route.fulfill(body=json.dumps(self._answers[path]), content_type="application/json")
        else:
            route.fulfill(status=404, json={"detail": "No such thing."})
