"""The quickstart as a customer without the SDK runs it, on the whole product."""

import json
import subprocess
import sys
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from installation import SURVEY, Installation, eventually

pytestmark = pytest.mark.e2e
SCRIPT = Path(__file__).parents[2] / "examples" / "quickstart.py"


def test_quickstart_runs_from_token_to_erasure(
    shared_installation: Installation, tmp_path: Path
) -> None:
    output = tmp_path / "out.parquet"
    connection = shared_installation.data_dir / "connection.json"
    command = [sys.executable, str(SCRIPT), "--connection", str(connection), "--file", str(SURVEY)]
    done = subprocess.run(
        [*command, "--output", str(output)], capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stdout + done.stderr
    inspected, generated, deleted = map(json.loads, done.stdout.splitlines())
    rows = pq.read_table(output)
    assert rows.num_rows == 2000
    assert rows.column_names == [*inspected["columns"], "evidence_weight"]
    hours = pc.min_max(rows["tv_hours"]).as_py()
    assert 0 <= hours["min"] <= hours["max"] <= 2
    happy = pc.sum(pc.equal(rows["happiness"], "very happy")).as_py()
    assert generated["status"] in ("ready", "partial")
    if generated["status"] == "ready":
        assert happy / pc.count(rows["happiness"]).as_py() == pytest.approx(0.30, abs=0.01)
    eventually(
        lambda: not [line for line in shared_installation.resources() if deleted["deleted"] in line]
    )


def test_quickstart_prints_a_rejection_without_a_traceback(
    shared_installation: Installation, tmp_path: Path
) -> None:
    bad = tmp_path / "bad.csv"
    bad.write_bytes(b"")
    connection = shared_installation.data_dir / "connection.json"
    command = [sys.executable, str(SCRIPT), "--connection", str(connection), "--file", str(bad)]
    done = subprocess.run(
        [*command, "--output", str(tmp_path / "o")], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 1
    assert done.stderr.startswith("simio_upload_invalid: ")
    assert "Traceback" not in done.stderr
