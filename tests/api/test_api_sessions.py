"""Sessions of the pages: login codes that work once, the cookie, and what other sites cannot do."""

from __future__ import annotations

import asyncio
import base64
import json
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import httpx2
import pytest

from log_lines import written
from simulacra_api.__main__ import listen
from simulacra_api.auth import credentials, sessions
from simulacra_api.auth.clients import hash_secret
from simulacra_api.auth.login_codes import CODE_SECONDS, LoginCode
from simulacra_api.auth.revocation import CACHE_SECONDS
from simulacra_api.auth.signing import SigningKeyStore
from simulacra_crds.kinds.base import API_VERSION
from simulacra_crds.kube.client import SECRETS, TENANTS

CLIENTS = "simulacra-system-clients"
OURS = {"Sec-Fetch-Site": "same-origin"}
SESSION = "/console/session"
INVALID = (401, "simio_login_code_invalid")
CROSS_SITE = (403, "simio_cross_site_request")


def _problem(answer: httpx2.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


@asynccontextmanager
async def _browser(url: str) -> AsyncIterator[httpx2.AsyncClient]:
    """Yield a browser's page of this service: no token, a cookie jar, and what browsers send."""
    async with httpx2.AsyncClient(base_url=url, headers=OURS, timeout=60) as browser:
        yield browser


async def _code(world: Any, client: str = "acme") -> str:
    async with world.client(client) as http:
        answer = await http.post("/console/login-codes")
    assert answer.status_code == 201, answer.text
    assert answer.json()["url"] == f"{world.url}/console#code={answer.json()['code']}"
    assert answer.json()["expires_in"] == CODE_SECONDS
    return str(answer.json()["code"])


async def _sign_in(world: Any, browser: httpx2.AsyncClient, client: str = "acme") -> None:
    answer = await browser.post(SESSION, json={"code": await _code(world, client)})
    assert answer.status_code == 201, answer.text


async def test_code_gives_a_cookie_that_scripts_and_other_sites_cannot_use(world: Any) -> None:
    async with _browser(world.url) as browser:
        assert (await browser.get(SESSION)).status_code == 204
        answer = await browser.post(SESSION, json={"code": await _code(world)})
        assert answer.json()["client_id"] == "client.acme"
        assert answer.json()["ends_at"] <= time.time() + 3600
        said = answer.headers["set-cookie"]
        for attribute in ("HttpOnly", "SameSite=strict", "Path=/", "Max-Age="):
            assert attribute in said
        assert "Domain" not in said
        assert (await browser.get(SESSION)).json() == answer.json()
        assert (await browser.get("/v1/usage")).status_code == 200
        made = await browser.post("/v1/webhooks", json={"url": "https://example.com/hook"})
        assert made.status_code == 201
        assert (await browser.delete(f"/v1/webhooks/{made.json()['webhook_id']}")).is_success


async def test_cookie_over_tls_is_secure_and_bound_to_its_host(world: Any, serve_api: Any) -> None:
    listener = listen("127.0.0.1", 0)
    settings = replace(world.settings, public_url="https://console.example")
    async with serve_api(settings, listener):
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        async with _browser(url) as browser:
            form = {"grant_type": "client_credentials", "client_id": "client.acme"}
            secret = {"client_secret": "sim_secret_of_the_tests"}
            token = (await browser.post("/oauth/token", json=form | secret)).json()["access_token"]
            bearer = {"Authorization": f"Bearer {token}"}
            answer = await browser.post(SESSION, json={}, headers=bearer)
            assert answer.headers["set-cookie"].startswith("__Host-simulacra=")
            assert "Secure" in answer.headers["set-cookie"]


async def test_code_works_once_even_when_two_replicas_get_it_at_once(
    world: Any, serve_api: Any
) -> None:
    listener = listen("127.0.0.1", 0)
    code = await _code(world)
    async with serve_api(world.settings, listener):
        replica = f"http://127.0.0.1:{listener.getsockname()[1]}"
        async with _browser(world.url) as one, _browser(replica) as other:
            tried = [browser.post(SESSION, json={"code": code}) for browser in (one, other) * 3]
            answers = await asyncio.gather(*tried)
            assert sorted(one.status_code for one in answers) == [201, 401, 401, 401, 401, 401]
            refused = next(one for one in answers if one.status_code == 401)
            assert _problem(refused) == INVALID
            # The other replica knows the cookie, though it did not make it.
            cookies = next(one for one in answers if one.status_code == 201).cookies
            for browser in (one, other):
                browser.cookies = cookies
                assert (await browser.get("/v1/usage")).status_code == 200


async def test_wrong_expired_and_foreign_codes_are_refused(world: Any) -> None:
    key = (await SigningKeyStore(world.cluster).current()).link_key
    now = int(time.time())
    code = LoginCode.new("client.acme", now, now + 3600, now)
    text = code.text(key)
    wrong = [
        "",
        "x",
        text[:-1],
        text[:-2] + ("AA" if text[-2:] != "AA" else "BB"),
        text.replace("client.acme", "client.globex"),
        replace(code, expires=now - 1).text(key),
        code.text(b"another key"),
        f"client.acme.{'=' * 9}",
        "client.acme.\N{SNOWMAN}",
    ]
    async with _browser(world.url) as browser:
        for one in wrong:
            assert _problem(await browser.post(SESSION, json={"code": one})) == INVALID, one
        assert browser.cookies == {}
        nobody = LoginCode.new("client.nobody", now, now + 3600, now).text(key)
        assert _problem(await browser.post(SESSION, json={"code": nobody}))[0] == 403


async def test_code_and_session_of_a_revoked_token_are_refused(world: Any) -> None:
    key = (await SigningKeyStore(world.cluster).current()).link_key
    now = int(time.time())
    early = LoginCode.new("client.acme", 1, now + 3600, now).text(key)
    async with _browser(world.url) as browser, _browser(world.url) as other:
        assert (await browser.post(SESSION, json={"code": early})).status_code == 201
        assert (await browser.get("/v1/usage")).status_code == 200
        later = LoginCode.new("client.acme", 1, now + 3600, now).text(key)
        await _revoke(world, b"2")
        await asyncio.sleep(CACHE_SECONDS)
        assert (await browser.get("/v1/usage")).status_code == 401
        gone = await browser.get(SESSION)
        assert (gone.status_code, "Max-Age=0" in gone.headers["set-cookie"]) == (204, True)
        assert _problem(await other.post(SESSION, json={"code": later})) == INVALID
    await _revoke(world, b"0")  # other tests use the same client
    await asyncio.sleep(CACHE_SECONDS)


async def _revoke(world: Any, before: bytes) -> None:
    data = {"data": {"revoked-before": base64.b64encode(before).decode()}}
    record = {"metadata": {"name": "client-client.acme"}} | data
    await world.cluster.patch(SECRETS, "client-client.acme", record, CLIENTS)


@pytest.mark.one_case_real
@pytest.mark.parametrize(
    ("headers", "read"),
    [
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "none"}, 200),
        ({"Origin": "https://evil.example"}, 200),
        ({"Origin": "null"}, 200),
        ({}, 200),
    ],
)
async def test_other_site_changes_nothing_with_the_cookie(
    world: Any, headers: dict[str, str], read: int
) -> None:
    """SameSite=Strict keeps the cookie away from most of these; this is the second lock."""
    code = await _code(world)
    async with _browser(world.url) as browser:
        await _sign_in(world, browser)
        cookies = browser.cookies
        async with httpx2.AsyncClient(base_url=world.url, headers=headers, cookies=cookies) as evil:
            for method, path, body in (
                ("POST", "/v1/webhooks", {"url": "https://example.com/hook"}),
                ("DELETE", "/v1/webhooks/" + "0" * 24, None),
                ("DELETE", SESSION, None),
                ("POST", SESSION, {"code": code}),
            ):
                answer = await evil.request(method, path, json=body)
                assert _problem(answer) == CROSS_SITE, (method, path)
                assert "set-cookie" not in answer.headers
            for path in ("/v1/usage", SESSION):
                answer = await evil.get(path)
                assert (answer.status_code, "set-cookie" in answer.headers) == (read, False)
        assert (await browser.post(SESSION, json={"code": code})).status_code == 201


