"""Nothing that a caller sends is answered with 500: headers, queries, paths and bodies."""

from __future__ import annotations

import base64
import json
import re
from typing import Any
from urllib.parse import quote, urlencode

import httpx2
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from api_world import World
from attack_requests import BODIES, ROUTES

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.embedded,
    pytest.mark.usefixtures("own_environment"),
]
NUMBERS = ["NaN", "Infinity", "-Infinity", "1e999", "-1e999", "9" * 5000, "-1", "0", "1.5", "-0.0"]
RAW_JSON = [
    *NUMBERS,
    '"\\ud800"',
    '"\\u0000"',
    '"' + "x" * 70_000 + '"',
    '"\\r\\n"',
    "[" * 3000,
    "[" * 400 + "]" * 400,
    '{"a":' * 3000,
    '{"\\ud800": 1}',
    "null",
    "true",
    "{}",
    "[]",
    '""',
    "[[[]]]",
    '{"": {"": ""}}',
]
TEXTS = [
    *NUMBERS,
    "[" * 5500,
    "%",
    "\xff\xfe",
    "'",
    "..",
    "../../x",
    "a" * 300,
    "-",
    ",",
    ";",
    "=",
    '"',
    '"x',
    "*",
    "\t",
    "0x10",
    "1_000",
    "²",
    "bytes=" + "9" * 5000 + "-",
    "bytes=0-" + "9" * 5000,
    "bytes=-" + "9" * 5000,
    "sha-256=:" + "A" * 90_00 + ":",
    "sha-256=:====:",
    "wait=" + "9" * 5000,
    "wait=NaN",
    "respond-async, wait=-1",
    "multipart/form-data; boundary=" + "b" * 300,
    "multipart/form-data; boundary=\xff",
    "application/json; charset=utf-16",
    "application/json; charset=\xff",
    "text/html;q=NaN",
    "Basic " + "A" * 5000,
    "Basic /////w==",
    "Basic \xff",
    "Bearer " + ("[" * 5500),
    "Bearer a.b.c",
    "Bearer \xff.\xff.\xff",
]
IN_PATH = ["%00", "%ff", "%ed%a0%80", "%2e%2e", "%2f", "x" * 300, "9" * 300, "%0d%0a", "ds-%C3%A9"]
HEADERS = [
    "Accept",
    "Accept-Encoding",
    "Authorization",
    "Content-Digest",
    "Content-Encoding",
    "Content-Type",
    "Expect",
    "Idempotency-Key",
    "If-Match",
    "If-None-Match",
    "If-Range",
    "Origin",
    "Prefer",
    "Range",
    "Repr-Digest",
    "Traceparent",
    "Upload-Length",
    "Upload-Offset",
    "X-Forwarded-For",
    "X-Forwarded-Proto",
    "X-Request-Id",
]
QUERY = [
    "limit",
    "cursor",
    "status",
    "type",
    "kind",
    "dataset_id",
    "expires",
    "signature",
    "format",
]
QUERY += ["safe", "x"]
FORM_FIELDS = ["family", "knowledge", "retention_seconds", "weights", "epsilon", "description"]
FORM_FIELDS += ["privacy", "hold", "x", "\x00", ""]
MARK = "@@"
BOUNDARY = "a-boundary"
DEEP_TOKEN = "e30." + base64.urlsafe_b64encode(b"[" * 5500).decode() + ".AAAA"


def _form(name: str, value: str) -> bytes:
    """Return an upload with one more field."""
    parts = [f'name="{name}"\r\n\r\n{value}', 'name="file"; filename="t.csv"\r\n\r\na,b\r\n1,2']
    text = "".join(f"--{BOUNDARY}\r\nContent-Disposition: form-data; {one}\r\n" for one in parts)
    return f"{text}--{BOUNDARY}--\r\n".encode()


