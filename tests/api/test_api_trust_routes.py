"""The trust page and its package: claims for everybody, package and last checks for clients."""

from __future__ import annotations

import asyncio
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import httpx2
import pytest
from typer.testing import CliRunner

from simulacra.cli import app
from simulacra_crds.kube.client import CONFIGMAPS

pytestmark = pytest.mark.asyncio(loop_scope="session")
SYSTEM = "simulacra-system"


async def test_page_needs_no_token_and_package_does(world: Any) -> None:
    async with httpx2.AsyncClient(base_url=world.url) as http:
        page = await http.get("/trust")
        refused = [await http.get(path) for path in ("/trust/package.zip", "/trust/held")]
    assert page.status_code == 200
    assert 'id="tenants-apart"' in page.text
    assert [one.status_code for one in refused] == [401, 401]


async def test_command_writes_the_package_into_a_new_folder_only(
    world: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = {
        "SIMULACRA_API_URL": world.url,
        "SIMULACRA_CLIENT_ID": "client.acme",
        "SIMULACRA_CLIENT_SECRET": "sim_secret_of_the_tests",
    }
    for name, value in connection.items():
        monkeypatch.setenv(name, value)
    command = ["admin", "trust-package", "-o", str(tmp_path / "trust")]
    done = await asyncio.to_thread(CliRunner().invoke, app, command)
    assert done.exit_code == 0, done.output
    async with world.client() as http:
        answer = await http.get("/trust/package.zip")
    assert answer.headers["content-type"] == "application/zip"
    names = set(zipfile.ZipFile(io.BytesIO(answer.content)).namelist())
    assert {path.name for path in (tmp_path / "trust").iterdir()} == names
    assert "files of the machine" in (tmp_path / "trust" / "subprocessors.html").read_text()
    again = await asyncio.to_thread(CliRunner().invoke, app, command)
    assert again.exit_code == 2
    assert "not an empty folder" in again.output


async def test_last_checks_are_those_of_tenant_and_canary(world: Any) -> None:
    async with world.client() as http:
        before = (await http.get("/trust/held")).json()
        runs = [{"verdict": "Clean", "ended": "2026-11-30T10:00:00Z", "places": []}]
        note = json.dumps({"results": runs}) + "\n\n— signer signature\n"
        body = {"metadata": {"name": "canary"}, "data": {"results": note}}
        await world.cluster.create(CONFIGMAPS, body, SYSTEM)
        try:
            after = (await http.get("/trust/held")).json()
        finally:
            await world.cluster.delete(CONFIGMAPS, "canary", SYSTEM)
    assert before["canary"] is None
    assert after["canary"] == {"verdict": "Clean", "ended": "2026-11-30T10:00:00Z"}
    assert set(before) == {"key", "canary"}