async def test_browser_without_fetch_metadata_is_known_by_its_origin(world: Any) -> None:
    async with httpx2.AsyncClient(base_url=world.url, headers={"Origin": world.url}) as browser:
        await _sign_in(world, browser)
        assert (await browser.delete(SESSION)).status_code == 204


async def test_cookie_and_token_do_not_pass_as_each_other(world: Any) -> None:
    async with _browser(world.url) as browser:
        await _sign_in(world, browser)
        ((name, session),) = browser.cookies.items()
        bearer = await browser.get("/v1/usage", headers={"Authorization": f"Bearer {session}"})
        assert bearer.status_code == 401
        again = await browser.post("/console/login-codes")  # a session cannot prolong itself
        assert again.status_code == 401
        browser.cookies.clear()
        browser.cookies.set(name, await world.token("acme"))
        assert (await browser.get("/v1/usage")).status_code == 401
        gone = await browser.get(SESSION)
        assert (gone.status_code, "Max-Age=0" in gone.headers["set-cookie"]) == (204, True)


async def test_cookie_of_another_tenant_sees_its_own_data_only(world: Any, uploaded: str) -> None:
    async with _browser(world.url) as browser:
        await _sign_in(world, browser, "globex")
        answer = await browser.get(f"/v1/datasets/{uploaded}")
        assert _problem(answer) == (404, "simio_dataset_not_found")


