"""The REST API beside a bare FastAPI route and a bare file response, in the same run.

``python benchmarks/api.py [--seconds 4]`` starts a `simulacra up`, uploads a table, generates rows,
and measures at 1, 16 and 64 clients: the token check, GET dataset, POST generation (p50, p99 in ms,
requests a second) and download (MB/s). The bare application runs under the same server in its own
process. Requests to the two alternate and never overlap. Clients are coroutines of one process over
keep-alive connections that parse as little of a response as possible, so that their own cost, which
is the same in all figures, is small. Writes benchmarks/results/api.md.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import httpx2

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))
from installation import Installation

RESULT = Path(__file__).parent / "results" / "api.md"
CLIENTS = (1, 16, 64)
DOWNLOAD_ROWS, COLUMNS = 500_000, 12
UPLOAD_MIB = 1024
BARE = """
import socket, sys
import uvicorn
from fastapi import FastAPI
from fastapi.responses import FileResponse
app = FastAPI()
@app.get("/thing")
async def thing() -> dict[str, str]:
    return {"status": "ok"}
@app.get("/file")
async def file() -> FileResponse:
    return FileResponse(sys.argv[1])
s = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
s.bind(("127.0.0.1", 0))
s.listen(128)
print(f"http://127.0.0.1:{s.getsockname()[1]}", flush=True)
uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False)).run(sockets=[s])
"""


class Connection:
    """A keep-alive connection that sends one request at a time and counts response bytes."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname, parts.port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def send(
        self, method: str, url: str, headers: dict[str, str], body: bytes = b""
    ) -> tuple[int, int]:
        """Return status and body bytes of the answer."""
        # The server closes a connection that was idle for too long.
        if self._streams is None or self._streams[0].at_eof():
            self._streams = await asyncio.open_connection(self._host, self._port, limit=1 << 20)
        reader, writer = self._streams
        parts = urlsplit(url)
        target = f"{parts.path}?{parts.query}" if parts.query else parts.path
        lines = [
            f"{method} {target} HTTP/1.1",
            f"Host: {parts.netloc}",
            f"Content-Length: {len(body)}",
        ]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        writer.write("\r\n".join([*lines, "", ""]).encode() + body)
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        status = int(head.split(" ", 2)[1])
        if "transfer-encoding: chunked" in head:
            return status, await _chunked(reader)
        length = int(head.partition("content-length: ")[2].partition("\r")[0])
        left = length
        while left:
            left -= len(await reader.read(min(left, 1 << 20)))
        return status, length


async def _chunked(reader: asyncio.StreamReader) -> int:
    total = 0
    while size := int(await reader.readline(), 16):
        await reader.readexactly(size + 2)
        total += size
    await reader.readline()
    return total


Call = Callable[[Connection], Awaitable[int]]
"""Sends one request and returns the response bytes; fails on an unexpected status."""


@dataclass(frozen=True)
class Figures:
    """Latency in milliseconds, requests and megabytes a second."""

    p50: float
    p99: float
    rate: float
    mb: float


async def measure(call: Call, base: str, clients: int, seconds: float) -> Figures:
    """Run this many clients for this long; the first call of each does not count."""
    times: list[float] = []
    taken = 0
    connections = [Connection(base) for _ in range(clients)]
    await asyncio.gather(*(call(connection) for connection in connections))
    began = time.perf_counter()

    async def one(connection: Connection) -> None:
        nonlocal taken
        while time.perf_counter() - began < seconds:
            start = time.perf_counter()
            taken += await call(connection)
            times.append((time.perf_counter() - start) * 1000)

    await asyncio.gather(*(one(connection) for connection in connections))
    elapsed = time.perf_counter() - began
    ordered = sorted(times)
    p99 = ordered[min(int(0.99 * len(ordered)), len(ordered) - 1)]
    return Figures(statistics.median(ordered), p99, len(times) / elapsed, taken / elapsed / 1e6)


def getter(url: str, headers: dict[str, str], expected: int = 200) -> Call:
    """Return a call that sends a GET."""

    async def call(connection: Connection) -> int:
        status, size = await connection.send("GET", url, headers)
        assert status == expected, status
        return size

    return call


def poster(url: str, headers: dict[str, str]) -> Call:
    """Return a call that POSTs a generation under a new key; a full quota counts as a response."""

    async def call(connection: Connection) -> int:
        own = headers | {"Idempotency-Key": uuid.uuid4().hex, "Content-Type": "application/json"}
        status, size = await connection.send("POST", url, own, b'{"row_count": 1}')
        assert status in (202, 429), status
        return size

    return call


