"""Uploads in pieces, counted bytes and progress bars, against a server that fails on demand."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import os
import pty
import re
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp.server.mcpserver.exceptions import ToolError

from simulacra import ApiError, AsyncClient, Client, Connection
from simulacra.download_io import Partial
from simulacra.mcp_server import Tools
from simulacra.operations import uploads

PIECE = 64 << 10
CONTENT = bytes(range(256)) * 1000  # not quite four pieces
PROGRAM = str(Path(sys.executable).with_name("simulacra"))
HELD = {"Retry-After": "2"}
Fault = Callable[["Service"], bool]
"""Called with a received piece before its answer; true if it answered or cut the connection."""


class Service(BaseHTTPRequestHandler):
    """Stores uploads in pieces. Each piece takes one of `faults`; None lets it succeed.

    Before that, each request takes an entry of `away`, which cuts its connection, and each GET an
    entry of `held`, which reports another request. With an entry in `old`, there are no pieces.
    """

    protocol_version = "HTTP/1.1"
    plan: dict[str, Any]
    kept: bytearray
    keys: list[str]
    pieces: list[tuple[int, int]]
    faults: list[Fault | None]
    away: list[int]
    held: list[int]
    old: list[int]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/token":
            self.answer(200, {"access_token": "t", "expires_in": 600})
        elif self.path == "/v1/uploads" and not self.old:
            self.keys.append(self.headers["Idempotency-Key"])
            self.plan.update(json.loads(body))
            self.answer(201, self.state())
        elif self.path == "/v1/uploads":
            self.answer(self.old[0], {"code": "simio_not_found"})
        else:
            self.keys.append(self.headers["Idempotency-Key"])
            self.kept += body
            self.answer(202, {"dataset_id": "ds-1", "job_id": "job-ds-1"})

    def do_GET(self) -> None:
        if self.away:
            self.away.pop()
            self.hang_up()
        elif self.path.startswith("/v1/uploads/"):
            held = bool(self.held) and bool(self.held.pop())
            state = self.state()
            complete = state["complete"] and not held
            self.answer(200, state | {"complete": complete}, **HELD if held else {})
        elif self.path.startswith("/v1/generations/"):
            found = {"generation_id": "gen-1", "dataset_id": "ds-1", "status": "ready"}
            self.answer(200, found | {"artifact_url": "/file?token=x"})
        elif self.path.startswith("/v1/datasets/"):
            self.refuse(404, "simio_not_found")  # the rows outlive their dataset
        else:
            self.send_response(200)
            self.send_header("Content-Length", str(len(CONTENT)))
            self.end_headers()
            self.wfile.write(CONTENT)

    def do_PATCH(self) -> None:
        offset = int(self.headers["Upload-Offset"])
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.pieces.append((offset, len(body)))
        if self.away:
            self.away.pop()
            self.hang_up()
            return
        fault = self.faults.pop(0) if self.faults else None
        if fault is not None and fault(self):
            return
        if self.held:
            self.refuse(409, "simio_idempotency_in_flight", **HELD)
            return
        if offset != len(self.kept):
            self.answer(409, {"code": "simio_upload_offset_mismatch", "title": "elsewhere"})
            return
        self.kept += body
        self.answer(200, self.state())

    def state(self) -> dict[str, Any]:
        whole = len(self.kept) == self.plan["bytes"]
        found = {"upload_id": "ds-1", "dataset_id": "ds-1", "job_id": "job-ds-1", "complete": whole}
        digest = hashlib.sha256(self.kept).hexdigest() if whole else None
        return found | {"offset": len(self.kept), "bytes": self.plan["bytes"], "sha256": digest}

    def answer(self, status: int, body: dict[str, Any], **headers: str) -> None:
        payload = json.dumps(body).encode()
        self.send_response(status)
        headers |= {"Content-Type": "application/json", "Content-Length": str(len(payload))}
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(payload)

    def hang_up(self, kept: int = 0) -> bool:
        """Keep this number of bytes of a piece and cut the connection."""
        self.kept += CONTENT[len(self.kept) : len(self.kept) + kept]
        self.close_connection = True
        return True

    def refuse(self, status: int, code: str, **headers: str) -> bool:
        self.answer(status, {"code": code, "title": code}, **headers)
        return True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Stay quiet."""