async def test_sign_out_ends_copies_of_the_cookie_too(world: Any) -> None:
    async with _browser(world.url) as browser, _browser(world.url) as thief:
        await _sign_in(world, browser)
        thief.cookies = httpx2.Cookies(browser.cookies)
        answer = await browser.delete(SESSION)
        assert (answer.status_code, "Max-Age=0" in answer.headers["set-cookie"]) == (204, True)
        assert (await thief.get("/v1/usage")).status_code == 401
        assert (await browser.get(SESSION)).status_code == 204
        assert (await browser.delete(SESSION)).status_code == 204


async def test_sign_in_ends_the_session_that_it_replaces(world: Any) -> None:
    async with _browser(world.url) as browser, _browser(world.url) as thief:
        await _sign_in(world, browser)
        thief.cookies = httpx2.Cookies(browser.cookies)
        await _sign_in(world, browser)
        assert (await thief.get("/v1/usage")).status_code == 401
        assert (await browser.get("/v1/usage")).status_code == 200


async def test_full_list_of_sign_outs_takes_the_cookie_and_stops_no_sign_in(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with _browser(world.url) as browser:
        await _sign_in(world, browser)
        monkeypatch.setattr(credentials, "MAX_SESSIONS", 0)
        answer = await browser.delete(SESSION)
        assert _problem(answer) == (429, "simio_rate_limited")
        assert int(answer.headers["Retry-After"]) > 0
        assert "Max-Age=0" in answer.headers["set-cookie"]
        assert (await browser.get(SESSION)).status_code == 204
        await _sign_in(world, browser)
        monkeypatch.setattr(credentials, "MAX_CODES", 0)
        again = await browser.post(SESSION, json={"code": await _code(world)})
        assert _problem(again) == (429, "simio_rate_limited")


async def test_user_of_a_suspended_tenant_is_told_and_stays_signed_in(world: Any) -> None:
    settings, now = world.settings, int(time.time())
    keys = await SigningKeyStore(world.cluster).current()
    session = sessions.issue(keys, settings, "client.asleep", now, now + 3600)
    async with _browser(world.url) as browser:
        browser.cookies.set(sessions.cookie_name(settings), session)
        answer = await browser.get(SESSION)
        assert _problem(answer) == (403, "simio_tenant_suspended")
        assert "set-cookie" not in answer.headers


async def test_cookie_ends_with_its_client(world: Any) -> None:
    name = f"brief-{uuid.uuid4().hex[:8]}"
    client = f"client.{name}"
    tenant = {"apiVersion": API_VERSION, "kind": "Tenant", "metadata": {"name": name}}
    await world.cluster.create(TENANTS, tenant | {"spec": {"clients": [client]}})
    hashes = json.dumps([{"hash": hash_secret("sim_secret_of_the_tests"), "created": "x"}])
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": f"client-{client}"}}
    data = {"data": {"hashes": base64.b64encode(hashes.encode()).decode()}}
    await world.cluster.create(SECRETS, secret | data, CLIENTS)
    async with _browser(world.url) as browser:
        await _sign_in(world, browser, name)
        assert (await browser.get(SESSION)).status_code == 200
        removed = {"spec": {"clients": ["client.another"]}}
        await world.cluster.patch(TENANTS, name, removed)
        for _ in range(40):
            if (await browser.get("/v1/usage")).status_code == 403:
                break
            await asyncio.sleep(0.1)
        assert _problem(await browser.get("/v1/usage")) == (403, "simio_forbidden")
        await world.cluster.delete(SECRETS, f"client-{client}", CLIENTS)
        assert (await browser.delete(SESSION)).status_code == 204
        assert await world.cluster.find(SECRETS, f"client-{client}", CLIENTS) is None


async def test_no_code_or_session_is_logged(world: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    code = await _code(world)
    async with _browser(world.url) as browser:
        await browser.post(SESSION, json={"code": code})
        await browser.post(SESSION, json={"code": code})
        await browser.get("/v1/usage")
        ((_, session),) = browser.cookies.items()
    assert '"route": "/console/session"' in written(caplog)
    for secret in (code, code.rpartition(".")[2], session, session.rpartition(".")[2]):
        assert secret not in caplog.text + written(caplog)
