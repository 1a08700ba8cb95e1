"""`simulacra up` as a process: start, errors, crashes, restarts, stop."""

from __future__ import annotations

import base64
import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from installation import eventually, own_environment
from simulacra_crds.kube.client import CRDS, SECRETS, TENANTS, Cluster
from simulacra_crds.names import clients_namespace, system_namespace

pytestmark = [pytest.mark.embedded, pytest.mark.slow]
COMMAND = [sys.executable, "-m", "simulacra_embedded.up", "--data-dir"]
PROGRAMS = ("controlplane", "jobs", "node", "operator", "api")


class Up:
    """A running `up` over one data directory."""

    def __init__(self, path: Path, **env: str) -> None:
        self.path = path
        with (path.parent / "up.err").open("ab") as err:
            self.process = subprocess.Popen(
                [*COMMAND, str(path)],
                env=own_environment() | env,
                stdout=subprocess.PIPE,
                stderr=err,
            )
        assert self.process.stdout
        line = self.process.stdout.readline()
        assert line, (path.parent / "up.err").read_text()
        self.ready: dict[str, Any] = json.loads(line)

    @property
    def connection(self) -> dict[str, str]:
        values: dict[str, str] = json.loads(Path(self.ready["connection"]).read_text())
        return values

    def pid(self, program: str) -> int:
        return int(json.loads((self.path / "run" / f"{program}.json").read_text())["pid"])

    def token(self) -> str:
        known = self.connection
        names = ("client_id", "client_secret", "audience")
        body = {"grant_type": "client_credentials"} | {name: known[name] for name in names}
        answer = httpx2.post(known["token_url"], json=body, timeout=10)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])

    def end(self, signum: int) -> int:
        self.process.send_signal(signum)
        code = self.process.wait(60)
        assert self.process.stdout
        self.process.stdout.close()
        return code


def lives(pid: int) -> bool:
    stat_file = Path(f"/proc/{pid}/stat")
    return stat_file.exists() and stat_file.read_text().rpartition(")")[2].split()[0] != "Z"


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def works(one: Up) -> bool:
    try:
        return bool(one.token())
    except (httpx2.TransportError, AssertionError):
        return False


def compilers(up: int) -> list[int]:
    """Return the processes below `up` that compile the engine ahead."""
    children = Path(f"/proc/{up}/task/{up}/children").read_text().split()
    commands = {int(pid): Path(f"/proc/{pid}/cmdline").read_bytes() for pid in children}
    return [pid for pid, command in commands.items() if b"compile_ahead" in command]


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Callable[[], Up]]:
    started: list[Up] = []

    def start(**env: str) -> Up:
        started.append(Up(tmp_path / "data", **env))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.end(signal.SIGTERM)


async def test_up_starts_everything_and_stops_it(up: Callable[..., Up], tmp_path: Path) -> None:
    one = up(XDG_CACHE_HOME=str(tmp_path / "cache"))
    assert one.ready["pid"] == one.process.pid
    assert one.ready["api_url"] == one.connection["api_url"]
    assert stat.S_IMODE(Path(one.ready["connection"]).stat().st_mode) == 0o600
    assert one.token()
    cluster = await Cluster.connect(one.ready["kubeconfig"])
    assert len([crd async for crd in cluster.list(CRDS)]) == 8
    secret = one.connection["client_secret"]
    stored = await cluster.get(
        SECRETS, f"client-{one.connection['client_id']}", clients_namespace()
    )
    assert [one["name"] for one in stored["metadata"]["ownerReferences"]] == ["default"]
    (entry,) = json.loads(base64.b64decode(stored["data"]["hashes"]))
    assert entry["hash"].startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    paths = [path for path in one.path.rglob("*") if path.is_file() and path.suffix != ".json"]
    written = b"".join(path.read_bytes() for path in paths)
    assert secret.encode() not in written  # only connection.json has it
    eventually(lambda: bool(compilers(one.process.pid)))
    pids = [one.pid(name) for name in PROGRAMS] + compilers(one.process.pid)
    assert one.end(signal.SIGTERM) == 0
    assert not any(lives(pid) for pid in pids)


