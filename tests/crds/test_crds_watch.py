"""Cluster.watch over scripted answers, imitated since a real API server cannot be told to lose its history."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from simulacra_crds import cluster as module
from simulacra_crds.cluster import CONFIGMAPS, Cluster, ClusterError

Object = dict[str, Any]


def item(uid: str, version: int) -> Object:
    return {"metadata": {"name": uid, "uid": uid, "resourceVersion": str(version)}}


def listing(version: int, *items: Object, more: str = "") -> httpx.Response:
    return httpx.Response(200, json={"metadata": {"resourceVersion": str(version), "continue": more}, "items": items})


def stream(*events: tuple[str, Object], cut: bool = False) -> httpx.Response:
    async def lines() -> AsyncIterator[bytes]:
        for kind, thing in events:
            yield json.dumps({"type": kind, "object": thing}).encode() + b"\n"
        if cut:
            raise httpx.ReadError("cut")

    return httpx.Response(200, content=lines())


def refusal(code: int) -> httpx.Response:
    return httpx.Response(code, json={"reason": "Because", "message": "no"})


class Script:
    """Answers in order; notes the parameters of each call; ends the test with StopAsyncIteration's stand-in."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.answers = list(answers)
        self.calls: list[Object] = []

    @asynccontextmanager
    async def call_api(self, method: str, **kwargs: Any) -> AsyncIterator[httpx.Response]:
        self.calls.append(kwargs["params"])
        if not self.answers:
            raise EndOfScript
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        answer.request = httpx.Request(method, "https://server")
        yield answer


class EndOfScript(Exception):
    pass


async def play(script: Script) -> list[tuple[str, str]]:
    seen = []
    try:
        async for change, thing in Cluster(script).watch(CONFIGMAPS, labels="a=b"):
            seen.append((change, thing["metadata"].get("name", "")))
    except EndOfScript:
        pass
    return seen


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WATCH_PAUSE_SECONDS", (0.0, 0.0))


async def test_list_pages_then_changes() -> None:
    script = Script(
        listing(5, item("a", 1), more="t"),
        listing(5, item("b", 2)),
        stream(("MODIFIED", item("a", 6)), ("BOOKMARK", item("", 7)), ("DELETED", item("b", 8))),
    )
    seen = await play(script)
    assert seen == [("ADDED", "a"), ("ADDED", "b"), ("BOOKMARK", ""), ("MODIFIED", "a"), ("DELETED", "b")]
    assert script.calls[1]["continue"] == "t"
    assert script.calls[2]["resourceVersion"] == "5"
    assert all(call["labelSelector"] == "a=b" for call in script.calls)


async def test_a_cut_resumes_where_it_was() -> None:
    script = Script(
        listing(1),
        stream(("ADDED", item("a", 2)), cut=True),
        stream(("BOOKMARK", item("", 9))),
        stream(("ADDED", item("b", 10))),
    )
    assert await play(script) == [("BOOKMARK", ""), ("ADDED", "a"), ("ADDED", "b")]
    assert [call.get("resourceVersion") for call in script.calls] == [None, "1", "2", "9", "10"]


@pytest.mark.parametrize("gone", [refusal(410), stream(("ERROR", {"code": 410}))])
async def test_lost_history_is_read_anew_and_told_as_changes(gone: httpx.Response) -> None:
    script = Script(
        listing(1, item("stays", 1), item("changes", 1), item("goes", 1)),
        gone,
        listing(20, item("stays", 1), item("changes", 15), item("comes", 16)),
    )
    seen = await play(script)
    assert seen[4:] == [("DELETED", "goes"), ("MODIFIED", "changes"), ("ADDED", "comes"), ("BOOKMARK", "")]


async def test_an_unreachable_server_is_tried_again() -> None:
    script = Script(
        httpx.ConnectError("down"),
        refusal(503),
        listing(1, item("a", 1)),
        refusal(429),
        httpx.ConnectError("down"),
        listing(3, item("b", 3)),
    )
    assert await play(script) == [
        ("ADDED", "a"), ("BOOKMARK", ""), ("DELETED", "a"), ("ADDED", "b"), ("BOOKMARK", ""),
    ]  # fmt: skip


@pytest.mark.parametrize("answers", [[refusal(403)], [listing(1), refusal(403)]])
async def test_a_refusal_is_raised(answers: list[httpx.Response]) -> None:
    with pytest.raises(ClusterError) as caught:
        await play(Script(*answers))
    assert caught.value.status == 403