class Clock:
    """Simulated time: it passes while the client pauses, and as a test sets it."""

    def __init__(self) -> None:
        self.now = 0.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    one = Clock()
    monkeypatch.setattr("simulacra.client.time.sleep", one.sleep)
    monkeypatch.setattr("simulacra.core.random.uniform", lambda low, high: 1.0)
    monkeypatch.setattr("simulacra.core.monotonic", lambda: one.now)
    return one


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> Iterator[type[Service]]:
    fresh: dict[str, Any] = {"plan": {}, "kept": bytearray(), "clock": clock}
    fresh |= {name: [] for name in ("keys", "pieces", "faults", "away", "held", "old")}
    handler = type("Handler", (Service,), fresh)
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads, server.block_on_close = True, False
    handler.url = f"http://127.0.0.1:{server.server_port}"  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr(uploads, "PIECE_BYTES", PIECE)
    yield handler
    server.shutdown()
    server.server_close()


@pytest.fixture
def connection(service: Any) -> Connection:
    return Connection(service.url, f"{service.url}/token", "id", "secret")


@pytest.fixture
def client(connection: Connection) -> Iterator[Client]:
    with Client(connection, timeout=10) as one:
        yield one


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "table.csv"
    path.write_bytes(CONTENT)
    return path


def test_large_file_is_sent_in_counted_pieces(
    service: type[Service], client: Client, file: Path
) -> None:
    counted: list[tuple[int, int | None]] = []
    options: dict[str, Any] = {"privacy": "strict", "knowledge": {"tiers": []}}
    done = client.upload(file, **options, on_bytes=lambda *so_far: counted.append(so_far))
    assert (done.dataset_id, done.job_id) == ("ds-1", "job-ds-1")
    assert done.sha256 == hashlib.sha256(CONTENT).hexdigest()
    assert service.kept == CONTENT
    assert service.plan["description"]["name"] == "table.csv"
    described = {"description": service.plan["description"]}
    assert service.plan == {"bytes": len(CONTENT), "sha256": done.sha256, **options, **described}
    assert [size for _, size in service.pieces] == [PIECE, PIECE, PIECE, len(CONTENT) - 3 * PIECE]
    assert [so_far for so_far, _ in counted] == sorted(so_far for so_far, _ in counted)
    assert (counted[0], counted[-1]) == ((0, len(CONTENT)), (len(CONTENT), len(CONTENT)))


async def test_async_client_sends_pieces(
    service: type[Service], connection: Connection, file: Path
) -> None:
    service.faults = [None, lambda one: one.hang_up(1000)]
    async with AsyncClient(connection, timeout=10) as client:
        assert (await client.upload(file)).dataset_id == "ds-1"
    assert service.kept == CONTENT


def test_small_file_is_sent_in_one_counted_request(
    service: type[Service], client: Client, file: Path
) -> None:
    file.write_bytes(CONTENT[:PIECE])
    counted: list[tuple[int, int | None]] = []
    client.upload(file, on_bytes=lambda *so_far: counted.append(so_far))
    assert CONTENT[:PIECE] in service.kept
    assert counted[-1] == (PIECE, PIECE)


@pytest.mark.parametrize(
    "fault",
    [
        lambda one: one.hang_up(),
        lambda one: one.hang_up(5000),
        lambda one: one.refuse(503, "simio_unavailable"),
        lambda one: one.refuse(408, "simio_upload_timeout"),
        lambda one: one.refuse(409, "simio_idempotency_in_flight", **{"Retry-After": "2"}),
        lambda one: one.refuse(409, "simio_upload_offset_mismatch"),
    ],
    ids=["cut", "cut within", "busy", "stalled", "in flight", "elsewhere"],
)
def test_broken_piece_is_continued(
    service: type[Service], client: Client, file: Path, fault: Fault
) -> None:
    service.faults = [None, fault, fault]
    assert client.upload(file).dataset_id == "ds-1"
    assert service.kept == CONTENT
    assert sum(offset == 0 for offset, _ in service.pieces) == 1


def test_received_piece_without_an_answer_is_not_sent_again(
    service: type[Service], client: Client, file: Path
) -> None:
    service.faults = [lambda one: one.hang_up(PIECE)]
    client.upload(file)
    assert [offset for offset, _ in service.pieces] == [0, PIECE, 2 * PIECE, 3 * PIECE]


@pytest.mark.parametrize("code", ["simio_upload_invalid", "simio_cancelled"])
def test_refused_piece_ends_the_upload(
    service: type[Service], client: Client, file: Path, code: str
) -> None:
    service.faults = [lambda one: one.refuse(409 if code == "simio_cancelled" else 400, code)]
    with pytest.raises(ApiError, match=code) as refused:
        client.upload(file)
    assert len(service.pieces) == 1
    assert not hasattr(refused.value, "__notes__")


