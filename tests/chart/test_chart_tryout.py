"""The tryout's OpenBao (images/tryout.py) after a first start, a restart and a crashed start."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import hvac
import pytest

from helm_chart import ROOT
from installation import eventually
from ports import free_port

TOKEN = "tryout-token"


@contextmanager
def openbao(folder: Path) -> Iterator[hvac.Client]:
    """Run it on a folder; yield a client with the product's token."""
    first = free_port(2)
    environment = {"TRYOUT_DATA": str(folder), "TRYOUT_PORT": str(first), "VAULT_TOKEN": TOKEN}
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    command = [sys.executable, str(ROOT / "images" / "tryout.py"), "openbao"]
    process = subprocess.Popen(
        command, env=os.environ | environment | {"PATH": path}, stdout=subprocess.DEVNULL
    )
    client = hvac.Client(f"http://127.0.0.1:{first}", token=TOKEN)

    def usable() -> bool:
        assert process.poll() is None, "it ended"
        try:
            is_known = client.is_authenticated()
            is_active = bool(client.sys.read_leader_status()["is_self"])  # a standby reads only
        except (OSError, hvac.exceptions.VaultError):
            return False
        assert is_known, "a client reached it before its token existed"
        return is_active

    try:
        eventually(usable, 300)
        yield client
    finally:
        process.terminate()
        process.wait(60)


@pytest.mark.timeout(600)
def test_openbao_is_usable_at_first_again_and_after_a_crashed_start(tmp_path: Path) -> None:
    with openbao(tmp_path) as client:
        client.secrets.transit.create_key("simulacra-a")
    with openbao(tmp_path) as client:
        assert client.secrets.transit.read_key("simulacra-a")["data"]["name"] == "simulacra-a"
    # Simulate a crash between initialization and storing the keys.
    (tmp_path / "openbao" / "unseal.json").unlink()
    with openbao(tmp_path) as client:
        client.secrets.transit.create_key("simulacra-a")
