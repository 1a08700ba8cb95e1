"""Large artifacts stream in constant memory; importing custody does not load the SDK."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import hashlib, json, os, re, sys, time
from simulacra_custody.refs import ResourceRef
from simulacra_custody.wiring import open_custody

base, size, chunk = sys.argv[1], int(sys.argv[2]), os.urandom(1 << 20)
env = {"SIMULACRA_STORE": f"file://{base}/s", "SIMULACRA_KEYS": f"local://{base}/k.json"}
custody = open_custody(env)
custody.keys.create_tenant_key("acme")
ref = ResourceRef("acme", "datasets", "u").artifact("raw")
wrapped = custody.new_resource_key(ref.resource)
import simulacra_custody.envelope
def peak():  # not ru_maxrss, which includes the parent's pages from before exec
    status = open("/proc/self/status").read()
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", status)[1]) // 1024
before = peak()
start = time.perf_counter()
receipt = custody.write(ref, wrapped, (number.to_bytes(4) + chunk[4:] for number in range(size)))
written = time.perf_counter() - start
digest, start = hashlib.sha256(), time.perf_counter()
for piece in custody.read(ref, wrapped):
    digest.update(piece)
read = time.perf_counter() - start
assert digest.hexdigest() == receipt.sha256 and receipt.bytes == size << 20
speed = {"write_mb_s": size / written, "read_mb_s": size / read}
print(json.dumps({"before": before, "peak": peak(), **speed}))
"""


@pytest.mark.slow
def test_200_megabytes_stream_in_constant_memory(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path), "200"],
        capture_output=True,
        text=True,
        check=True,
        timeout=250,
    )
    figures = json.loads(run.stdout)
    sys.stdout.write(f"{figures}\n")
    assert figures["peak"] - figures["before"] < 40  # MiB, for 200 MiB of plaintext


def test_importing_custody_does_not_import_the_sdk() -> None:
    names = ["refs", "service", "errors", "wiring", "artifact_writer", "audit.log"]
    names += ["keys.base", "keys.keyring", "stores.base", "stores.local"]
    code = "import sys\n" + "".join(f"import simulacra_custody.{name}\n" for name in names)
    code += "sys.exit(any(name.startswith('aws_') for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0