def test_second_up_is_refused(up: Callable[[], Up]) -> None:
    one = up()
    second = subprocess.run([*COMMAND, str(one.path)], capture_output=True, text=True, timeout=120)
    assert second.returncode == 2
    assert f"in use by another `simulacra up` (pid {one.process.pid})" in second.stderr
    assert "Traceback" not in second.stderr


def test_killed_supervisor_leaves_no_process_and_loses_no_data(up: Callable[[], Up]) -> None:
    one = up()
    before, credentials = one.ready, one.connection
    pids = [one.pid(name) for name in PROGRAMS]
    one.end(signal.SIGKILL)
    eventually(lambda: not any(lives(pid) for pid in pids))
    two = up()
    assert two.connection == credentials
    assert two.ready["api_url"] == before["api_url"]
    assert two.token()


@pytest.mark.parametrize("program", PROGRAMS)
def test_killed_program_is_restarted(up: Callable[[], Up], program: str) -> None:
    one = up()
    pid = one.pid(program)
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: one.pid(program) != pid and lives(one.pid(program)))
    eventually(lambda: works(one))


def test_programs_are_restarted_after_the_process_that_forks_them(up: Callable[[], Up]) -> None:
    one = up()
    pids = [one.pid(program) for program in PROGRAMS]
    (server,) = {parent(pid) for pid in pids}
    assert parent(server) == one.process.pid
    assert [os.getsid(pid) for pid in pids] == pids
    threads = [path for path in Path(f"/proc/{server}/task").iterdir() if path.name != str(server)]
    names = {(path / "comm").read_text().strip() for path in threads}
    assert names <= {"jemalloc_bg_thd"}  # Arrow's, which is made for forks
    os.kill(server, signal.SIGKILL)
    eventually(lambda: all(one.pid(name) not in pids and lives(one.pid(name)) for name in PROGRAMS))
    eventually(lambda: works(one))


async def crd_versions(cluster: Cluster) -> dict[str, str]:
    metadata = [crd["metadata"] async for crd in cluster.list(CRDS)]
    return {one["name"]: one["resourceVersion"] for one in metadata}


async def test_lost_credentials_are_replaced(up: Callable[[], Up]) -> None:
    one = up()
    first = one.connection["client_id"]
    cluster = await Cluster.connect(one.ready["kubeconfig"])
    versions = await crd_versions(cluster)
    one.end(signal.SIGTERM)
    Path(one.ready["connection"]).unlink()
    two = up()
    assert two.connection["client_id"] != first
    assert two.token()
    cluster = await Cluster.connect(two.ready["kubeconfig"])
    tenant = await cluster.get(TENANTS, "default")
    assert tenant["spec"]["clients"] == [first, two.connection["client_id"]]
    assert await crd_versions(cluster) == versions  # unchanged CRDs are not written


async def test_client_of_the_former_release_keeps_its_secret(up: Callable[[], Up]) -> None:
    one = up()
    name = f"client-{one.connection['client_id']}"
    token = one.token()
    cluster = await Cluster.connect(one.ready["kubeconfig"])
    for kept in (name, "oauth-signing-keys"):  # until 0.2.0 they were in the system namespace
        body = await cluster.get(SECRETS, kept, clients_namespace())
        head = {"metadata": {"name": kept}, "data": body["data"], "type": body["type"]}
        await cluster.create(SECRETS, head, system_namespace())
        await cluster.delete(SECRETS, kept, clients_namespace())
    assert one.end(signal.SIGTERM) == 0
    await cluster.close()
    again = up()
    assert again.token()
    bearer = {"Authorization": f"Bearer {token}"}
    assert httpx2.get(f"{again.ready['api_url']}/v1/usage", headers=bearer).status_code == 200
    assert again.end(signal.SIGTERM) == 0


def test_invalid_port_is_refused(tmp_path: Path) -> None:
    done = subprocess.run(
        [*COMMAND, str(tmp_path), "--port", "99999"], capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 2
    assert "--port" in done.stderr
    assert "Traceback" not in done.stderr