@contextmanager
def bare(file: Path) -> Iterator[str]:
    """Serve the bare application."""
    process = subprocess.Popen(
        [sys.executable, "-c", BARE, str(file)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait()


def row(
    name: str, clients: int, figures: Figures, beside: Figures | None, *, rate: str = "rate"
) -> str:
    """Return a line of the table."""
    value = getattr(figures, rate)
    ratio = "" if beside is None else f"{figures.p50 / beside.p50:.1f}"
    return f"| {name} | {clients} | {figures.p50:.1f} | {figures.p99:.1f} | {value:.0f} | {ratio} |"


def table(folder: Path) -> Path:
    """Write a table of numbers, because its generated rows make a large file."""
    rng, file = random.Random(1), folder / "numbers.csv"
    lines = [",".join(f"n{i}" for i in range(COLUMNS))]
    lines += [",".join(f"{rng.gauss(0, 1):.9f}" for _ in range(COLUMNS)) for _ in range(1000)]
    file.write_text("\n".join(lines))
    return file


def resident(pid: int, field: str = "VmRSS") -> float:
    """Return the resident MiB of a process, or its peak with VmHWM."""
    lines = dict(
        line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines()
    )
    return int(lines[field].split()[0]) / 1024


def large_upload(installation: Installation, headers: dict[str, str]) -> str:
    """Upload a GiB and return the API's memory growth; delete the dataset."""
    api = installation.pid("api")
    patch = '{"spec": {"quotas": {"maxUploadBytes": 2147483648}}}'
    installation.kubectl("patch", "tenants", "default", "--type", "merge", "-p", patch)
    # The API's list of tenants is at most 3 s old.
    time.sleep(4)
    rows, boundary = (b"1234567,some words here,2.5\n" * 37_450)[: 1 << 20], "frontier"

    def body() -> Iterator[bytes]:
        yield (
            f'--{boundary}\r\nContent-Disposition: form-data; name="file";'
            ' filename="t.csv"\r\n\r\na,b,c\n'.encode()
        )
        for _ in range(UPLOAD_MIB):
            yield rows
        yield f"\r\n--{boundary}--\r\n".encode()

    own = headers | {
        "Content-Type": f"multipart/form-data; boundary={boundary}",
        "Idempotency-Key": uuid.uuid4().hex,
    }
    Path(f"/proc/{api}/clear_refs").write_text("5")  # resets the peak
    before, began = resident(api), time.perf_counter()
    answer = httpx2.post(
        f"{installation.connection['api_url']}/v1/datasets",
        content=body(),
        headers=own,
        timeout=300,
    )
    seconds, grown = time.perf_counter() - began, resident(api, "VmHWM") - before
    assert answer.status_code == 202, answer.text
    with installation.client() as client:
        client.delete_dataset(answer.json()["dataset_id"])
    rate = answer.json()["bytes"] / seconds / 1e6
    memory = f"the API's peak RSS grew by {grown:.0f} MiB from {before:.0f} MiB"
    return f"Upload of {UPLOAD_MIB} MiB: {rate:.0f} MB/s; {memory}."


async def run(installation: Installation, folder: Path, seconds: float) -> list[str]:
    """Measure everything and return the lines of the table."""
    with installation.client() as client:
        dataset = client.upload(table(folder))
        client.wait(dataset["job_id"], timeout=180)
        asked = client.generate(dataset["dataset_id"], DOWNLOAD_ROWS)
        client.wait(asked["job_id"], timeout=300)
        file = folder / "rows.parquet"
        client.download(asked["generation_id"], file)
        link = str(client.generation(asked["generation_id"])["artifact_url"])
        probes = [client.probe(dataset["dataset_id"], 20)["seconds"] for _ in range(3)]
        token = client._http.get("/v1/datasets").request.headers["Authorization"]
    headers, base = {"Authorization": token}, installation.connection["api_url"]
    thing = f"{base}/v1/datasets/{dataset['dataset_id']}"
    lines = []
    with bare(file) as other:
        for clients in CLIENTS:
            route = await measure(getter(f"{other}/thing", {}), other, clients, seconds)
            lines.append(row("bare FastAPI route", clients, route, None))
            # A malformed id costs the token check and nothing of the control plane.
            checked = await measure(
                getter(f"{base}/v1/jobs/x", headers, 404), base, clients, seconds
            )
            lines.append(row("token check (GET of no id, 404)", clients, checked, route))
            got = await measure(getter(thing, headers), base, clients, seconds)
            lines.append(row("GET dataset", clients, got, route))
            plain = await measure(getter(f"{other}/file", {}), other, clients, seconds)
            lines.append(row("bare file response, MB/s", clients, plain, None, rate="mb"))
            served = await measure(getter(link, headers), base, clients, seconds)
            lines.append(row("download, decrypted, MB/s", clients, served, plain, rate="mb"))
        # Generate before the POSTs use up the quota.
        memory = await asyncio.to_thread(large_upload, installation, headers)
        for clients in CLIENTS:
            posted = await measure(
                poster(f"{thing}/generations", headers), base, clients, min(seconds, 2.0)
            )
            lines.append(
                row("POST generation (202, then 429 at the tenant's limit)", clients, posted, None)
            )
    lines += [
        "",
        f"Probe of 20 rows, three in turn: {', '.join(f'{one:.2f} s' for one in probes)}.",
    ]
    lines.append(memory)
    lines.append(f"Downloaded file: {file.stat().st_size / 1e6:.1f} MB.")
    return lines


def main() -> None:
    """Start the product, measure, write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=4.0, help="duration of each measurement")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        installation = Installation(Path(name) / "data")
        with installation.serving():
            load = os.getloadavg()[0]
            lines = asyncio.run(run(installation, Path(name), args.seconds))
    head = [
        "# The REST API beside bare routes",
        "",
        (
            f"`python benchmarks/api.py --seconds {args.seconds:g}`,"
            f" {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {os.cpu_count()} cores"
            f" ({platform.machine()}), Python {platform.python_version()}; load average before:"
            f" {load:.1f}. Server, clients and control plane share the cores."
        ),
        "",
        "| what | clients | p50 ms | p99 ms | requests/s or MB/s | p50 beside the bare one |",
        "|---|---|---|---|---|---|",
    ]
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text("\n".join([*head, *lines]) + "\n")
    print(RESULT.read_text())


if __name__ == "__main__":
    main()
