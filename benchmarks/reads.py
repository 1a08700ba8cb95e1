"""What the record of reads costs a GET of a schema, with and without it in the same run.

``python benchmarks/reads.py [--requests 1500]`` starts a `simulacra up`, uploads the survey, and
starts three more of its API on the same stores: one whose reads are not recorded, one as it is, and
one that records each read at once, however soon after another. One client asks them in turn, so
that they share the load of the machine. Writes benchmarks/results/reads.md.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from api import Connection

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))
from installation import SURVEY, Installation, own_environment, served
from simulacra import Client
from simulacra_custody.wiring import AUDIT_VARIABLE, KEYS_VARIABLE, STORE_VARIABLE

RESULT = Path(__file__).parent / "results" / "reads.md"
SERVE = "from simulacra_api.__main__ import main; main(['--port', '0'])"
VARIANTS = {
    "not recorded": "from simulacra_api.tenancy.reads import ReadRecords\n"
    "async def no(*_): pass\n"
    "ReadRecords.record = no\n",
    "recorded, repeats of a minute counted": "",
    "each recorded at once": "from simulacra_api.tenancy import reads\nreads.BURST_SECONDS = 0.0\n",
}


def environment(installation: Installation) -> dict[str, str]:
    """Return an environment like that of the installation's API, whose tokens the others take."""
    root, known = installation.data_dir, installation.connection
    return own_environment() | {
        "KUBECONFIG": known["kubeconfig"],
        "SIMULACRA_PUBLIC_URL": known["api_url"],
        STORE_VARIABLE: f"file://{root}/objects",
        KEYS_VARIABLE: f"local://{root}/keyring.json",
        AUDIT_VARIABLE: f"file://{root}/audit",
    }


async def measure(urls: list[str], path: str, headers: dict[str, str], n: int) -> list[list[float]]:
    """Return the milliseconds of n requests to each server, sent in turn."""
    connections = [Connection(url) for url in urls]
    times: list[list[float]] = [[] for _ in urls]
    for turn in range(n + 1):
        for at, (url, connection) in enumerate(zip(urls, connections, strict=True)):
            began = time.perf_counter()
            status, _ = await connection.send("GET", url + path, headers)
            assert status == 200, status
            if turn:  # the first one waits for imports and connections
                times[at].append((time.perf_counter() - began) * 1000)
    return times


def run(installation: Installation, client: Client, requests: int) -> list[str]:
    """Measure and return the lines of the table."""
    dataset = client.upload(SURVEY)
    client.wait(dataset["job_id"], timeout=300)
    token = client._http.get("/v1/datasets").request.headers["Authorization"]
    env, path = environment(installation), f"/v1/datasets/{dataset['dataset_id']}/schema"
    with ExitStack() as stack:
        commands = [[sys.executable, "-c", change + SERVE] for change in VARIANTS.values()]
        urls = [stack.enter_context(served(command, env)) for command in commands]
        times = asyncio.run(measure(urls, path, {"Authorization": token}, requests))
    lines, base = [], statistics.median(times[0])
    for name, of in zip(VARIANTS, times, strict=True):
        p50, p99 = statistics.median(of), sorted(of)[int(0.99 * len(of))]
        mean = statistics.fmean(of)
        lines.append(f"| {name} | {p50:.2f} | {mean:.2f} | {p99:.2f} | {p50 / base:.3f} |")
    return lines


def main() -> None:
    """Start the product, measure, write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=1500, help="requests to each server")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        installation = Installation(Path(name) / "data")
        with installation.serving() as client:
            load = os.getloadavg()[0]
            lines = run(installation, client, args.requests)
    head = [
        "# The record of reads",
        "",
        (
            f"`python benchmarks/reads.py --requests {args.requests}`, {datetime.now(UTC):%F}, "
            f"{os.cpu_count()} cores ({platform.machine()}), load average before: {load:.1f}."
            " Audit log in a folder on disk, flushed for each record. One client, servers in turn."
        ),
        "",
        "| GET of a schema | p50 ms | mean ms | p99 ms | p50 beside the first |",
        "|---|---|---|---|---|",
    ]
    RESULT.write_text("\n".join([*head, *lines]) + "\n")
    print(RESULT.read_text())


if __name__ == "__main__":
    main()