@st.composite
def _body(draw: st.DrawFn, path: str) -> bytes | None:
    """Return the body of a valid request with one value replaced, or any bytes."""
    if path == "/v1/datasets":
        return _form(draw(st.sampled_from(FORM_FIELDS)), draw(st.sampled_from(TEXTS + RAW_JSON)))
    if path not in BODIES or draw(st.integers(0, 9)) == 0:
        return draw(st.sampled_from([None, b"", b"\xff\xfe{", b"{", b"[1]", b"\x00" * 100]))
    body = json.loads(json.dumps(BODIES[path]))
    at, name = body, draw(st.sampled_from([*body, "unknown"]))
    while isinstance(at.get(name), dict) and at[name] and draw(st.booleans()):
        at = at[name]
        name = draw(st.sampled_from([*at, "unknown"]))
    at[name] = MARK
    if draw(st.integers(0, 4)) == 0:  # a name instead of a value
        at[draw(st.sampled_from(["\ud800", "\x00", "a/b~c", "x" * 600]))] = at.pop(name)
    return json.dumps(body).replace(f'"{MARK}"', draw(st.sampled_from(RAW_JSON))).encode()


@st.composite
def _requests(draw: st.DrawFn) -> dict[str, Any]:
    method, path = draw(st.sampled_from(ROUTES))
    spoilt = {
        name: draw(st.sampled_from(IN_PATH))
        for name in re.findall(r"\{(\w+)\}", path)
        if draw(st.integers(0, 3)) == 0
    }
    query = draw(st.lists(st.tuples(st.sampled_from(QUERY), st.sampled_from(TEXTS)), max_size=2))
    headers = draw(st.dictionaries(st.sampled_from(HEADERS), st.sampled_from(TEXTS), max_size=2))
    return {
        "method": method.upper(),
        "path": path,
        "spoilt": spoilt,
        "query": query,
        "headers": headers,
        "content": draw(_body(path)),
        "link": draw(st.booleans()),
    }


def _plain(method: str, path: str, **parts: Any) -> dict[str, Any]:
    empty = {"spoilt": {}, "query": [], "headers": {}, "content": None, "link": False}
    return {"method": method, "path": path} | empty | parts


def _with_surrogate() -> bytes:
    return json.dumps(BODIES["/oauth/token"] | {"client_secret": "\ud800"}).encode()


async def _status(http: httpx2.AsyncClient, owned: dict[str, str], sent: dict[str, Any]) -> int:
    """Send a request; return the status. Bodies of answers are not read: one is a stream."""
    values = {name: quote(value) for name, value in owned.items()} | sent["spoilt"]
    url = sent["path"].format_map(values)
    if sent["path"].endswith("/artifact") and sent["link"] and not sent["spoilt"]:
        url = owned["artifact"]
    if sent["query"]:
        url += ("&" if "?" in url else "?") + urlencode(sent["query"], errors="replace")
    headers = {"Idempotency-Key": "fuzz"}
    if sent["content"] is not None:
        form = f"multipart/form-data; boundary={BOUNDARY}"
        headers["Content-Type"] = form if sent["path"] == "/v1/datasets" else "application/json"
    raw = [(name, value.strip().encode("latin-1")) for name, value in headers.items()]
    raw += [(name, value.strip().encode("latin-1")) for name, value in sent["headers"].items()]
    call = http.stream(sent["method"], url, content=sent["content"], headers=raw)
    async with call as answer:
        return answer.status_code


@settings(
    max_examples=200,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(sent=_requests())
@example(sent=_plain("GET", "/v1/usage", headers={"Authorization": "Bearer " + DEEP_TOKEN}))
@example(sent=_plain("POST", "/oauth/token", content=_with_surrogate()))
@example(
    sent=_plain("POST", "/oauth/token", headers={"Authorization": "Basic \xff"}, content=b"{}")
)
async def test_no_request_is_answered_with_500(
    world: World, owned: dict[str, str], sent: dict[str, Any]
) -> None:
    ends = sent["method"] == "DELETE" or sent["path"].endswith("/cancel")
    async with world.client("globex" if ends else "acme") as http:
        assert await _status(http, owned, sent) not in (500, 502)


@pytest.mark.parametrize(
    ("value", "status"),
    [
        ("bytes=" + "9" * 5000 + "-", 416),
        ("bytes=0-" + "9" * 5000, 206),
        ("bytes=-" + "9" * 5000, 206),
    ],
)
async def test_range_of_5000_digits_is_no_fault_of_the_server(
    world: World, owned: dict[str, str], value: str, status: int
) -> None:
    async with world.client() as http:
        # A fresh link: another test may have replaced the keys that signed an earlier one.
        shown = await http.get(f"/v1/generations/{owned['generation_id']}")
        answer = await http.get(shown.json()["artifact_url"], headers={"Range": value})
    assert answer.status_code == status
