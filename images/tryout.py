"""FOR TRYING OUT ONLY: runs SeaweedFS (`s3`) or OpenBao (`openbao`) on one folder, ready to be used.

The keys that unseal OpenBao lie beside its data, so whoever has the volume has everything. An installation that holds
customers' data brings its own store and key provider.

Environment: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and TRYOUT_BUCKET for `s3`, VAULT_TOKEN for `openbao`.
"""

from __future__ import annotations

import json
import os
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
BAO = "http://127.0.0.1:8200/v1/"
TEN_YEARS = "87600h"
POLICY = 'path "transit/*" { capabilities = ["create", "read", "update", "delete", "list"] }'


def openbao() -> list[subprocess.Popen[bytes]]:
    """OpenBao with a Transit engine at transit/ and the token VAULT_TOKEN, which reaches that engine only."""
    folder, token = DATA / "openbao", os.environ["VAULT_TOKEN"]
    (folder / "raft").mkdir(parents=True, exist_ok=True)
    config, keys = LIVE / "openbao.json", folder / "unseal.json"
    settings = {
        "storage": {"raft": {"path": str(folder / "raft"), "node_id": "tryout"}},
        "api_addr": "http://127.0.0.1:8200",
        "cluster_addr": "http://127.0.0.1:8201",
        "listener": [{"tcp": {"address": "0.0.0.0:8200", "tls_disable": True}}],
        "max_lease_ttl": TEN_YEARS,
        "default_lease_ttl": TEN_YEARS,
    }
    config.write_text(json.dumps(settings))
    server = subprocess.Popen(["bao", "server", f"-config={config}", "-log-level=warn"])
    wait(lambda: call("GET", "sys/seal-status"), server)
    if not call("GET", "sys/init")["initialized"]:
        draft = keys.with_suffix(".new")
        draft.write_text(json.dumps(call("PUT", "sys/init", {"secret_shares": 1, "secret_threshold": 1})))
        draft.replace(keys)
    known = json.loads(keys.read_text())
    call("PUT", "sys/unseal", {"key": known["keys"][0]})
    root = known["root_token"]
    wait(lambda: call("GET", "sys/mounts", token=root), server)
    if "transit/" not in call("GET", "sys/mounts", token=root)["data"]:
        call("POST", "sys/mounts/transit", {"type": "transit"}, root)
    call("PUT", "sys/policies/acl/simulacra", {"policy": POLICY}, root)
    try:
        call("GET", "auth/token/lookup-self", token=token)
    except urllib.error.HTTPError:
        body = {"id": token, "policies": ["simulacra"], "ttl": TEN_YEARS, "no_parent": True}
        call("POST", "auth/token/create", body, root)
    return [server]


def s3() -> list[subprocess.Popen[bytes]]:
    """SeaweedFS; its S3 gateway listens only when the bucket is there."""
    folder, bucket = DATA / "s3", os.environ.get("TRYOUT_BUCKET", "simulacra")
    folder.mkdir(parents=True, exist_ok=True)
    identity = {
        "name": "simulacra",
        "credentials": [
            {"accessKey": os.environ["AWS_ACCESS_KEY_ID"], "secretKey": os.environ["AWS_SECRET_ACCESS_KEY"]}
        ],
        "actions": ["Admin", "Read", "List", "Tagging", "Write"],
    }
    config = LIVE / "s3.json"
    config.touch(mode=0o600)
    config.write_text(json.dumps({"identities": [identity]}))
    command = ["weed", "-logtostderr=true", "-v=0", "server", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-dir={folder}"]
    command += ["-filer", "-volume.max=500", "-master.volumeSizeLimitMB=64", "-master.telemetry=false"]
    store = subprocess.Popen([*command, "-volume.preStopSeconds=0"], cwd=LIVE)

    def made() -> bool:
        shell = ["weed", "shell", "-master=127.0.0.1:9333", "-filer=127.0.0.1:8888"]
        said = f"s3.bucket.create -name {bucket}\ns3.bucket.list\n".encode()
        done = subprocess.run(shell, input=said, capture_output=True, timeout=30, check=False, cwd=LIVE)
        return any(line.split()[:1] == [bucket] for line in done.stdout.decode().splitlines())

    wait(made, store)
    gateway = ["weed", "-logtostderr=true", "-v=0", "s3", "-ip.bind=0.0.0.0", "-port=8333", "-filer=127.0.0.1:8888"]
    gateway += [f"-config={config}", "-allowDeleteBucketNotEmpty=false", "-autoCreateBucket=false"]
    return [store, subprocess.Popen([*gateway, "-port.iceberg=0", "-port.lance=0"], cwd=LIVE)]


def call(method: str, path: str, body: dict[str, Any] | None = None, token: str = "") -> Any:
    """Ask OpenBao; None where it answers without a body."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(BAO + path, data, {"X-Vault-Token": token} if token else {}, method=method)
    with urllib.request.urlopen(request, timeout=10) as answer:
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
    """Run until SIGTERM, or until one of the processes ends: then the container ends and is started again."""
    kinds = {"s3": s3, "openbao": openbao}
    if len(sys.argv) != 2 or sys.argv[1] not in kinds:
        raise SystemExit("say which: s3 or openbao")
    os.umask(0o077)
    stopping: list[int] = []
    processes: list[subprocess.Popen[bytes]] = []

    def stop(number: int, _frame: object) -> None:
        stopping.append(number)
        for one in processes:
            one.terminate()
        if not processes:
            raise SystemExit(0)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    processes += kinds[sys.argv[1]]()
    while all(one.poll() is None for one in processes):
        time.sleep(0.5)
    for one in processes:
        one.terminate()
    return 0 if stopping else 1


if __name__ == "__main__":
    raise SystemExit(main())
