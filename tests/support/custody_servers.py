"""Real servers for the custody tests, on loopback, from their PyPI wheels.

OpenBao is the real Transit engine. SeaweedFS is a real S3 server (signatures, expiry, conditional
writes, versions). MiniStack evaluates IAM and key policies and key state. moto has the KMS and STS
API and enforces the encryption context, but accepts disabled keys.
"""

import contextlib
import json
import os
import secrets
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

BIN = Path(sys.executable).parent
REGION = "us-east-1"
LOGS: set[Path] = set()
"""What the servers that run now have printed."""


@dataclass(frozen=True)
class Server:
    """A running server.

    Attributes:
        url: its base URL.
        access: access key id, or the root token of OpenBao.
        secret: secret access key, or the unseal key of OpenBao.
        pid: the process.
    """

    url: str
    access: str
    secret: str
    pid: int

    @property
    def env(self) -> dict[str, str]:
        """The AWS variables for this server with its root credentials."""
        return aws_env(self.access, self.secret)


def aws_env(access: str, secret: str) -> dict[str, str]:
    return {
        "AWS_ACCESS_KEY_ID": access,
        "AWS_SECRET_ACCESS_KEY": secret,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def free_ports(count: int) -> list[int]:
    """Return ports that were free a moment ago."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


@contextlib.contextmanager
def running(
    command: list[str],
    env: dict[str, str],
    log: Path,
    ready: Callable[[], bool],
    timeout_s: float = 180,
) -> Iterator[int]:
    """Run a server until the block ends; yield its pid once it is ready."""
    with log.open("wb") as output:
        names = [name for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ]
        env = {name: os.environ[name] for name in names} | env
        process = subprocess.Popen(command, env=env, stdout=output, stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + timeout_s
        while not _is(ready):
            if process.poll() is not None or time.monotonic() > deadline:
                text = log.read_text(errors="replace")[-3000:]
                raise RuntimeError(f"{command[0]} did not start:\n{text}")
            time.sleep(0.1)
        LOGS.add(log)
        yield process.pid
    finally:
        LOGS.discard(log)
        # Its data is not kept, and some servers take ten seconds to stop on SIGTERM.
        process.kill()
        process.wait()


@contextlib.contextmanager
def openbao(folder: Path) -> Iterator[Server]:
    """Run OpenBao in dev mode (in memory, one unseal key) with Transit at ``transit/``."""
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    root = secrets.token_hex(8)
    log = folder / "openbao.log"
    command = [str(BIN / "bao"), "server", "-dev", "-dev-no-store-token"]
    command += [f"-dev-root-token-id={root}", f"-dev-listen-address=127.0.0.1:{port}"]

    def ready() -> bool:
        return _answers(f"{url}/v1/sys/health") and "Unseal Key" in log.read_text()

    with running(command, {"HOME": str(folder)}, log, ready) as pid:
        request = urllib.request.Request(
            f"{url}/v1/sys/mounts/transit",
            b'{"type":"transit"}',
            {"X-Vault-Token": root},
            method="POST",
        )
        urllib.request.urlopen(request, timeout=60).close()
        lines = log.read_text().splitlines()
        unseal = next(line for line in lines if "Unseal Key" in line).split()[-1]
        yield Server(url, root, unseal, pid)


@contextlib.contextmanager
def seaweedfs(folder: Path, access: str = "simulacra", secret: str = "") -> Iterator[Server]:
    """Run SeaweedFS with its S3 gateway and one identity."""
    secret = secret or secrets.token_hex(16)
    identity = {
        "name": "simulacra",
        "credentials": [{"accessKey": access, "secretKey": secret}],
        "actions": ["Admin", "Read", "List", "Tagging", "Write"],
    }
    config = folder / "s3.json"
    config.write_text(json.dumps({"identities": [identity]}))
    (folder / "data").mkdir()
    parts = ("master", "volume", "filer", "s3")
    names = [name for part in parts for name in (f"{part}.port", f"{part}.port.grpc")]
    ports = dict(zip(names, free_ports(len(names)), strict=True))
    command = [
        str(BIN / "weed"), "server", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-s3",
        f"-dir={folder / 'data'}", f"-s3.config={config}", "-volume.max=5000",
        "-volume.preStopSeconds=0", "-master.telemetry=false", "-master.volumeSizeLimitMB=64",
        "-s3.allowDeleteBucketNotEmpty=false", "-s3.autoCreateBucket=false",
        # Otherwise all volumes become read-only while others fill the disk: each write then waits
        # for two minutes and fails.
        "-volume.minFreeSpace=0",
        # Listeners with fixed ports, which no test needs.
        "-s3.port.iceberg=0", "-s3.port.lance=0",
    ]  # fmt: skip
    command += [f"-{name}={port}" for name, port in ports.items()]
    url = f"http://127.0.0.1:{ports['s3.port']}"
    assign = f"http://127.0.0.1:{ports['master.port']}/dir/assign"

    def ready() -> bool:
        # The gateway answers seconds before the master has a volume to write to.
        return _answers(f"{url}/healthz") and _answers(assign)

    with running(command, {}, folder / "weed.log", ready) as pid:
        yield Server(url, access, secret, pid)


@contextlib.contextmanager
def moto(folder: Path) -> Iterator[Server]:
    """Run moto's server: every AWS API, any credentials."""
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    command = [str(BIN / "moto_server"), "-H", "127.0.0.1", "-p", str(port)]
    ready = f"{url}/moto-api/data.json"
    with running(command, {}, folder / "moto.log", lambda: _answers(ready)) as pid:
        yield Server(url, "testing", "testing", pid)


@contextlib.contextmanager
def ministack(folder: Path) -> Iterator[Server]:
    """Run MiniStack's KMS, STS and IAM, with signatures and policies enforced, as root."""
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    env = {"GATEWAY_PORT": str(port), "BIND_HOST": "127.0.0.1", "AUTH": "true"}
    env |= {"SERVICES": "kms,sts,iam", "HOME": str(folder), "DOCKER_HOST": "unix:///nonexistent"}
    command = [str(BIN / "ministack")]
    ready = f"{url}/_ministack/health"
    with running(command, env, folder / "ministack.log", lambda: _answers(ready)) as pid:
        yield Server(url, "test", "test", pid)


def _is(ready: Callable[[], bool]) -> bool:
    try:
        return ready()
    except OSError:
        return False


def _answers(url: str) -> bool:
    with urllib.request.urlopen(url, timeout=2) as response:
        return bool(response.status == 200)
