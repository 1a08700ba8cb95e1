"""Waits survive a service that is away for a while; other requests are not sent twice.

Time is simulated: it passes while the client pauses.
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
from simulacra.commands.output import wait_with_progress
from simulacra.commands.session import errors_reported
from simulacra.core import AWAY_SECONDS, MAX_ATTEMPTS, Request, Steps, send

CONNECTION = Connection("http://api", "http://api/token", "id", "secret")
RUNNING = httpx2.Response(200, json={"job_id": "job-ds-1", "status": "running"})
READY = httpx2.Response(200, json={"job_id": "job-ds-1", "status": "ready"})
Outcome = httpx2.Response | Exception
FAILURES: dict[str, Outcome] = {
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
        self.now = 0.0
        self.pauses = list[float]()

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds

    async def async_sleep(self, seconds: float) -> None:
        self.sleep(seconds)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    one = Clock()
    for module in ("core", "operations.resources"):
        monkeypatch.setattr(f"simulacra.{module}.monotonic", lambda: one.now)
    monkeypatch.setattr("simulacra.client.time.sleep", one.sleep)
    return one


Answer = Callable[[httpx2.Request], Outcome]


def _handler(
    answer: Answer, requests: list[httpx2.Request]
) -> Callable[[httpx2.Request], httpx2.Response]:
    def handle(request: httpx2.Request) -> httpx2.Response:
        if request.url.path == "/token":
            return httpx2.Response(200, json={"access_token": "t", "expires_in": 600})
        requests.append(request)
        outcome = answer(request)
        if isinstance(outcome, Exception):
            raise outcome
        return httpx2.Response(
            outcome.status_code, content=outcome.content, headers=outcome.headers
        )

    return handle


@pytest.fixture
def requests() -> list[httpx2.Request]:
    return []


@pytest.fixture
def client(requests: list[httpx2.Request]) -> Iterator[Callable[[Answer], Client]]:
    """Return a function that makes the client of a service with these answers."""
    made: list[Client] = []

    def of(answer: Answer) -> Client:
        one = Client(CONNECTION)
        transport = httpx2.MockTransport(_handler(answer, requests))
        one._http = httpx2.Client(
            base_url="http://api", transport=transport, auth=ClientCredentials(CONNECTION)
        )
        made.append(one)
        return one

    yield of
    for one in made:
        one.close()


def _away_until(clock: Clock, end: float, outcome: Outcome, then: Outcome = READY) -> Answer:
    return lambda _: outcome if clock.now < end else then


Make = Callable[[Answer], Client]


@pytest.mark.parametrize("outcome", FAILURES.values(), ids=FAILURES)
def test_wait_survives_a_service_that_is_away_for_a_minute(
    clock: Clock, client: Make, outcome: Outcome
) -> None:
    notified: list[float] = []
    found = client(_away_until(clock, 100.0, outcome)).wait(
        "job-ds-1", on_away=lambda _, left: notified.append(left)
    )
    assert found.status == "ready"
    assert 100 <= clock.now < AWAY_SECONDS
    assert notified[0] == AWAY_SECONDS
    assert notified == sorted(notified, reverse=True)


async def test_async_wait_survives_a_service_that_is_away(
    clock: Clock, requests: list[httpx2.Request], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("simulacra.async_client.asyncio.sleep", clock.async_sleep)
    transport = httpx2.MockTransport(
        _handler(_away_until(clock, 100.0, FAILURES["refused"]), requests)
    )
    async with AsyncClient(CONNECTION) as one:
        one._http = httpx2.AsyncClient(
            base_url="http://api", transport=transport, auth=ClientCredentials(CONNECTION)
        )
        assert (await one.wait("job-ds-1")).status == "ready"
        clock.now = 0
        with pytest.raises(TimeoutError, match="job-ds-1"):
            await one.wait("job-ds-1", away_seconds=50)


def test_pauses_grow_to_a_limit_with_jitter(clock: Clock, client: Make) -> None:
    one = client(_away_until(clock, 100.0, FAILURES["refused"]))
    one.wait("job-ds-1")
    first, clock.now, clock.pauses = clock.pauses, 0.0, []
    one.wait("job-ds-1")
    assert max(first + clock.pauses) <= 12
    assert min(first[5:-1]) >= 4
    assert first != clock.pauses


@pytest.mark.parametrize("outcome", FAILURES.values(), ids=FAILURES)
def test_wait_ends_with_the_last_state_if_the_service_stays_away(
    clock: Clock, client: Make, outcome: Outcome
) -> None:
    seen: list[str] = []
    one = client(lambda _: outcome if seen else RUNNING)
    with pytest.raises(TimeoutError) as ended:
        one.wait("job-ds-1", on_progress=lambda job: seen.append(job.status))
    assert "job-ds-1 (last seen running): the service has not answered for 120 s" in str(
        ended.value
    )
    assert "wait for it again" in str(ended.value)
    assert isinstance(ended.value.__cause__, httpx2.TransportError | ApiError)


def test_absence_is_limited_by_the_timeout_of_the_wait(clock: Clock, client: Make) -> None:
    with pytest.raises(TimeoutError, match="not seen yet"):
        client(lambda _: FAILURES["503"]).wait("job-ds-1", timeout=30.0)
    assert clock.now == pytest.approx(30.0)


def test_each_outage_counts_from_its_own_beginning(clock: Clock, client: Make) -> None:
    ends = iter([100.0, 220.0, 340.0])
    end = next(ends)

    def answer(_: httpx2.Request) -> Outcome:
        nonlocal end
        if clock.now < end:
            return FAILURES["502"]
        end = next(ends, 0.0)
        return RUNNING if end else READY

    assert client(answer).wait("job-ds-1").status == "ready"
    assert clock.now > 2 * AWAY_SECONDS


@pytest.mark.parametrize(
    ("outcome", "times"),
    [
        (httpx2.Response(404, json={"code": "simio_job_not_found"}), 1),
        (httpx2.Response(500, json={"code": "simio_internal"}), MAX_ATTEMPTS),
        (ApiError(401, {"code": "invalid_client"}), 1),
        (httpx2.UnsupportedProtocol("api"), 1),
    ],
)
def test_permanent_error_ends_the_wait(
    clock: Clock, client: Make, requests: list[httpx2.Request], outcome: Outcome, times: int
) -> None:
    with pytest.raises((ApiError, httpx2.UnsupportedProtocol)):
        client(lambda _: outcome).wait("job-ds-1")
    assert len(requests) == times


def test_deletion_is_awaited_and_survives_a_lost_answer(clock: Clock, client: Make) -> None:
    gone = httpx2.Response(404, json={"code": "simio_dataset_not_found"})
    busy = httpx2.Response(202, json={})
    away = _away_until(clock, 100.0, FAILURES["refused"], gone)

    def erasing(request: httpx2.Request) -> Outcome:
        return busy if request.method == "DELETE" else away(request)

    client(erasing).delete("ds-1")
    assert clock.now >= 100
    lost = iter([FAILURES["cut"], gone])
    client(lambda _: next(lost)).delete("ds-1")
    with pytest.raises(ApiError, match="simio_dataset_not_found"):
        client(lambda _: gone).delete("ds-1")
    with pytest.raises(TimeoutError, match="the erasure of ds-1: the service has not answered"):
        client(lambda request: busy if request.method == "DELETE" else FAILURES["504"]).delete(
            "ds-1"
        )


def test_download_survives_a_service_that_goes_away(
    clock: Clock, client: Make, tmp_path: Path
) -> None:
    link = httpx2.Response(
        200, json={"generation_id": "gen-1", "status": "ready", "artifact_url": "/file"}
    )
    fetched: list[float] = []

    def answer(request: httpx2.Request) -> Outcome:
        if fetched and clock.now < 100:
            return FAILURES["refused"]
        if request.url.path != "/file":
            return link
        fetched.append(clock.now)
        return FAILURES["cut"] if len(fetched) == 1 else httpx2.Response(200, content=b"rows")

    assert client(answer).download("gen-1", tmp_path / "rows.csv", "csv") == 4
    assert fetched[0] == 0
    assert fetched[1] >= 100
    with pytest.raises(httpx2.ConnectError):
        client(lambda _: FAILURES["refused"]).download("gen-1", tmp_path / "rows.csv", "csv")
    assert clock.now < AWAY_SECONDS, "a service that never answered is not waited for"


def test_request_that_is_not_repeatable_is_sent_once(
    clock: Clock, client: Make, requests: list[httpx2.Request]
) -> None:
    with pytest.raises(httpx2.ReadTimeout):
        client(lambda _: FAILURES["hangs"]).rotate_credentials()
    assert len(requests) == 1
    steps: Steps[Any] = send(Request("POST", "/v1/webhooks", repeatable=False), away=AWAY_SECONDS)
    next(steps)
    with pytest.raises(httpx2.ReadTimeout):
        steps.throw(httpx2.ReadTimeout("no answer"))


def test_each_try_of_a_creation_has_the_same_key(
    clock: Clock, client: Make, requests: list[httpx2.Request]
) -> None:
    outcome = iter(
        [FAILURES["cut"], FAILURES["503"], httpx2.Response(202, json={"generation_id": "gen-1"})]
    )
    assert client(lambda _: next(outcome)).generate("ds-1", 10).generation_id == "gen-1"
    assert len({request.headers["Idempotency-Key"] for request in requests}) == 1
    assert len(requests) == 3


def test_claim_survives_a_service_that_is_away(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    decided = httpx2.Response(200, json={"status": "denied"})
    answer = _away_until(clock, 60.0, FAILURES["503"], decided)
    handler = _handler(answer, [])
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


def test_command_notes_an_absent_service_once(
    clock: Clock, client: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    wait_with_progress(
        client(_away_until(clock, 100.0, FAILURES["refused"])), "job-ds-1", as_json=True
    )
    said = capsys.readouterr().err
    assert said == "The service does not answer (ConnectError: refused). Trying for 120 s more.\n"


def test_wait_says_once_that_nothing_works_on_the_job(
    clock: Clock, client: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    why = "Nothing has worked on it since 2026-01-01 00:00 UTC."
    body = {"job_id": "job-ds-1", "status": "queued", "waiting_reason": why}
    waiting = client(_away_until(clock, 100.0, httpx2.Response(200, json=body)))
    wait_with_progress(waiting, "job-ds-1", as_json=True)
    assert capsys.readouterr().err == f"{why}\n"
    clock.now = 0
    with pytest.raises(TimeoutError, match=why):
        waiting.wait("job-ds-1", timeout=50.0)


def test_command_names_the_failed_job(capsys: pytest.CaptureFixture[str]) -> None:
    job = {"job_id": "job-ds-1", "error": {"code": "simio_upload_invalid", "detail": "one column"}}
    with pytest.raises(typer.Exit) as end, errors_reported():
        raise JobFailed(job)
    assert end.value.exit_code == 3
    assert capsys.readouterr().err == "job-ds-1 failed: simio_upload_invalid: one column\n"
