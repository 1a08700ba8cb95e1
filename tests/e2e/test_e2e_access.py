"""Signup to first dataset, on the whole product and on two API processes of it."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from contextlib import AbstractContextManager
from pathlib import Path

import httpx2
import pytest

from installation import Installation, served

pytestmark = [pytest.mark.e2e, pytest.mark.slow]
REQUEST = {"company": "Initech GmbH", "contact": "ada@initech.example"}


def _second_process(installation: Installation) -> AbstractContextManager[str]:
    """Run a second API process with the same public address, as behind a load balancer."""
    root = installation.data_dir
    env = os.environ | {
        "KUBECONFIG": installation.connection["kubeconfig"],
        "SIMULACRA_PUBLIC_URL": installation.connection["api_url"],
        "SIMULACRA_STORE": f"file://{root}/objects",
        "SIMULACRA_KEYS": f"local://{root}/keyring.json",
        "SIMULACRA_AUDIT": f"file://{root}/audit",
    }
    command = [sys.executable, "-W", "ignore", "-m", "simulacra_api", "--port", "0"]
    return served(command, env)


def _eventually_approved(url: str, request_id: str) -> dict[str, str]:
    deadline = time.monotonic() + 60
    while (body := httpx2.get(f"{url}/v1/signup/{request_id}").json())["status"] != "approved":
        assert time.monotonic() < deadline, body
        time.sleep(0.2)
    return dict(body)


async def _race(urls: list[str], token: str) -> list[httpx2.Response]:
    async with httpx2.AsyncClient(timeout=60) as http:
        body = {"credential_claim_token": token}
        return await asyncio.gather(
            *(http.post(f"{url}/v1/credential-claims", json=body) for url in urls * 5)
        )


def test_signup_to_first_dataset_works_over_two_api_processes(installation: Installation) -> None:
    first = installation.connection["api_url"]
    with _second_process(installation) as second:
        asked = httpx2.post(f"{first}/v1/signup", json=REQUEST).json()
        admin = [str(Path(sys.executable).with_name("simulacra")), "admin"]
        options = ["--kubeconfig", installation.connection["kubeconfig"]]
        listed = subprocess.run(
            [*admin, "requests", *options], capture_output=True, text=True, check=True
        ).stdout
        (waiting,) = json.loads(listed)
        assert waiting["company"] == REQUEST["company"]
        assert asked["request_id"] not in listed
        subprocess.run(
            [*admin, "approve", waiting["name"], *options], check=True, capture_output=True
        )
        approved = _eventually_approved(second, asked["request_id"])
        assert _eventually_approved(first, asked["request_id"]) == approved
        answers = asyncio.run(_race([first, second], approved["credential_claim_token"]))
        (won,) = [one.json() for one in answers if one.status_code == 201]
        assert {one.status_code for one in answers} == {201, 404}
        form = {"grant_type": "client_credentials", "client_id": won["client_id"]}
        form |= {"client_secret": won["client_secret"], "audience": won["audience"]}
        bearer = httpx2.post(won["token_url"], data=form).json()["access_token"]
        headers = {"Authorization": f"Bearer {bearer}", "Idempotency-Key": "first"}
        content = b"a,b\n" + b"".join(b"%d,%d\n" % (n % 7, n % 5) for n in range(300))
        uploaded = httpx2.post(
            f"{second}/v1/datasets", files={"file": ("t.csv", content)}, headers=headers
        )
        assert uploaded.status_code == 202, uploaded.text
        usage = httpx2.get(f"{first}/v1/usage", headers=headers).json()
        assert usage["datasets"] == 1
        seen = {
            one["type"]
            for one in httpx2.get(f"{first}/v1/audit-events", headers=headers).json()["items"]
        }
        assert {"dev.simulacra.credential.claimed", "dev.simulacra.artefact.written"} <= seen
    everything = "".join(
        path.read_text(errors="replace") for path in (installation.data_dir / "logs").iterdir()
    )
    for secret in (
        won["client_secret"],
        approved["credential_claim_token"],
        asked["request_id"],
        bearer,
    ):
        assert secret not in everything
