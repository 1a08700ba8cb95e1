"""The program: ready line, two processes on one control plane, settings, memory of an upload."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import httpx2
import pytest

from simulacra_api import __main__ as program
from simulacra_api.settings import Settings
from simulacra_crds.kube.client import DATASETS
from simulacra_crds.names import dataset_name
from simulacra_custody.refs import ResourceRef

BOUNDARY = "frontier"
HEAD = (
    f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="t.csv"\r\n\r\n'
).encode()
TAIL = f"\r\n--{BOUNDARY}--\r\n".encode()


@contextmanager
def _process(world: Any, log: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    env = os.environ | {"KUBECONFIG": str(world.kubeconfig), "SIMULACRA_PUBLIC_URL": world.url}
    command = [sys.executable, "-W", "ignore", "-m", "simulacra_api", "--port", "0"]
    with (
        log.open("wb") as err,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=err, env=env) as process,
    ):
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())["url"], process
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) in (0, -signal.SIGTERM, -signal.SIGKILL)


def _resident_mib(pid: int) -> float:
    fields = dict(
        line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines()
    )
    return int(fields["VmHWM"].split()[0]) / 1024


async def test_large_upload_needs_little_memory_and_shows_in_both_processes(
    world: Any, key: str, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    chunk = b"loyal,5.49\n" * 10_000
    chunks = 2000  # 220 MB

    async def body() -> AsyncIterator[bytes]:
        yield HEAD + b"segment,price\n"
        for _ in range(chunks):
            yield chunk
        yield TAIL

    headers = {
        "Authorization": f"Bearer {await world.token('acme')}",
        "Content-Type": f"multipart/form-data; boundary={BOUNDARY}",
        "Idempotency-Key": key,
    }
    with _process(world, log) as (url, process):
        assert url != world.url
        async with httpx2.AsyncClient(base_url=url, headers=headers, timeout=120) as other:
            small = {"file": ("t.csv", b"a,b\n1,2\n")}
            plain = {name: value for name, value in headers.items() if name == "Authorization"}
            async with httpx2.AsyncClient(base_url=url, headers=plain, timeout=60) as warm:
                answer = await warm.post(
                    "/v1/datasets", files=small, headers={"Idempotency-Key": key + "-small"}
                )
                assert answer.status_code == 202, answer.text
            before = _resident_mib(process.pid)
            answer = await other.post("/v1/datasets", content=body())
            assert answer.status_code == 202, answer.text
            assert answer.json()["bytes"] == len(b"segment,price\n") + chunks * len(chunk)
            assert _resident_mib(process.pid) - before < 100
            secret_query = "?price=genz_switcher"
            assert (
                await other.get(f"/v1/jobs/{answer.json()['job_id']}{secret_query}")
            ).status_code == 200
    dataset = answer.json()["dataset_id"]
    async with world.client() as here:  # processes share all state
        assert (await here.get(f"/v1/datasets/{dataset}")).json()["sha256"] == answer.json()[
            "sha256"
        ]
    assert (await world.cluster.get(DATASETS, dataset, "tenant-acme"))["spec"]["source"][
        "bytes"
    ] > 200_000_000
    text = log.read_text()
    assert '"route": "/v1/jobs/{job_id}"' in text
    assert "genz_switcher" not in text
    assert "Bearer" not in text


async def test_upload_of_a_killed_process_is_taken_over(
    world: Any, key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = b"segment,price\n" + b"loyal,5.49\n" * 300_000
    name = dataset_name("acme", key)
    headers = {"Authorization": f"Bearer {await world.token('acme')}", "Idempotency-Key": key}
    form = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    with _process(world, tmp_path / "log") as (url, process):

        async def half() -> AsyncIterator[bytes]:
            yield HEAD + content[: len(content) // 2]
            while not await _streaming(world, name):
                await asyncio.sleep(0.05)
            process.kill()
            yield content[len(content) // 2 :] + TAIL

        async with httpx2.AsyncClient(timeout=30) as http:
            with pytest.raises(httpx2.TransportError):
                await http.post(f"{url}/v1/datasets", content=half(), headers=headers | form)
    uid = (await world.cluster.get(DATASETS, name, "tenant-acme"))["metadata"]["uid"]
    async with httpx2.AsyncClient(base_url=world.url, headers=headers, timeout=30) as http:
        early = await http.post("/v1/datasets", files={"file": ("t.csv", content)})
        assert (early.status_code, early.json()["code"]) == (409, "simio_idempotency_in_flight")
        # Let time pass for the process that takes over.
        monkeypatch.setattr("simulacra_api.uploads.upload_lease.LEASE_SECONDS", 3.0)
        await asyncio.sleep(3.1)
        again = await http.post("/v1/datasets", files={"file": ("t.csv", content)})
    assert again.status_code == 202, again.text
    found = await world.cluster.get(DATASETS, name, "tenant-acme")
    assert found["metadata"]["uid"] == uid
    ref = ResourceRef("acme", "datasets", uid).artifact("upload")
    assert b"".join(world.custody.read(ref, found["status"]["wrappedKey"])) == content


async def _streaming(world: Any, name: str) -> bool:
    found = await world.cluster.find(DATASETS, name, "tenant-acme")
    prefix = f"tenants/acme/datasets/{found['metadata']['uid']}/" if found else "tenants/none/"
    return bool(list(world.custody.store.list_incomplete(prefix)))


@pytest.mark.parametrize(
    "env",
    [
        {"SIMULACRA_MAX_UPLOAD_BYTES": "1 GiB"},
        {"SIMULACRA_MAX_UPLOAD_BYTES": "0"},
        {"SIMULACRA_PUBLIC_URL": "api.example"},
        {"SIMULACRA_OIDC_ISSUER": "tenant.eu.auth0.com"},
        {"SIMULACRA_WEBHOOK_ALLOW_PRIVATE": "yes"},
    ],
)
def test_malformed_setting_is_named(env: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=next(iter(env))):
        Settings.from_env("http://127.0.0.1:1", env)


def test_program_exits_with_one_line_about_a_bad_setting() -> None:
    env = os.environ | {"SIMULACRA_STORE": "here"}
    command = [sys.executable, "-W", "ignore", "-m", "simulacra_api", "--port", "0"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "SIMULACRA_STORE" in done.stderr


@pytest.mark.parametrize(
    ("name", "value"), [("SIMULACRA_MAX_UPLOAD_BYTES", "1 GiB"), ("SIMULACRA_AUDIT_DAYS", "29")]
)
def test_settings_of_api_and_audit_are_named_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    monkeypatch.setattr(program.log, "to_stderr", lambda: None)
    monkeypatch.setattr(program, "forbid_core_dumps", _left_to_real_programs)
    assert program.main(["--port", "0"]) == 2
    said = capsys.readouterr().err
    assert len(said.splitlines()) == 1
    assert name in said


async def test_custody_and_audit_are_opened_once(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    for name in ("wiring.open_keys", "wiring.open_store"):
        module, _, function = name.rpartition(".")
        real = getattr(import_module(f"simulacra_custody.{module}"), function)
        count = partial(_counted, opened, name, real)
        monkeypatch.setattr(f"simulacra_custody.{name}", count)

    async def serve(server: Any, sockets: Any) -> None:
        async with server.config.app.router.lifespan_context(server.config.app):
            server.started = True

    monkeypatch.setattr(program._Server, "serve", serve)
    monkeypatch.setattr(program.log, "to_stderr", lambda: None)
    monkeypatch.setattr(program, "forbid_core_dumps", _left_to_real_programs)
    monkeypatch.setenv("KUBECONFIG", str(world.kubeconfig))
    assert await asyncio.to_thread(program.main, ["--port", "0"]) == 0
    # Custody has a store and keys, the audit log a store.
    assert sorted(opened) == ["wiring.open_keys", "wiring.open_store", "wiring.open_store"]


def _left_to_real_programs() -> None:
    """Forbid nothing: it would hold for later tests, and their children inherit the limit."""


def _counted(opened: list[str], name: str, real: Any, *arguments: Any) -> Any:
    opened.append(name)
    return real(*arguments)


def test_settings_come_from_the_environment() -> None:
    env = {
        "SIMULACRA_PUBLIC_URL": "https://api.example/",
        "SIMULACRA_AUDIENCE": "x",
        "SIMULACRA_OIDC_ISSUER": "https://i",
    }
    settings = Settings.from_env("http://127.0.0.1:1", env)
    assert (settings.public_url, settings.audience, settings.oidc_issuer) == (
        "https://api.example",
        "x",
        "https://i",
    )
    assert Settings.from_env("http://127.0.0.1:1", {}).public_url == "http://127.0.0.1:1"
