"""A real browser for tests: Debian's chromium, with a record of errors and foreign requests."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Browser, BrowserContext, Page, Route, sync_playwright

CHROMIUM = shutil.which("chromium")
ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WIDTHS = {"desk": 1440, "phone": 390}
Scheme = Literal["light", "dark"]
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
CONTRAST = {"runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}}
AXE = "async options => (await axe.run({...options, resultTypes: ['violations']})).violations"
"""Without the results that nobody reads, which take axe most of its time."""
SCREENSHOTS = os.environ.get("SIMULACRA_SCREENSHOTS")
"""Folder for screenshots of the pages (`docs/screenshots`); unset: none are taken."""


@contextmanager
def chromium() -> Iterator[Browser]:
    """Run a browser with an empty profile."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


class Tab:
    """A tab with its own profile; `wrong` lists console errors, exceptions and foreign requests."""

    def __init__(
        self, browser: Browser, base: str, width: str = "desk", scheme: Scheme = "light"
    ) -> None:
        size = {"width": WIDTHS[width], "height": 900}
        self.base = base
        self.wrong: list[str] = []
        self.expected: set[int] = set()
        """HTTP error statuses that a test causes on purpose."""
        self.wire = 0
        self.context: BrowserContext = browser.new_context(
            viewport=size,
            color_scheme=scheme,
            base_url=base,
            accept_downloads=True,
            reduced_motion="reduce",
        )
        self.context.route("**/*", self._same_host)
        self.page: Page = self.context.new_page()
        self.page.on("console", lambda said: self._on_console(said.type, said.text))
        self.page.on("pageerror", lambda error: self.wrong.append(f"exception: {error}"))

    def _same_host(self, route: Route) -> None:
        parts = urlsplit(route.request.url)
        if parts.netloc == urlsplit(self.base).netloc:
            route.continue_()
        else:
            self.wrong.append(f"request to {parts.netloc}")
            route.abort()

    def _on_console(self, kind: str, text: str) -> None:
        if kind in ("error", "warning") and not any(
            f"status of {status}" in text for status in self.expected
        ):
            self.wrong.append(f"{kind}: {text}")

    def sign_in(self, client_id: str, secret: str) -> None:
        """Fill the sign-in form of the page that is open and send it."""
        self.page.get_by_label("Client id").fill(client_id)
        self.page.get_by_label("Client secret").fill(secret)
        self.page.get_by_role("button", name="Sign in").click()

    def overflow(self) -> int:
        """Return by how many pixels the page is wider than its window."""
        return int(self.page.evaluate("document.documentElement.scrollWidth - window.innerWidth"))

    def close(self) -> None:
        self.context.close()


def take_screenshot(page: Page, name: str, *, whole: bool = False) -> None:
    """Take a screenshot of the window, or of the whole page, when screenshots are wanted."""
    if SCREENSHOTS:
        page.evaluate("window.scrollTo(0, 0)")
        page.screenshot(path=Path(SCREENSHOTS) / f"{name}.png", full_page=whole)


IN_ALL_FORMS = {"sign-in", "quality", "error"}
"""Pages with screenshots at both widths, light and dark."""
WHOLE = {"error", "sheets"}
"""Pages that are shown whole: what matters is below the first window of a phone."""


def assert_accessible(tab: Tab, name: str) -> None:
    """Assert that axe finds nothing and nothing overflows, at both widths, light and dark."""
    wrong = []
    for width in WIDTHS.values():
        tab.page.set_viewport_size({"width": width, "height": 900})
        wrong += [f"{name} at {width}: {tab.overflow()} px too wide"] if tab.overflow() > 0 else []
        for scheme in ("light", "dark"):
            tab.page.emulate_media(color_scheme=scheme)
            # Only colors differ in the dark scheme.
            rules = RULES if scheme == "light" else CONTRAST
            if tab.page.evaluate("typeof axe") == "undefined":
                tab.page.evaluate(AXE_SCRIPT)
            found = tab.page.evaluate(AXE, rules)
            wrong += [
                f"{name} at {width} {scheme}: {one['id']}: {node['html'][:160]} {node['any'][:1]}"
                for one in found
                for node in one["nodes"][:3]
            ]
            if name in IN_ALL_FORMS or (scheme == "dark" and width == WIDTHS["phone"]):
                take_screenshot(
                    tab.page,
                    f"console-{name}-{width}-{scheme}".lower().replace(" ", "-"),
                    whole=name in WHOLE,
                )
    tab.page.set_viewport_size({"width": WIDTHS["desk"], "height": 900})
    tab.page.emulate_media(color_scheme="light")
    assert wrong == [], "\n".join(wrong)
