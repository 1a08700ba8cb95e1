"""The trust page in a real browser: claims without a token, checks and package for a client."""

from __future__ import annotations

import zipfile
from collections.abc import Callable

import httpx2
import pytest
from playwright.sync_api import expect

from browser import Tab, assert_accessible, take_screenshot
from installation import Installation, eventually
from simulacra_api.trust.claims import read_claims

pytestmark = [pytest.mark.browser, pytest.mark.e2e]
Open = Callable[..., Tab]


def test_claims_need_no_token_and_show_their_tests(open_tab: Open) -> None:
    tab = open_tab("/trust#tenants-apart")
    claims = read_claims()
    expect(tab.page.locator(".claims > li")).to_have_count(len(claims))
    shown = tab.page.locator("#tenants-apart")
    shown.locator("summary").click(position={"x": 2, "y": 2})
    expect(shown.locator("details li")).to_have_count(len(claims["tenants-apart"].held_by))
    expect(tab.page.get_by_role("link", name="Download the package")).to_have_count(0)
    take_screenshot(tab.page, "trust")
    assert_accessible(tab, "trust")


def test_client_sees_the_last_checks_and_downloads_the_package(
    open_tab: Open, installation: Installation
) -> None:
    known = installation.connection
    root = f"{known['api_url']}/.well-known/simulacra-live-keys.json"
    eventually(lambda: httpx2.get(root).is_success, 120)  # a fresh installation has none
    tab = open_tab("/trust")
    tab.sign_in(known["client_id"], known["client_secret"])
    checks = tab.page.locator(".checks > li")
    expect(checks).to_have_count(5)
    expect(checks.filter(has_text="Key of your tenant")).to_contain_text("The key check passes")
    expect(checks.filter(has_text="Canary")).to_contain_text("not known")
    take_screenshot(tab.page, "trust-live")
    assert_accessible(tab, "trust-live")
    take_screenshot(tab.page, "trust-live-phone", whole=True)
    with tab.page.expect_download() as download:
        tab.page.get_by_role("link", name="Download the package").click()
    names = zipfile.ZipFile(download.value.path()).namelist()
    assert {"index.html", "claims.json", "oscal-component-definition.json"} <= {*names}
