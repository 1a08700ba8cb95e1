"""Encryption and decryption of one file: the product's custody beside openssl and age.

``python benchmarks/custody.py [--mib 1024]`` runs each tool in its own process, on the same file in
the same folder, three times in turn, and writes benchmarks/results/custody.md. Speed is given per
second of CPU time, which other work on the machine disturbs least, and per second of wall time;
memory is the process's peak. Best of three. `dd` only copies: its row is the cost of writing and,
in the first column, of fsync. A second table measures the parts of custody alone, in memory and
after the imports.
"""

import argparse
import hashlib
import importlib
import os
import platform
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simulacra_custody import envelope

RESULT = Path(__file__).parent / "results" / "custody.md"
ROUNDS = 3

CUSTODY = """
import sys
from pathlib import Path
from simulacra_custody.refs import ResourceRef
from simulacra_custody.wiring import open_custody
verb, base, plain = sys.argv[1:]
custody = open_custody({"SIMULACRA_STORE": f"file://{base}/store", "SIMULACRA_KEYS": f"local://{base}/keys.json"})
resource, token = ResourceRef("acme", "datasets", "u"), Path(base, "wrapped")
if verb == "encrypt":
    custody.keys.create_tenant_key("acme")
    token.write_text(custody.new_resource_key(resource))
    with open(plain, "rb", buffering=0) as source:
        chunks = iter(lambda: source.read(1 << 18), b"")
        custody.write(resource.artifact("raw"), token.read_text(), chunks)
else:
    with open(plain, "wb", buffering=0) as target:
        for chunk in custody.read(resource.artifact("raw"), token.read_text()):
            target.write(chunk)
"""


@dataclass(frozen=True)
class Tool:
    """A way to encrypt a file.

    Attributes:
        name: what the table calls it.
        does: what it gives beside secrecy.
        encrypt: the command, from folder and plain file.
        decrypt: the command, from folder and the file to write.
    """

    name: str
    does: str
    encrypt: Callable[[Path, Path], list[str]]
    decrypt: Callable[[Path, Path], list[str]]


@dataclass(frozen=True)
class Run:
    """What a process used: CPU and wall seconds, peak memory in MiB."""

    cpu_s: float
    wall_s: float
    peak_mib: int


def main() -> None:
    """Run the benchmark and write its result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mib", type=int, default=1024)
    mib: int = parser.parse_args().mib
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        digest = random_file(folder / "plain", mib)
        tools = available(folder)
        runs = [(tool, *round_trip(tool, folder, digest)) for _ in range(ROUNDS) for tool in tools]
    text = report(mib, load, tools, runs) + parts()
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(text)
    print(text)


def random_file(path: Path, mib: int) -> str:
    """Write a file of random bytes; return its SHA-256."""
    digest = hashlib.sha256()
    with path.open("wb") as file:
        for _ in range(mib):
            block = os.urandom(1 << 20)
            digest.update(block)
            file.write(block)
    return digest.hexdigest()


def available(folder: Path) -> list[Tool]:
    """Return the tools of this machine."""
    custody = [sys.executable, "-c", CUSTODY]
    cipher = ["openssl", "enc", "-aes-256-ctr", "-K", "11" * 32, "-iv", "22" * 16]
    tools = [
        Tool(
            "simulacra custody",
            "every frame authenticated before it is given out, key commitment, context, SHA-256,"
            " fsync",
            lambda at, plain: [*custody, "encrypt", str(at), str(plain)],
            lambda at, out: [*custody, "decrypt", str(at), str(out)],
        ),
        Tool(
            "openssl enc -aes-256-ctr",
            "nothing is authenticated",
            lambda at, plain: [*cipher, "-e", "-in", str(plain), "-out", str(at / "openssl")],
            lambda at, out: [*cipher, "-d", "-in", str(at / "openssl"), "-out", str(out)],
        ),
    ]
    plain_copy = ["dd", "bs=256k", "status=none"]
    tools.append(
        Tool(
            "dd (a copy)",
            "nothing; fsync instead of encryption",
            lambda at, plain: [*plain_copy, "conv=fsync", f"if={plain}", f"of={at / 'dd'}"],
            lambda at, out: [*plain_copy, f"if={at / 'dd'}", f"of={out}"],
        )
    )
    if shutil.which("age"):
        identity = folder / "identity"
        subprocess.run(["age-keygen", "-o", str(identity)], check=True, capture_output=True)
        recipient = subprocess.run(
            ["age-keygen", "-y", str(identity)], check=True, capture_output=True, text=True
        )
        to = recipient.stdout.strip()
        tools.append(
            Tool(
                "age (ChaCha20-Poly1305)",
                "every chunk authenticated",
                lambda at, plain: ["age", "-r", to, "-o", str(at / "age"), str(plain)],
                lambda at, out: ["age", "-d", "-i", str(identity), "-o", str(out), str(at / "age")],
            )
        )
    return tools


def round_trip(tool: Tool, folder: Path, digest: str) -> tuple[Run, Run]:
    """Encrypt, decrypt, and check that the file is the same."""
    out = folder / "out"
    encrypted, decrypted = (
        measure(tool.encrypt(folder, folder / "plain")),
        measure(tool.decrypt(folder, out)),
    )
    with out.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != digest:
            raise SystemExit(f"{tool.name} did not restore the file")
    out.unlink()
    return encrypted, decrypted


def measure(command: list[str]) -> Run:
    """Run a command to its end and measure it."""
    start = time.perf_counter()
    process = subprocess.Popen(command)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command[0]} exited with {process.returncode}")
    return Run(cpu_of(usage), time.perf_counter() - start, usage.ru_maxrss // 1024)


def cpu_of(usage: resource.struct_rusage) -> float:
    """Return the CPU seconds of the process, in user and kernel mode."""
    return usage.ru_utime + usage.ru_stime


def parts() -> str:
    """Return a table of custody's parts in memory: MB per CPU second, best of eight 64 MiB."""
    start = cpu_seconds(lambda: importlib.import_module("simulacra_custody.envelope"))
    # Import only after the tools ran: their peak memory counts this process's pages.
    from simulacra_custody import decryption, envelope

    block, blocks, context = os.urandom(1 << 18), 256, {"tenant": "acme"}
    key, digest = envelope.data_keyring(os.urandom(32)), hashlib.sha256()
    took: dict[str, list[float]] = {"encrypt": [], "decrypt": [], "SHA-256": []}
    for _ in range(8):
        encryptor = envelope.Encryptor(key, context)
        took["encrypt"].append(cpu_seconds(lambda: encrypt_and_drop(encryptor, block, blocks)))  # noqa: B023
        message = encrypted(envelope.Encryptor(key, context), block, blocks)
        source = decryption.ChunkReader(iter(message))
        opened = decryption.Message("benchmark", key, context, source)
        took["decrypt"].append(cpu_seconds(lambda: deque(opened.whole(source), maxlen=0)))  # noqa: B023
        took["SHA-256"].append(cpu_seconds(lambda: [digest.update(block) for _ in range(blocks)]))
    size = blocks * len(block) / 1e6
    rows = [f"| {name} | {size / min(each):.0f} |" for name, each in took.items()]
    rows.append(
        f"| encrypt and SHA-256 | {size / (min(took['encrypt']) + min(took['SHA-256'])):.0f} |"
    )
    imports = f"The imports take {start:.2f} CPU s, once a process."
    return "\n".join(
        ["", "| custody's parts, in memory | MB/CPU s |", "|---|---|", *rows, "", imports, ""]
    )


