"""Names under which the API answers, and who reads its metrics."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
from dataclasses import replace

import httpx2
import pytest

from api_world import World
from simulacra_api.__main__ import listen
from simulacra_api.settings import Settings

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.embedded,
    pytest.mark.usefixtures("own_environment"),
]


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1", 200),
        ("localhost:80", 200),
        ("[::1]:8080", 200),
        ("LOCALHOST.", 200),
        ("api.example.com", 200),
        ("eu.apis.example.com", 200),
        ("apis.example.com", 400),
        ("evil.example", 400),
        ("127.0.0.1.evil.example", 400),
        ("localhost@evil.example", 400),
        ("evil.example/localhost", 400),
        ("[::1].evil.example", 400),
        ("", 400),
    ],
)
async def test_api_answers_under_its_own_names_only(world: World, host: str, status: int) -> None:
    hosts = ("api.example.com", "*.apis.example.com")
    listener = listen("127.0.0.1", 0)
    port = listener.getsockname()[1]
    public = replace(world.settings, public_url="https://api.example.org", hosts=hosts)
    client = httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}")
    async with world.serve(public, listener), client as http:
        for path in ("/errors", "/console", "/.well-known/jwks.json"):
            answer = await http.get(path, headers={"Host": host})
            assert answer.status_code == status
        assert (await http.get("/healthz", headers={"Host": host})).status_code == 200
        own = await http.get("/errors", headers={"Host": "api.example.org"})
        assert own.status_code == 200


async def test_metrics_are_for_this_machine_only(world: World) -> None:
    async with httpx2.AsyncClient(base_url=world.url) as http:
        assert (await http.get("/metrics")).status_code == 200
        far = {"X-Forwarded-For": "198.51.100.7"}
        assert (await http.get("/metrics", headers=far)).status_code == 404


async def test_metrics_on_a_port_of_their_own_leave_the_api(world: World) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {"KUBECONFIG": str(world.kubeconfig)}
    environment |= {"SIMULACRA_METRICS_LISTEN": f"127.0.0.1:{port}"}
    command = [sys.executable, "-m", "simulacra_api", "--port", "0"]
    process = await asyncio.create_subprocess_exec(
        *command, env=environment, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        url = json.loads(await process.stdout.readline())["url"]
        async with httpx2.AsyncClient() as http:
            assert (await http.get(f"{url}/metrics")).status_code == 404
            found = await http.get(f"http://127.0.0.1:{port}/metrics", headers={"Host": "x"})
            assert b"simulacra_api_requests_total" in found.content
            assert (await http.get(f"http://127.0.0.1:{port}/v1/usage")).status_code == 404
    finally:
        process.terminate()
        await process.wait()


@pytest.mark.parametrize("value", ["8082", ":8082", "x:", "x:99999", "x:y"])
async def test_wrong_address_of_the_metrics_is_named(value: str) -> None:
    with pytest.raises(ValueError, match="SIMULACRA_METRICS_LISTEN must be host:port"):
        Settings.from_env("http://x", {"SIMULACRA_METRICS_LISTEN": value})
