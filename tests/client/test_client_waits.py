"""Waits ride out a service that is away for a while, and only waits do: what may not be sent twice is not.

The time is a test's own: it passes while the client pauses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import typer

from simulacra import ApiError, AsyncClient, Client, Connection, JobFailed
from simulacra.access import claim_credentials
from simulacra.auth import ClientCredentials
from simulacra.commands.shared import ended, wait_with_progress
from simulacra.protocol import AWAY_SECONDS, MAX_ATTEMPTS, Ask, Steps, ask

CONNECTION = Connection("http://api", "http://api/token", "id", "secret")
RUNNING = httpx2.Response(200, json={"job_id": "job-ds-1", "status": "running"})
READY = httpx2.Response(200, json={"job_id": "job-ds-1", "status": "ready"})
Came = httpx2.Response | Exception
NOBODY: dict[str, Came] = {
    "refused": httpx2.ConnectError("refused"),
    "hangs": httpx2.ReadTimeout("no answer"),
    "cut": httpx2.RemoteProtocolError("cut"),
    "502": httpx2.Response(502, text="<html>"),
    "503": httpx2.Response(503, json={"code": "simio_unavailable", "title": "away"}),
    "504": httpx2.Response(504),
    "no token": ApiError(503, {"code": "simio_unavailable"}),
}


class Clock:
    def __init__(self) -> None:
        self.now, self.pauses = 0.0, list[float]()

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds

    async def sleep_there(self, seconds: float) -> None:
        self.sleep(seconds)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    one = Clock()
    for module in ("protocol", "operations.work", "operations.common"):
        monkeypatch.setattr(f"simulacra.{module}.monotonic", lambda: one.now)
    monkeypatch.setattr("simulacra.client.time.sleep", one.sleep)
    return one


Answer = Callable[[httpx2.Request], Came]


def _handler(answer: Answer, asked: list[httpx2.Request]) -> Callable[[httpx2.Request], httpx2.Response]:
    def handle(request: httpx2.Request) -> httpx2.Response:
        if request.url.path == "/token":
            return httpx2.Response(200, json={"access_token": "t", "expires_in": 600})
        asked.append(request)
        came = answer(request)
        if isinstance(came, Exception):
            raise came
        return httpx2.Response(came.status_code, content=came.content, headers=came.headers)

    return handle


@pytest.fixture
def asked() -> list[httpx2.Request]:
    return []


@pytest.fixture
def client(asked: list[httpx2.Request]) -> Iterator[Callable[[Answer], Client]]:
    """Return the client of a service that answers so."""
    made: list[Client] = []

    def of(answer: Answer) -> Client:
        one = Client(CONNECTION)
        transport = httpx2.MockTransport(_handler(answer, asked))
        one._http = httpx2.Client(base_url="http://api", transport=transport, auth=ClientCredentials(CONNECTION))
        made.append(one)
        return one

    yield of
    for one in made:
        one.close()


def _away_until(clock: Clock, end: float, came: Came, then: Came = READY) -> Answer:
    return lambda _: came if clock.now < end else then


Make = Callable[[Answer], Client]


@pytest.mark.parametrize("came", NOBODY.values(), ids=NOBODY)
def test_a_wait_rides_out_a_service_that_is_away_for_a_minute(clock: Clock, client: Make, came: Came) -> None:
    told: list[float] = []
    found = client(_away_until(clock, 100.0, came)).wait("job-ds-1", on_away=lambda _, left: told.append(left))
    assert found.status == "ready"
    assert 100 <= clock.now < AWAY_SECONDS
    assert told[0] == AWAY_SECONDS
    assert told == sorted(told, reverse=True)


async def test_so_does_that_of_the_async_client(
    clock: Clock, asked: list[httpx2.Request], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("simulacra.async_client.asyncio.sleep", clock.sleep_there)
    transport = httpx2.MockTransport(_handler(_away_until(clock, 100.0, NOBODY["refused"]), asked))
    async with AsyncClient(CONNECTION) as one:
        one._http = httpx2.AsyncClient(base_url="http://api", transport=transport, auth=ClientCredentials(CONNECTION))
        assert (await one.wait("job-ds-1")).status == "ready"
        clock.now = 0
        with pytest.raises(TimeoutError, match="job-ds-1"):
            await one.wait("job-ds-1", away_seconds=50)


def test_the_pauses_grow_to_a_limit_and_are_never_the_same(clock: Clock, client: Make) -> None:
    one = client(_away_until(clock, 100.0, NOBODY["refused"]))
    one.wait("job-ds-1")
    first, clock.now, clock.pauses = clock.pauses, 0.0, []
    one.wait("job-ds-1")
    assert max(first + clock.pauses) <= 12
    assert min(first[5:-1]) >= 4
    assert first != clock.pauses


@pytest.mark.parametrize("came", NOBODY.values(), ids=NOBODY)
def test_one_that_stays_away_ends_the_wait_with_what_was_waited_for(clock: Clock, client: Make, came: Came) -> None:
    seen: list[str] = []
    one = client(lambda _: came if seen else RUNNING)
    with pytest.raises(TimeoutError) as ended:
        one.wait("job-ds-1", on_progress=lambda job: seen.append(job.status))
    assert "job-ds-1 (last seen running): the service has not answered for 120 s" in str(ended.value)
    assert "wait for it again" in str(ended.value)
    assert isinstance(ended.value.__cause__, httpx2.TransportError | ApiError)


def test_it_is_away_no_longer_than_the_wait_may_take(clock: Clock, client: Make) -> None:
    with pytest.raises(TimeoutError, match="not seen yet"):
        client(lambda _: NOBODY["503"]).wait("job-ds-1", timeout=30.0)
    assert clock.now == pytest.approx(30.0)


def test_an_outage_counts_from_its_own_beginning(clock: Clock, client: Make) -> None:
    ends = iter([100.0, 220.0, 340.0])
    end = next(ends)

    def answer(_: httpx2.Request) -> Came:
        nonlocal end
        if clock.now < end:
            return NOBODY["502"]
        end = next(ends, 0.0)
        return RUNNING if end else READY

    assert client(answer).wait("job-ds-1").status == "ready"
    assert clock.now > 2 * AWAY_SECONDS


@pytest.mark.parametrize(
    ("came", "times"),
    [
        (httpx2.Response(404, json={"code": "simio_job_not_found"}), 1),
        (httpx2.Response(500, json={"code": "simio_internal"}), MAX_ATTEMPTS),
        (ApiError(401, {"code": "invalid_client"}), 1),
        (httpx2.UnsupportedProtocol("api"), 1),
    ],
)
def test_what_no_waiting_changes_ends_it(
    clock: Clock, client: Make, asked: list[httpx2.Request], came: Came, times: int
) -> None:
    with pytest.raises((ApiError, httpx2.UnsupportedProtocol)):
        client(lambda _: came).wait("job-ds-1")
    assert len(asked) == times


def test_a_deletion_is_waited_for_and_its_lost_answer_is_no_error(clock: Clock, client: Make) -> None:
    gone, busy = httpx2.Response(404, json={"code": "simio_dataset_not_found"}), httpx2.Response(202, json={})

    def erasing(request: httpx2.Request) -> Came:
        return busy if request.method == "DELETE" else _away_until(clock, 100.0, NOBODY["refused"], gone)(request)

    client(erasing).delete("ds-1")
    assert clock.now >= 100
    lost = iter([NOBODY["cut"], gone])
    client(lambda _: next(lost)).delete("ds-1")
    with pytest.raises(ApiError, match="simio_dataset_not_found"):
        client(lambda _: gone).delete("ds-1")
    with pytest.raises(TimeoutError, match="the erasure of ds-1: the service has not answered"):
        client(lambda request: busy if request.method == "DELETE" else NOBODY["504"]).delete("ds-1")


def test_a_download_rides_out_a_service_that_goes_away_meanwhile(clock: Clock, client: Make, tmp_path: Path) -> None:
    link = httpx2.Response(200, json={"generation_id": "gen-1", "status": "ready", "artifact_url": "/file"})
    fetched: list[float] = []

    def answer(request: httpx2.Request) -> Came:
        if fetched and clock.now < 100:
            return NOBODY["refused"]
        if request.url.path != "/file":
            return link
        fetched.append(clock.now)
        return NOBODY["cut"] if len(fetched) == 1 else httpx2.Response(200, content=b"rows")

    assert client(answer).download("gen-1", tmp_path / "rows.csv", "csv") == 4
    assert fetched[0] == 0
    assert fetched[1] >= 100
    with pytest.raises(httpx2.ConnectError):
        client(lambda _: NOBODY["refused"]).download("gen-1", tmp_path / "rows.csv", "csv")
    assert clock.now < AWAY_SECONDS, "who never answered is not waited for"


def test_what_has_an_effect_twice_is_never_asked_again(clock: Clock, client: Make, asked: list[httpx2.Request]) -> None:
    with pytest.raises(httpx2.ReadTimeout):
        client(lambda _: NOBODY["hangs"]).rotate_credentials()
    assert len(asked) == 1
    steps: Steps[Any] = ask(Ask("POST", "/v1/webhooks", repeatable=False), away=AWAY_SECONDS)
    next(steps)
    with pytest.raises(httpx2.ReadTimeout):
        steps.throw(httpx2.ReadTimeout("no answer"))


def test_a_key_goes_with_each_try_of_a_request_that_makes_something(
    clock: Clock, client: Make, asked: list[httpx2.Request]
) -> None:
    came = iter([NOBODY["cut"], NOBODY["503"], httpx2.Response(202, json={"generation_id": "gen-1"})])
    assert client(lambda _: next(came)).generate("ds-1", 10).generation_id == "gen-1"
    assert len({request.headers["Idempotency-Key"] for request in asked}) == 1
    assert len(asked) == 3


def test_who_waits_for_a_decision_rides_it_out_too(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    decided = httpx2.Response(200, json={"status": "denied"})
    answer = _away_until(clock, 60.0, NOBODY["503"], decided)
    handler = _handler(answer, [])
    monkeypatch.setattr("simulacra.access.time.sleep", clock.sleep)
    monkeypatch.setattr("simulacra.access.time.monotonic", lambda: clock.now)
    whole = httpx2.Client.__init__
    monkeypatch.setattr(
        httpx2.Client,
        "__init__",
        lambda self, **options: whole(self, transport=httpx2.MockTransport(handler), **options),
    )
    with pytest.raises(PermissionError, match="denied"):
        claim_credentials("http://api", "request", timeout=600)
    assert clock.now >= 60
    clock.now = 0
    with pytest.raises(ApiError, match="503"):
        claim_credentials("http://api", "request")


def test_the_command_says_once_that_nobody_answers(
    clock: Clock, client: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    wait_with_progress(client(_away_until(clock, 100.0, NOBODY["refused"])), "job-ds-1", as_json=True)
    said = capsys.readouterr().err
    assert said == "the service does not answer (ConnectError: refused); it is waited for, 120 s at most\n"


def test_the_command_names_the_job_that_failed(capsys: pytest.CaptureFixture[str]) -> None:
    job = {"job_id": "job-ds-1", "error": {"code": "simio_upload_invalid", "detail": "one column"}}
    with pytest.raises(typer.Exit) as end, ended():
        raise JobFailed(job)
    assert end.value.exit_code == 3
    assert capsys.readouterr().err == "job-ds-1 failed: simio_upload_invalid: one column\n"
