"""The confined parsing process: limits, errors and clean exits."""

from __future__ import annotations

import gzip
import os
import resource
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from simulacra_intake.errors import InputError
from simulacra_intake.limits import GIB, MIB, SandboxLimits
from simulacra_intake.raw_table import NETWORK
from simulacra_intake.read import read_table
from simulacra_intake.sandbox.child_process import run_confined
from simulacra_intake.scratch import temporary_file

PROBE = """
import resource, socket, sys
from simulacra_intake.limits import SandboxLimits
from simulacra_intake.sandbox.child_process import confine
isolated = confine(SandboxLimits()).namespace
with open("/proc/self/status") as status:
    held = [line.split()[1] for line in status if line.startswith("NoNewPrivs")]
with open("/proc/net/dev") as devices:
    names = sorted(line.split(":")[0].strip() for line in devices if ":" in line)
kinds = resource.RLIMIT_AS, resource.RLIMIT_CORE, resource.RLIMIT_NOFILE
limits = [resource.getrlimit(kind)[0] for kind in kinds]
print(isolated, held[0], names, limits)
"""


@pytest.fixture
def big_csv(tmp_path: Path) -> Path:
    path = tmp_path / "big.csv"
    path.write_bytes(b"a,b,c\n" + b"1234567,some words here,2.5\n" * 3_000_000)
    return path


def test_confine_drops_privileges_and_if_possible_the_network() -> None:
    said = subprocess.run(
        [sys.executable, "-I", "-c", PROBE], capture_output=True, text=True, check=True
    ).stdout.split()
    assert said[1] == "1", "no_new_privs must be set"
    assert said[-3:] == [f"[{2 * GIB},", "0,", "64]"]
    if said[0] == "True":
        assert said[2:-3] == ["['lo']"]


def test_the_result_says_whether_the_parser_had_a_network(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,b\n" + "1,2\n" * 30)
    assert read_table(path).schema.metadata[NETWORK] in (b"isolated", b"inherited")


@pytest.mark.parametrize(
    ("limits", "sentence"),
    [
        (SandboxLimits(cpu_s=1), "more than 1 seconds of CPU time"),
        (SandboxLimits(wall_s=1), "longer than 1 seconds"),
        (SandboxLimits(output_bytes=MIB), "larger than 0.000977 GiB when unpacked"),
    ],
)
def test_an_exceeded_limit_is_named(big_csv: Path, limits: SandboxLimits, sentence: str) -> None:
    if 1 in (limits.cpu_s, limits.wall_s):  # slow it down enough on any machine
        big_csv.write_bytes(big_csv.read_bytes() + b"1,2,3\n" * 40_000_000)
    with pytest.raises(InputError, match=sentence) as refusal:
        read_table(big_csv, limits=limits)
    assert refusal.value.reason == "UploadInvalid"


def test_an_exceeded_memory_limit_is_named(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    repeated = pa.DictionaryArray.from_arrays(pa.array([0] * 3_000, pa.int32()), ["x" * 1_000_000])
    pq.write_table(pa.table({"a": repeated, "b": range(3_000)}), path, store_schema=False)
    with pytest.raises(InputError, match=r"0\.488 GiB") as refusal:
        read_table(path, limits=SandboxLimits(memory_bytes=500 * MIB))
    assert "memory" in refusal.value.message


def test_a_child_that_cannot_start_is_not_blamed_on_the_upload(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,b\n" + "1,2\n" * 30)
    with (
        path.open("rb") as source,
        temporary_file() as sink,
        pytest.raises(RuntimeError),
    ):
        run_confined("simulacra_intake.no_such_worker", "csv", source, sink, SandboxLimits())


def test_descriptors_and_children_do_not_accumulate(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,b\n" + "1\n" * 30)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        with pytest.raises(InputError):
            read_table(path)
    assert len(os.listdir("/proc/self/fd")) <= before
    assert resource.getrlimit(resource.RLIMIT_AS)[0] == resource.RLIM_INFINITY, (
        "only the child is limited"
    )


@pytest.mark.slow
def test_the_child_exits_cleanly_every_time(tmp_path: Path) -> None:
    """Read-ahead threads of Arrow once aborted every second child at its exit."""
    path = tmp_path / "t.csv.gz"
    path.write_bytes(gzip.compress(b"a,b\n" + b"1,2\n" * 40))
    for _ in range(12):
        assert read_table(path).num_rows == 40
