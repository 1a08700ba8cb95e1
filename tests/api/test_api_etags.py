"""Entity tags: 304 for a current one, 412 for an old one; the report as page and as JSON."""

from __future__ import annotations

from typing import Any

import httpx2
import pyarrow as pa
import pytest

ROWS = pa.table({"segment": ["loyal"] * 10})


@pytest.mark.parametrize("what", ["", "/schema", "/report", "/graph"])
async def test_current_entity_tag_gets_304(http: httpx2.AsyncClient, ready: str, what: str) -> None:
    url = f"/v1/datasets/{ready}{what}"
    first = await http.get(url)
    tag = first.headers["etag"]
    for header in (tag, f'"other", W/{tag}', "*"):
        again = await http.get(url, headers={"If-None-Match": header})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert (await http.get(url, headers={"If-None-Match": '"other"'})).content == first.content


async def test_generation_etag_ignores_the_download_link(
    http: httpx2.AsyncClient, ready: str, key: str, acme: Any
) -> None:
    body, headers = {"row_count": 10}, {"Idempotency-Key": key}
    name = (
        await http.post(f"/v1/datasets/{ready}/generations", json=body, headers=headers)
    ).json()["generation_id"]
    queued = await http.get(f"/v1/generations/{name}")
    await acme.generate(name, [ROWS])
    done = await http.get(
        f"/v1/generations/{name}", headers={"If-None-Match": queued.headers["etag"]}
    )
    assert done.status_code == 200
    tag = done.headers["etag"]
    assert tag.startswith("W/")
    assert (
        await http.get(f"/v1/generations/{name}", headers={"If-None-Match": tag})
    ).status_code == 304


async def test_generation_etag_changes_before_its_link_expires(
    http: httpx2.AsyncClient, ready: str, key: str, acme: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    body, headers = {"row_count": 10}, {"Idempotency-Key": key}
    name = (
        await http.post(f"/v1/datasets/{ready}/generations", json=body, headers=headers)
    ).json()["generation_id"]
    await acme.generate(name, [ROWS])
    tag = (await http.get(f"/v1/generations/{name}")).headers["etag"]
    # the window of the tag is over
    monkeypatch.setattr("simulacra_api.generations.schemas.TAG_SECONDS", 1)
    assert (
        await http.get(f"/v1/generations/{name}", headers={"If-None-Match": tag})
    ).status_code == 200


async def test_report_is_html_when_the_request_accepts_it(
    http: httpx2.AsyncClient, ready: str
) -> None:
    url = f"/v1/datasets/{ready}/report"
    page = await http.get(url, headers={"Accept": "text/html,application/xhtml+xml"})
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "Quality report" in page.text
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert page.headers["vary"] == "Accept"
    data = await http.get(url, headers={"If-None-Match": page.headers["etag"]})
    assert data.json() == {"fidelity": {"score": 0.9}}


async def test_if_match_accepts_a_list_and_a_star(http: httpx2.AsyncClient, ready: str) -> None:
    url = f"/v1/datasets/{ready}"
    for header, status in (
        ('"other"', 412),
        ("*", 200),
        (f'"other", {(await http.get(url)).headers["etag"]}', 412),
    ):
        answer = await http.patch(
            url, json={"retention_seconds": 90_000}, headers={"If-Match": header}
        )
        assert answer.status_code == status
    tag = (await http.get(url)).headers["etag"]
    answer = await http.patch(
        url, json={"retention_seconds": 91_000}, headers={"If-Match": f'"other", {tag}'}
    )
    assert answer.status_code == 200