def encrypt_and_drop(encryptor: "envelope.Encryptor", block: bytes, blocks: int) -> None:
    """Encrypt a block `times` times and drop the output."""
    for _ in range(blocks):
        deque(encryptor.update(block), maxlen=0)


def encrypted(encryptor: "envelope.Encryptor", block: bytes, blocks: int) -> list[bytes]:
    """Encrypt a block repeatedly; return the whole message."""
    return [
        *(chunk for _ in range(blocks) for chunk in encryptor.update(block)),
        *encryptor.finalize(),
    ]


def cpu_seconds(work: Callable[[], object]) -> float:
    """Return the CPU seconds that this process takes for a call."""
    start = time.process_time()
    work()
    return time.process_time() - start


def report(mib: int, load: float, tools: list[Tool], runs: list[tuple[Tool, Run, Run]]) -> str:
    """Return the Markdown page."""
    lines = [
        "# Custody: encrypting and decrypting a file",
        "",
        f"{mib} MiB of random bytes, best of {ROUNDS} runs in turn, {datetime.now(UTC):%Y-%m-%d}.",
        (
            f"Machine: {os.cpu_count()} cores, {cpu_name()}, {platform.system()}; load at the start"
            f" {load:.1f}."
        ),
        (
            f"Python {platform.python_version()}, aws-encryption-sdk"
            f" {version('aws-encryption-sdk')}; make it again with"
        ),
        (
            "`python benchmarks/custody.py`. MB is 10^6 bytes; each figure includes the start of"
            " the process."
        ),
        "",
        (
            "| tool | encrypt, MB/CPU s | decrypt, MB/CPU s | encrypt, MB/s | decrypt, MB/s | peak"
            " MiB | it gives |"
        ),
        "|---|---|---|---|---|---|---|",
    ]
    size = mib * 1.048576
    for tool in tools:
        encrypts = [run for one, run, _ in runs if one is tool]
        decrypts = [run for one, _, run in runs if one is tool]
        cells = [size / min(run.cpu_s for run in part) for part in (encrypts, decrypts)]
        cells += [size / min(run.wall_s for run in part) for part in (encrypts, decrypts)]
        peak = max(run.peak_mib for run in encrypts + decrypts)
        lines.append(
            f"| {tool.name} | {' | '.join(f'{cell:.0f}' for cell in cells)} | {peak} |"
            f" {tool.does} |"
        )
    return "\n".join(lines) + "\n"


def cpu_name() -> str:
    """Return the processor's name from Linux."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


if __name__ == "__main__":
    main()
