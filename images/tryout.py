"""FOR TRYING OUT ONLY: SeaweedFS (`s3`) or OpenBao (`openbao`) in one folder, ready for use.

The unseal keys of OpenBao are beside its data, so access to the volume is access to everything. An
installation with customers' data needs its own store and key provider.

Environment: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and TRYOUT_BUCKET for `s3`, VAULT_TOKEN for
`openbao`; TRYOUT_DATA is the folder (/data), and TRYOUT_PORT OpenBao's port (8200); OpenBao uses
the next port, too.
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
PRIVATE, PUBLIC = "127.0.0.2", "0.0.0.0"
"""Addresses of OpenBao: until its token exists, clients reach no other one than PUBLIC."""
TEN_YEARS = "87600h"
RUNNING: list[subprocess.Popen[bytes]] = []
POLICY = 'path "transit/*" { capabilities = ["create", "read", "update", "delete", "list"] }'


def start(*command: str) -> subprocess.Popen[bytes]:
    """Start a server, which is stopped with this process."""
    server = subprocess.Popen(command, cwd=LIVE)
    RUNNING.append(server)
    return server


def openbao() -> None:
    """Run OpenBao with Transit at transit/ and the token VAULT_TOKEN, limited to that engine.

    OpenBao revokes a token that a client uses while it is being created: it has no lease yet. So it
    is created before clients can reach the server, which then starts again.
    """
    server, root = unsealed(PRIVATE)
    wait(lambda: granted(root, os.environ["VAULT_TOKEN"]), server)
    RUNNING.remove(server)
    server.terminate()
    server.wait(30)
    unsealed(PUBLIC)


def unsealed(address: str) -> tuple[subprocess.Popen[bytes], str]:
    """Start OpenBao and return it with its root token; the first start makes its keys."""
    folder = DATA / "openbao"
    config = LIVE / f"openbao-{PORT}.json"
    keys = folder / "unseal.json"
    if not keys.exists():  # without its keys, the data of an interrupted start cannot be unsealed
        shutil.rmtree(folder / "raft", ignore_errors=True)
    (folder / "raft").mkdir(parents=True, exist_ok=True)
    # The default multiplier makes a single node wait 5 to 10 seconds before it elects itself.
    raft = {"path": str(folder / "raft"), "node_id": "tryout", "performance_multiplier": "1"}
    settings = {
        "storage": {"raft": raft},
        "api_addr": f"http://127.0.0.1:{PORT}",
        "cluster_addr": f"http://127.0.0.1:{PORT + 1}",
        "listener": [{"tcp": {"address": f"{address}:{PORT}", "tls_disable": True}}],
        "max_lease_ttl": TEN_YEARS,
        "default_lease_ttl": TEN_YEARS,
    }
    config.write_text(json.dumps(settings))
    server = start("bao", "server", f"-config={config}", "-log-level=warn")
    wait(lambda: call(address, "GET", "sys/seal-status"), server)
    if not call(address, "GET", "sys/init")["initialized"]:
        draft = keys.with_suffix(".new")
        made = call(address, "PUT", "sys/init", {"secret_shares": 1, "secret_threshold": 1})
        draft.write_text(json.dumps(made))
        draft.replace(keys)
    known = json.loads(keys.read_text())
    call(address, "PUT", "sys/unseal", {"key": known["keys"][0]})
    wait(lambda: call(address, "GET", "sys/health"), server)  # an error until it is the leader
    return server, known["root_token"]


def granted(root: str, token: str) -> bool:
    """Mount Transit and create the token if missing; the caller retries errors."""
    if "transit/" not in call(PRIVATE, "GET", "sys/mounts", token=root)["data"]:
        call(PRIVATE, "POST", "sys/mounts/transit", {"type": "transit"}, root)
    call(PRIVATE, "PUT", "sys/policies/acl/simulacra", {"policy": POLICY}, root)
    try:
        call(PRIVATE, "GET", "auth/token/lookup-self", token=token)
    except urllib.error.HTTPError as error:
        if error.code != 403:
            raise
        body = {"id": token, "policies": ["simulacra"], "ttl": TEN_YEARS, "no_parent": True}
        call(PRIVATE, "POST", "auth/token/create", body, root)
    return True


def s3() -> None:
    """Run SeaweedFS; its S3 gateway starts when the bucket exists and can be written to."""
    folder = DATA / "s3"
    bucket = os.environ.get("TRYOUT_BUCKET", "simulacra")
    folder.mkdir(parents=True, exist_ok=True)
    key = {"accessKey": os.environ["AWS_ACCESS_KEY_ID"]}
    key |= {"secretKey": os.environ["AWS_SECRET_ACCESS_KEY"]}
    actions = ["Admin", "Read", "List", "Tagging", "Write"]
    identity = {"name": "simulacra", "credentials": [key], "actions": actions}
    config = LIVE / "s3.json"
    config.touch(mode=0o600)
    config.write_text(json.dumps({"identities": [identity]}))
    weed = ("weed", "-logtostderr=true", "-v=0")
    server = ["server", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-dir={folder}", "-filer"]
    server += ["-volume.max=500", "-master.volumeSizeLimitMB=64", "-master.telemetry=false"]
    # The default refuses writes when less than 1 % of the node's disk is free.
    server += ["-volume.preStopSeconds=0", "-volume.minFreeSpace=64MiB"]
    store = start(*weed, *server)

    def has_bucket() -> bool:
        shell = ["weed", "shell", "-master=127.0.0.1:9333", "-filer=127.0.0.1:8888"]
        script = f"s3.bucket.create -name {bucket}\ns3.bucket.list\n".encode()
        done = subprocess.run(
            shell, input=script, capture_output=True, timeout=30, check=False, cwd=LIVE
        )
        return any(line.split()[:1] == [bucket] for line in done.stdout.decode().splitlines())

    def has_volume() -> bool:
        # The first volume comes seconds after the bucket; until then each write waits and fails.
        with urllib.request.urlopen("http://127.0.0.1:9333/dir/assign", timeout=10) as answer:
            return answer.status == 200

    wait(has_bucket, store)
    wait(has_volume, store)
    gateway = ["s3", "-ip.bind=0.0.0.0", "-port=8333", "-filer=127.0.0.1:8888"]
    gateway += [f"-config={config}", "-allowDeleteBucketNotEmpty=false", "-autoCreateBucket=false"]
    start(*weed, *gateway, "-port.iceberg=0", "-port.lance=0")


def call(
    address: str, method: str, path: str, body: dict[str, Any] | None = None, token: str = ""
) -> Any:
    """Return OpenBao's answer to a request; None for an answer without a body."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"X-Vault-Token": token} if token else {}
    url = f"http://{address}:{PORT}/v1/{path}"
    request = urllib.request.Request(url, data, headers, method=method)
    with urllib.request.urlopen(request, timeout=60) as answer:
        text = answer.read()
    return json.loads(text) if text else None


def wait(ready: Callable[[], object], server: subprocess.Popen[bytes]) -> None:
    """Wait until something answers; a server that ends, or two minutes, end the container."""
    deadline = time.monotonic() + 120
    last: object = "no answer"
    while server.poll() is None and time.monotonic() < deadline:
        try:
            if ready():
                return
        except (OSError, subprocess.TimeoutExpired) as error:
            last = error
        time.sleep(0.3)
    raise SystemExit(f"the server did not become ready: {last}")


def main() -> int:
    """Run until SIGTERM or until a process ends, so that the container restarts."""
    kinds = {"s3": s3, "openbao": openbao}
    if len(sys.argv) != 2 or sys.argv[1] not in kinds:
        raise SystemExit("give one argument: s3 or openbao")
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
        for one in RUNNING:  # without the wait, they would be killed during a write
            try:
                one.wait(10)
            except subprocess.TimeoutExpired:
                one.kill()
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