def test_upload_waits_a_minute_for_an_absent_service_but_not_forever(
    service: type[Service], client: Client, clock: Clock, file: Path
) -> None:
    counted: list[int] = []

    def leave(so_far: int, _: int | None) -> None:
        counted.append(so_far)
        if so_far == 2 * PIECE and counted.count(so_far) == 1:
            service.away += [1] * 14

    client.upload(file, on_bytes=leave)
    assert 60 < clock.now < uploads.AWAY_SECONDS
    assert service.kept == CONTENT
    service.kept.clear()
    service.away += [1] * 1000
    before = clock.now
    with pytest.raises(httpx2.TransportError):
        client.upload(file)
    assert uploads.AWAY_SECONDS < clock.now - before < 2 * uploads.AWAY_SECONDS
    service.away.clear()
    service.faults = [lambda one: one.refuse(503, "simio_unavailable")] * 1000
    with pytest.raises(ApiError, match="simio_unavailable") as gave_up:
        client.upload(file, drop="a")  # an error that is to name arguments keeps its note
    assert f"key='{service.keys[-1]}'" in gave_up.value.__notes__[0]


def test_upload_waits_for_a_service_that_died_during_a_slow_piece(
    service: type[Service], client: Client, clock: Clock, file: Path
) -> None:
    """It holds the upload for a minute; the client sends no piece meanwhile."""

    def die(one: Service) -> bool:
        clock.now += 1000  # the piece was slow
        one.held += [1] * 30
        return one.hang_up()

    service.faults = [None, die]
    client.upload(file)
    assert service.kept == CONTENT
    assert [offset for offset, _ in service.pieces] == [0, PIECE, PIECE, 2 * PIECE, 3 * PIECE]
    assert clock.now > 1060


def test_upload_waits_while_the_pieces_are_joined(
    service: type[Service], client: Client, clock: Clock, file: Path
) -> None:
    def join(one: Service) -> bool:
        one.held += [1] * 310
        return one.hang_up(PIECE)

    service.faults = [None, None, None, join]
    assert client.upload(file).sha256 == hashlib.sha256(CONTENT).hexdigest()
    assert service.pieces[4:] == [
        (len(CONTENT), 0)
    ]  # the request that joins them may have died, too
    assert clock.now > 600


