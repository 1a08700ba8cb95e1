"""The documentation: examples, error codes, page, llms.txt; metrics without ids."""

from __future__ import annotations

import re
from html import unescape
from html.parser import HTMLParser
from typing import Any

import httpx2
import pytest
from jinja2 import UndefinedError

from simulacra_api.docs.examples import LINKS
from simulacra_api.docs.operations import STEPS
from simulacra_api.generations.downloads import XLSX
from simulacra_api.html import render
from simulacra_api.http.error_codes import CATALOG

FILES = ("text/html", XLSX)
"""Media types of whole files."""


async def _get(world: Any, path: str, **kwargs: Any) -> httpx2.Response:
    async with httpx2.AsyncClient(base_url=world.url) as http:
        return await http.get(path, **kwargs)


async def _operations(world: Any) -> list[tuple[str, str, dict[str, Any]]]:
    document = (await _get(world, "/openapi.json")).json()
    return [
        (path, method, found)
        for path, methods in document["paths"].items()
        for method, found in methods.items()
    ]


async def test_root_leads_people_to_the_console_and_programs_to_links(world: Any) -> None:
    page = await _get(world, "/", headers={"Accept": "text/html"}, follow_redirects=True)
    assert (page.status_code, page.url.path) == (200, "/console")
    links = (await _get(world, "/")).json()
    addresses = [value for value in links.values() if value.startswith("http")]
    assert len(addresses) == 6
    for address in addresses:
        path = address.removeprefix(world.settings.public_url)
        assert (await _get(world, path)).status_code == 200, address
    assert (await _get(world, "/docs", follow_redirects=True)).url.path == "/__docs__/"


async def test_every_status_of_every_operation_has_an_example(world: Any) -> None:
    missing = []
    for path, method, found in await _operations(world):
        for status, answer in found["responses"].items():
            for media_type, content in answer.get("content", {}).items():
                binary = media_type.startswith(FILES) or found["operationId"] == "downloadArtifact"
                binary |= content.get("schema", {}).get("format") == "binary"
                if not binary and "example" not in content and not content.get("examples"):
                    missing.append(f"{method} {path} {status} {media_type}")
        for content in found.get("requestBody", {}).get("content", {}).values():
            if not content.get("example"):
                missing.append(f"{method} {path} request")
    assert not missing


async def test_accepted_answers_link_to_next_operations(world: Any) -> None:
    operations = {found["operationId"]: found for _, _, found in await _operations(world)}
    assert {target for targets in LINKS.values() for target in targets} <= set(operations)
    for name in ("uploadDataset", "createGeneration", "createEffect"):
        for status in ("201", "202"):
            links = operations[name]["responses"][status]["links"]
            assert links["getJob"]["parameters"] == {"job_id": "$response.body#/job_id"}
    assert operations["requestAccess"]["responses"]["202"]["links"]["getAccessRequest"]


async def test_operation_documents_only_its_own_errors(world: Any) -> None:
    operations = {found["operationId"]: found for _, _, found in await _operations(world)}

    def codes(name: str, status: str) -> set[str]:
        return set(
            operations[name]["responses"][status]["content"]["application/problem+json"]["examples"]
        )

    assert codes("getDataset", "404") == {"simio_dataset_not_found"}
    assert codes("getJob", "404") == {"simio_job_not_found"}
    assert codes("listJobs", "400") == {"simio_invalid_field"}
    assert codes("cancelJob", "409") == {"simio_job_finished"}
    assert "401" not in operations["getHealth"]["responses"]
    shown = {
        code
        for found in operations.values()
        for answer in found["responses"].values()
        for code in answer.get("content", {})
        .get("application/problem+json", {})
        .get("examples", {})
    }
    elsewhere = {"simio_not_found", "simio_method_not_allowed"}  # no operation answers them
    elsewhere |= {"simio_login_code_invalid", "simio_cross_site_request"}  # of the pages
    assert set(CATALOG) - shown == elsewhere


class _Html(HTMLParser):
    """Rejects inline code and foreign content, and checks that tags close in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: set[str] = set()
        self.targets: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        assert tag not in ("script", "style", "iframe", "form")
        assert not {"onclick", "style"} & set(given)
        assert str(given.get("src", "/assets/")).startswith("/assets/")
        assert str(given.get("href", "/")).startswith(("/", "#"))
        if given.get("id"):
            assert given["id"] not in self.ids
            self.ids.add(str(given["id"]))
        if str(given.get("href", "")).startswith("#"):
            self.targets.add(str(given["href"])[1:])
        if tag not in ("meta", "link", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


async def test_page_is_valid_and_links_to_every_operation(world: Any) -> None:
    page = await _get(world, "/__docs__/")
    text = page.text
    assert "unsafe" not in page.headers["content-security-policy"]
    parsed = _Html()
    parsed.feed(text)
    assert not parsed.open
    operations = {found["operationId"] for _, _, found in await _operations(world)}
    assert parsed.ids == parsed.targets == operations | {"main"}
    assert {step for step, _ in STEPS} <= operations


async def test_llms_txt_lists_every_operation(world: Any) -> None:
    index, full = (await _get(world, "/llms.txt")).text, (await _get(world, "/llms-full.txt")).text
    assert index.startswith("# Simulacra\n\n> ")
    for path, method, found in await _operations(world):
        assert f"`{method.upper()} {path}` ({found['operationId']})" in index
        assert f"## {method.upper()} {path}\n" in full
    for link in re.findall(r"\]\((\S+?)\)", index):
        assert (await _get(world, link.removeprefix(world.url))).status_code == 200


async def test_error_code_has_an_html_page(world: Any) -> None:
    for code in CATALOG:
        page = await _get(world, f"/errors/{code}", headers={"Accept": "text/html"})
        assert page.headers["content-type"].startswith("text/html")
        assert code in page.text
        assert (await _get(world, f"/errors/{code}")).json()["code"] == code


async def test_metrics_count_by_route_template_without_ids(
    world: Any, http: httpx2.AsyncClient, uploaded: str
) -> None:
    await http.get(f"/v1/datasets/{uploaded}?genz=1")
    await http.get("/v1/genz_switcher")
    await http.request("GENZ", "/healthz")
    text = (await _get(world, "/metrics")).text
    assert re.search(
        r'simulacra_api_requests_total\{method="GET",route="/v1/datasets/\{dataset_id\}",'
        r'status="200"\} \d',
        text,
    )
    assert 'method="other"' in text
    assert 'route="-"' in text
    assert "simulacra_api_request_seconds_bucket" in text
    assert "simulacra_api_requests_in_progress 1.0" in text
    for secret in (uploaded, "genz", "GENZ", "acme"):
        assert secret not in text


def test_page_escapes_text_and_needs_every_variable() -> None:
    hostile = "<script>alert('x')</script> & \"q\" `<b>`"
    page = render("errors.html.j2", title=hostile, entries=[])
    assert "<script" not in page
    assert hostile in unescape(page)
    step = render(
        "docs.html.j2", introduction="", steps=[(hostile, hostile)], rules=[], operations=[]
    )
    assert "<script" not in step
    assert "<code>&lt;b&gt;</code> <a href=" in step
    with pytest.raises(UndefinedError):
        render("errors.html.j2", title="")
