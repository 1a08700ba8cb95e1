"""FOR TRYING OUT ONLY: runs SeaweedFS (`s3`) or OpenBao (`openbao`) on one folder, ready to be
used.

The keys that unseal OpenBao lie beside its data, so whoever has the volume has everything. An
installation that holds customers' data brings its own store and key provider.

Environment: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and TRYOUT_BUCKET for `s3`, VAULT_TOKEN for
`openbao`; TRYOUT_DATA is the folder and TRYOUT_PORT OpenBao's port (the next one is taken too)
where they are not /data and 8200.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

DATA = Path(os.environ.get("TRYOUT_DATA", "/data"))
LIVE = Path("/tmp")
PORT = int(os.environ.get("TRYOUT_PORT", "8200"))
BAO = f"http://127.0.0.1:{PORT}/v1/"
TEN_YEARS = "87600h"
RUNNING: list[subprocess.Popen[bytes]] = []
POLICY = 'path "transit/*" { capabilities = ["create", "read", "update", "delete", "list"] }'


def start(*command: str) -> subprocess.Popen[bytes]:
    """Start a server, which ends with this process."""
    server = subprocess.Popen(command, cwd=LIVE)
    RUNNING.append(server)
    return server


def openbao() -> None:
    """OpenBao with Transit at transit/ and the token VAULT_TOKEN, limited to that engine."""
    folder = DATA / "openbao"
    config, keys = LIVE / f"openbao-{PORT}.json", folder / "unseal.json"
    if (
        not keys.exists()
    ):  # a start that ended before its keys were noted: nobody can unseal what it left
        shutil.rmtree(folder / "raft", ignore_errors=True)
    (folder / "raft").mkdir(parents=True, exist_ok=True)
    # It is alone: the default multiplier makes it wait 5 to 10 seconds for others before it elects
    # itself.
    raft = {"path": str(folder / "raft"), "node_id": "tryout", "performance_multiplier": "1"}
    settings = {
        "storage": {"raft": raft},
        "api_addr": f"http://127.0.0.1:{PORT}",
        "cluster_addr": f"http://127.0.0.1:{PORT + 1}",
        "listener": [{"tcp": {"address": f"0.0.0.0:{PORT}", "tls_disable": True}}],
        "max_lease_ttl": TEN_YEARS,
        "default_lease_ttl": TEN_YEARS,
    }
    config.write_text(json.dumps(settings))
    server = start("bao", "server", f"-config={config}", "-log-level=warn")
    wait(lambda: call("GET", "sys/seal-status"), server)
    if not call("GET", "sys/init")["initialized"]:
        draft = keys.with_suffix(".new")
        draft.write_text(
            json.dumps(call("PUT", "sys/init", {"secret_shares": 1, "secret_threshold": 1}))
        )
        draft.replace(keys)
    known = json.loads(keys.read_text())
    call("PUT", "sys/unseal", {"key": known["keys"][0]})
    wait(
        lambda: call("GET", "sys/health"), server
    )  # it answers with an error until it has made itself the leader
    wait(lambda: granted(known["root_token"], os.environ["VAULT_TOKEN"]), server)


def granted(root: str, token: str) -> bool:
    """Mount Transit and create the token if missing; the caller retries errors."""
    if "transit/" not in call("GET", "sys/mounts", token=root)["data"]:
        call("POST", "sys/mounts/transit", {"type": "transit"}, root)
    call("PUT", "sys/policies/acl/simulacra", {"policy": POLICY}, root)
    try:
        call("GET", "auth/token/lookup-self", token=token)
    except urllib.error.HTTPError as error:
        if error.code != 403:
            raise
        body = {"id": token, "policies": ["simulacra"], "ttl": TEN_YEARS, "no_parent": True}
        call("POST", "auth/token/create", body, root)
    return True


def s3() -> None:
    """SeaweedFS; its S3 gateway listens only when the bucket is there."""
    folder, bucket = DATA / "s3", os.environ.get("TRYOUT_BUCKET", "simulacra")
    folder.mkdir(parents=True, exist_ok=True)
    identity = {
        "name": "simulacra",
        "credentials": [
            {
                "accessKey": os.environ["AWS_ACCESS_KEY_ID"],
                "secretKey": os.environ["AWS_SECRET_ACCESS_KEY"],
            }
        ],
        "actions": ["Admin", "Read", "List", "Tagging", "Write"],
    }
    config = LIVE / "s3.json"
    config.touch(mode=0o600)
    config.write_text(json.dumps({"identities": [identity]}))
    command = [
        "weed",
        "-logtostderr=true",
        "-v=0",
        "server",
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        f"-dir={folder}",
    ]
    command += [
        "-filer",
        "-volume.max=500",
        "-master.volumeSizeLimitMB=64",
        "-master.telemetry=false",
    ]
    store = start(*command, "-volume.preStopSeconds=0")

    def made() -> bool:
        shell = ["weed", "shell", "-master=127.0.0.1:9333", "-filer=127.0.0.1:8888"]
        said = f"s3.bucket.create -name {bucket}\ns3.bucket.list\n".encode()
        done = subprocess.run(
            shell, input=said, capture_output=True, timeout=30, check=False, cwd=LIVE
        )
        return any(line.split()[:1] == [bucket] for line in done.stdout.decode().splitlines())

    wait(made, store)
    gateway = [
        "weed",
        "-logtostderr=true",
        "-v=0",
        "s3",
        "-ip.bind=0.0.0.0",
        "-port=8333",
        "-filer=127.0.0.1:8888",
    ]
    gateway += [f"-config={config}", "-allowDeleteBucketNotEmpty=false", "-autoCreateBucket=false"]
    start(*gateway, "-port.iceberg=0", "-port.lance=0")


def call(method: str, path: str, body: dict[str, Any] | None = None, token: str = "") -> Any:
    """Ask OpenBao; None where it answers without a body."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(
        BAO + path, data, {"X-Vault-Token": token} if token else {}, method=method
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        text = answer.read()
    return json.loads(text) if text else None


def wait(ready: Callable[[], object], server: subprocess.Popen[bytes]) -> None:
    """Wait until something answers; a server that ends, or two minutes, end the container."""
    deadline = time.monotonic() + 120
    while server.poll() is None and time.monotonic() < deadline:
        try:
            if ready():
                return
        except (OSError, subprocess.TimeoutExpired):
            pass
        time.sleep(0.3)
    raise SystemExit("the server did not become ready")


def main() -> int:
    """Run until SIGTERM or until a process ends, so that the container restarts."""
    kinds = {"s3": s3, "openbao": openbao}
    if len(sys.argv) != 2 or sys.argv[1] not in kinds:
        raise SystemExit("say which: s3 or openbao")
    os.umask(0o077)

    def stop(_number: int, _frame: object) -> None:
        raise SystemExit(0)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    try:
        kinds[sys.argv[1]]()
        while all(one.poll() is None for one in RUNNING):
            time.sleep(0.5)
    finally:
        for one in RUNNING:
            one.terminate()
        for (
            one
        ) in RUNNING:  # or they would be killed with this process, in the middle of what they write
            try:
                one.wait(10)
            except subprocess.TimeoutExpired:
                one.kill()
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