def test_upload_gives_up_when_it_is_held_for_an_hour(
    service: type[Service],
    client: Client,
    clock: Clock,
    file: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(uploads, "IN_FLIGHT_SECONDS", 100.0)
    service.faults = [lambda one: one.refuse(409, "simio_idempotency_in_flight", **HELD)] * 3
    service.held += [1] * 100
    with pytest.raises(ApiError, match="simio_idempotency_in_flight"):
        client.upload(file)
    assert clock.now > 100
    assert len(service.pieces) == 2


@pytest.mark.parametrize("status", [404, 405])
def test_service_without_pieces_gets_the_file_in_one_request(
    service: type[Service], client: Client, file: Path, status: int
) -> None:
    service.old.append(status)
    assert client.upload(file, key="mine").dataset_id == "ds-1"
    assert CONTENT in service.kept
    assert (service.keys, service.pieces) == (["mine"], [])


def test_very_large_file_is_sent_in_larger_pieces(
    service: type[Service], client: Client, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "USUAL_PIECES", 2)
    client.upload(file)
    assert [size for _, size in service.pieces] == [len(CONTENT) // 2] * 2


def test_another_process_continues_with_the_same_key(
    service: type[Service], client: Client, file: Path
) -> None:
    seen: list[int] = []

    def stop(so_far: int, _: int | None) -> None:
        seen.append(so_far)
        if seen.count(2 * PIECE) == 2:  # once when sent, once when answered
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        client.upload(file, key="mine", on_bytes=stop)
    arrived = len(service.kept)
    assert arrived == 2 * PIECE
    service.pieces.clear()
    client.upload(file, key="mine")
    assert service.pieces[0][0] == arrived
    assert service.keys == ["mine", "mine"]
    assert service.kept == CONTENT


class Gate:
    """Blocks a slow disk until the event loop, which must be free, opens the gate."""

    def __init__(self) -> None:
        self.waits = 0
        self._waiting = threading.Event()
        self._open = threading.Event()

    def wait(self) -> None:
        self.waits += 1
        self._waiting.set()
        assert self._open.wait(60), "the event loop was blocked"
        self._open.clear()

    async def open_forever(self) -> None:
        while True:
            if self._waiting.is_set():
                self._waiting.clear()
                self._open.set()
            await asyncio.sleep(0)


@pytest.fixture
async def gate() -> AsyncIterator[Gate]:
    one = Gate()
    task = asyncio.create_task(one.open_forever())
    yield one
    task.cancel()


@pytest.mark.parametrize("size", [PIECE, len(CONTENT)], ids=["one request", "pieces"])
async def test_async_upload_does_not_block_the_event_loop(
    service: type[Service],
    connection: Connection,
    file: Path,
    monkeypatch: pytest.MonkeyPatch,
    gate: Gate,
    size: int,
) -> None:
    class Slow(io.FileIO):
        def read(self, size: int | None = -1, /) -> bytes:
            gate.wait()
            return super().read(-1 if size is None else size)

        def readinto(self, buffer: Any, /) -> int:
            gate.wait()
            return super().readinto(buffer)

    file.write_bytes(CONTENT[:size])
    plain = Path.open
    counted = list[tuple[int, int]]()

    def slow(path: Path, *how: str) -> Any:
        return Slow(str(path)) if path == file else plain(path, *how)

    def count(so_far: int, _: int | None) -> None:
        counted.append((so_far, threading.get_ident()))

    monkeypatch.setattr(Path, "open", slow)
    async with AsyncClient(connection, timeout=20) as client:
        done = await client.upload(file, on_bytes=count)
    assert done.dataset_id == "ds-1"
    assert CONTENT[:size] in service.kept
    assert gate.waits >= 4
    assert counted[-1][0] == size
    assert {thread for _, thread in counted} == {threading.get_ident()}


async def test_async_download_does_not_block_the_event_loop(
    connection: Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gate: Gate
) -> None:
    finish = Partial.finish
    monkeypatch.setattr(Partial, "finish", lambda self: gate.wait() or finish(self))
    monkeypatch.setattr("simulacra.tables.read", lambda path: gate.wait() or path.stat().st_size)
    async with AsyncClient(connection, timeout=20) as client:
        assert await client.download("gen-1", tmp_path / "rows.csv", "csv") == len(CONTENT)
        assert await client.table("gen-1") == len(CONTENT)
    assert gate.waits == 3


async def test_agent_continues_a_broken_upload(
    service: type[Service], connection: Connection, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "AWAY_SECONDS", -1)
    async with AsyncClient(connection, timeout=10) as client:
        tools = Tools(client, file.parent)
        faults: list[Fault] = [
            lambda one: one.hang_up(),
            lambda one: one.refuse(503, "simio_unavailable"),
        ]
        for fault in faults:
            service.faults = [None, fault]
            with pytest.raises(
                ToolError, match=r"upload the same with key='\w+' to continue"
            ) as failure:
                await tools.upload("table.csv")
        key = re.findall("key='(.*)'", str(failure.value))[0]
        assert service.keys == [key] * 2
        done = await Tools(client, file.parent).upload("table.csv", key=key)
        assert done["dataset_id"] == "ds-1"
        sent = [offset // PIECE for offset, _ in service.pieces]
        assert sent == [0, 1, 1, 2, 2, 3]
        assert service.kept == CONTENT
        service.kept.clear()
        service.faults = [lambda one: one.refuse(400, "simio_upload_invalid")]
        with pytest.raises(ToolError, match="simio_upload_invalid"):
            await tools.upload("table.csv")  # with the stored key
        service.kept.clear()
        await tools.upload("table.csv")
        await tools.upload("table.csv", weights="w")
    assert service.keys[3] == key
    assert len(set(service.keys)) == 3, "a refused upload, or one with other options, is a new one"


async def test_agent_call_ends_in_time_and_the_next_one_continues(
    service: type[Service], connection: Connection, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with AsyncClient(connection, timeout=10) as client:
        tools = Tools(client, file.parent)
        with monkeypatch.context() as hurry:
            hurry.setattr("simulacra.mcp_tools.schemas.WAIT_SECONDS", 0)
            answer = await tools.upload("table.csv")
            assert (answer["status"], answer["bytes"]) == ("uploading", len(CONTENT))
        assert (await tools.upload("table.csv"))["dataset_id"] == "ds-1"
    assert service.keys[-1] == answer["key"]
    assert service.kept == CONTENT


def test_download_is_counted(client: Client, tmp_path: Path) -> None:
    counted: list[tuple[int, int | None]] = []
    client.download(
        "gen-1", tmp_path / "rows.csv", "csv", on_bytes=lambda *so_far: counted.append(so_far)
    )
    assert counted[-1] == (len(CONTENT), len(CONTENT))


@pytest.fixture
def command(connection: Connection, tmp_path: Path) -> list[str]:
    """The first words of a command for the service; it sends pieces of 64 KiB."""
    known = {"api_url": connection.api_url, "token_url": connection.token_url}
    known |= {"client_id": "id", "client_secret": "secret"}
    (tmp_path / "connection.json").write_text(json.dumps(known))
    (tmp_path / "small.py").write_text(
        "import sys\nfrom simulacra.operations import uploads\nfrom simulacra.cli import app\n"
        f"uploads.PIECE_BYTES = {PIECE}\nuploads.AWAY_SECONDS = 1\n"
        "sys.argv[0] = 'simulacra'\napp()\n"
    )
    return [sys.executable, str(tmp_path / "small.py")]


def _on_terminal(words: list[str], folder: Path) -> str:
    """Return what a command shows on a terminal."""
    ours, theirs = pty.openpty()
    env = os.environ | {"SIMULACRA_CONNECTION": str(folder / "connection.json")}
    env |= {"TERM": "xterm", "COLUMNS": "120"}
    shown = bytearray()
    with subprocess.Popen(words, stdout=theirs, stderr=theirs, env=env) as process:
        os.close(theirs)
        while chunk := _read(ours):
            shown += chunk
        assert process.wait(60) == 0, shown
    os.close(ours)
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode())


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4096)
    except OSError:  # the other side has closed
        return b""


def test_terminal_shows_bars_and_json_does_not(
    command: list[str], file: Path, tmp_path: Path
) -> None:
    sent = _on_terminal([*command, "upload", str(file), "--no-wait"], tmp_path)
    assert "uploading" in sent
    assert "100 %" in sent
    assert re.search(r"256\.0/256\.0\s+kB", sent)
    download = [*command, "download", f"gen-{'1' * 24}", str(tmp_path / "rows.csv")]
    received = _on_terminal(download, tmp_path)
    assert "downloading" in received
    assert "100 %" in received
    plain = _on_terminal([*download, "--json"], tmp_path)
    assert json.loads(plain) == {"bytes": len(CONTENT)}


def test_interrupted_upload_prints_the_key_and_continues_with_it(
    service: type[Service], command: list[str], file: Path, tmp_path: Path
) -> None:
    reached, over = threading.Event(), threading.Event()

    def never_answer(one: Service) -> bool:
        reached.set()
        over.wait(60)
        return one.hang_up()

    service.faults = [None, None, never_answer]
    env = os.environ | {"SIMULACRA_CONNECTION": str(tmp_path / "connection.json")}
    words = [*command, "upload", str(file), "--no-wait"]
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env
    ) as process:
        assert reached.wait(60)
        process.send_signal(signal.SIGINT)
        out, errors = process.communicate(timeout=60)
    over.set()
    assert (process.returncode, out) == (130, "")
    assert len(errors.splitlines()) == 2, errors  # no bar without a terminal
    key = re.search(r"run the same command with (--key \w+)", errors)
    assert key is not None
    service.pieces.clear()
    done = subprocess.run(
        [*words, *key.group(1).split()], capture_output=True, text=True, env=env, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert json.loads(done.stdout)["dataset_id"] == "ds-1"
    assert service.pieces[0][0] == 2 * PIECE
    assert service.kept == CONTENT


def test_failed_upload_prints_the_key_unless_it_was_refused(
    service: type[Service], command: list[str], file: Path, tmp_path: Path
) -> None:
    service.faults = [None] + [lambda one: one.refuse(503, "simio_unavailable")] * 100
    env = os.environ | {"SIMULACRA_CONNECTION": str(tmp_path / "connection.json")}
    words = [*command, "upload", str(file), "--no-wait"]
    gave_up = subprocess.run(words, capture_output=True, text=True, env=env, timeout=60)
    assert gave_up.returncode == 1
    assert "simio_unavailable" in gave_up.stderr
    assert f"--key {service.keys[0]}" in gave_up.stderr
    service.faults = [lambda one: one.refuse(400, "simio_upload_invalid")]
    refused = subprocess.run(words, capture_output=True, text=True, env=env, timeout=60)
    assert refused.returncode == 1
    assert "--key" not in refused.stderr
