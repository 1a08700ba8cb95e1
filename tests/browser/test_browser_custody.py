"""The custody map in a real browser: keyboard, no JavaScript, table, cards, live data."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, expect

from browser import WIDTHS, Tab, assert_accessible, take_screenshot
from installation import Installation
from simulacra import Client
from simulacra_api.pages.custody_steps import CUSTODY_MAP

pytestmark = [pytest.mark.browser, pytest.mark.e2e]
Open = Callable[..., Tab]


def test_keyboard_selects_each_step(open_tab: Open) -> None:
    tab = open_tab("/custody")
    page = tab.page
    take_screenshot(page, "custody")
    tabs = page.get_by_role("tab")
    expect(tabs).to_have_count(len(CUSTODY_MAP.steps))
    page.get_by_role("tab", selected=True).focus()
    page.keyboard.press("Home")
    for number, step in enumerate(CUSTODY_MAP.steps):
        expect(tabs.nth(number)).to_be_focused()
        panel = page.get_by_role("tabpanel")
        expect(panel).to_have_count(1)
        expect(panel).to_contain_text(step.summary)
        for kept in step.kept:
            expect(panel).to_contain_text(kept.what)
        for event in step.logged:
            expect(panel).to_contain_text(event.value.removeprefix("dev.simulacra."))
        for never in step.never:
            expect(panel).to_contain_text(never)
        page.keyboard.press("ArrowRight")
    expect(tabs.first).to_be_focused()
    page.get_by_role("tab", name="Delete or expire").click()
    assert page.url.endswith("#erase")
    page.get_by_text("The same as a table").click()
    expect(page.get_by_role("rowheader")).to_have_count(len(CUSTODY_MAP.steps))
    assert_accessible(tab, "custody")


def test_arrows_cross_no_box_and_no_text(open_tab: Open) -> None:
    """Each arrow's box is clear of every card, step and text of the diagram."""
    page = open_tab("/custody").page
    crossed = page.evaluate("""() => {
          const box = (one) => one.getBoundingClientRect();
          const parts = ".diagram .step, .diagram .store, .diagram p";
          const solid = [...document.querySelectorAll(parts)].map(box);
          return [...document.querySelectorAll(".diagram .arrow svg")].map(box).filter((arrow) =>
            solid.some((one) => arrow.left < one.right && one.left < arrow.right
              && arrow.top + 2 < one.bottom && one.top < arrow.bottom - 2)).length;
        }""")
    assert page.locator(".diagram .arrow").count() == 11
    assert crossed == 0


def test_phone_shows_cards(open_tab: Open) -> None:
    page = open_tab("/custody", "phone", "dark").page
    expect(page.locator(".diagram")).to_be_hidden()
    for step in CUSTODY_MAP.steps:
        expect(page.get_by_role("heading", name=step.title)).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= WIDTHS["phone"]
    take_screenshot(page, "custody-phone-dark")


def test_page_shows_every_step_without_javascript(
    browser: Browser, installation: Installation
) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(installation.connection["api_url"] + "/custody")
    for step in CUSTODY_MAP.steps:
        expect(page.locator(f"#{step.key}")).to_be_visible()
    context.close()


def test_token_shows_stored_data_and_clocks(
    open_tab: Open, installation: Installation, client: Client, dataset: str, generation: str
) -> None:
    known = installation.connection
    tab = open_tab("/custody")
    tab.sign_in(known["client_id"], known["client_secret"])
    shown = tab.page.get_by_role("article").filter(has_text=dataset)
    expect(shown).to_contain_text("Erased after cleaning")
    expect(shown).to_contain_text("4,323 rows, 21 columns")
    expect(shown).to_contain_text("400 rows")
    rows = list(client.generations(dataset_id=dataset))
    expect(shown.get_by_text("erased in 23 h")).to_have_count(2 + len(rows))
    for store in ("dataset", "model"):
        expect(tab.page.locator(f'[data-store="{store}"]')).to_contain_text("Stored now: 1")
    results = (client.generations(), client.effects(), client.segments(), client.sheets())
    stored = sum(len(list(found)) for found in results)
    expect(tab.page.locator('[data-store="generation"]')).to_contain_text(f"Stored now: {stored}")
    shown.scroll_into_view_if_needed()
    assert_accessible(tab, "custody-live")
