"""Cluster.watch over scripted answers: no real API server loses its history on request."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from simulacra_crds.kube import client as module
from simulacra_crds.kube.client import CONFIGMAPS, Cluster, ClusterError
from simulacra_crds.kube.transport import Answer, Unreachable

Object = dict[str, Any]


def item(uid: str, version: int) -> Object:
    return {"metadata": {"name": uid, "uid": uid, "resourceVersion": str(version)}}


@dataclass
class Stream:
    """What a watch gives before it is cut off or ended, which look the same."""

    events: list[tuple[str, Object]]


Scripted = Answer | Stream | Unreachable


def listing(version: int, *items: Object, more: str = "") -> Answer:
    body = {"metadata": {"resourceVersion": str(version), "continue": more}, "items": items}
    return Answer(200, "OK", None, json.dumps(body).encode())


def stream(*events: tuple[str, Object]) -> Stream:
    return Stream(list(events))


def refusal(code: int) -> Answer:
    return Answer(code, "", None, json.dumps({"reason": "Because", "message": "no"}).encode())


class Script:
    """Answers in order; notes the parameters of each call; ends the test with EndOfScript."""

    def __init__(self, *answers: Scripted) -> None:
        self.answers = list(answers)
        self.calls: list[Object] = []

    def _next(self, params: Object) -> Answer | Stream:
        self.calls.append(params)
        if not self.answers:
            raise EndOfScript
        answer = self.answers.pop(0)
        if isinstance(answer, Unreachable):
            raise answer
        return answer

    async def send(self, method: str, path: str, *, params: Object, **kwargs: Any) -> Answer:
        answer = self._next(params)
        assert isinstance(answer, Answer)
        return answer

    async def lines(
        self, path: str, params: Object, *, silence: float
    ) -> AsyncIterator[Answer | bytes]:
        answer = self._next(params)
        if isinstance(answer, Answer):
            yield answer
            return
        yield Answer(200, "OK", None, b"")
        for kind, thing in answer.events:
            yield json.dumps({"type": kind, "object": thing}).encode()


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
    assert seen == [
        ("ADDED", "a"),
        ("ADDED", "b"),
        ("BOOKMARK", ""),
        ("MODIFIED", "a"),
        ("DELETED", "b"),
    ]
    assert script.calls[1]["continue"] == "t"
    assert script.calls[2]["resourceVersion"] == "5"
    assert all(call["labelSelector"] == "a=b" for call in script.calls)


async def test_a_cut_resumes_where_it_was() -> None:
    script = Script(
        listing(1),
        stream(("ADDED", item("a", 2))),
        stream(("BOOKMARK", item("", 9))),
        stream(("ADDED", item("b", 10))),
    )
    assert await play(script) == [("BOOKMARK", ""), ("ADDED", "a"), ("ADDED", "b")]
    assert [call.get("resourceVersion") for call in script.calls] == [None, "1", "2", "9", "10"]


@pytest.mark.parametrize("gone", [refusal(410), stream(("ERROR", {"code": 410}))])
async def test_lost_history_is_read_anew_and_told_as_changes(gone: Answer | Stream) -> None:
    script = Script(
        listing(1, item("stays", 1), item("changes", 1), item("goes", 1)),
        gone,
        listing(20, item("stays", 1), item("changes", 15), item("comes", 16)),
    )
    seen = await play(script)
    assert seen[4:] == [
        ("DELETED", "goes"),
        ("MODIFIED", "changes"),
        ("ADDED", "comes"),
        ("BOOKMARK", ""),
    ]


async def test_an_unreachable_server_is_tried_again() -> None:
    script = Script(
        Unreachable("down"),
        refusal(503),
        listing(1, item("a", 1)),
        refusal(429),
        Unreachable("down"),
        listing(3, item("b", 3)),
    )
    assert await play(script) == [
        ("ADDED", "a"), ("BOOKMARK", ""), ("DELETED", "a"), ("ADDED", "b"), ("BOOKMARK", ""),
    ]  # fmt: skip


@pytest.mark.parametrize("answers", [[refusal(403)], [listing(1), refusal(403)]])
async def test_a_refusal_is_raised(answers: list[Answer]) -> None:
    with pytest.raises(ClusterError) as caught:
        await play(Script(*answers))
    assert caught.value.status == 403
