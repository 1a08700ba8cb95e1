"""`make demo` as a test: both model families do the whole main job."""

import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from installation import own_environment

DEMO = Path(__file__).parents[2] / "examples" / "demo.py"


@pytest.mark.e2e
@pytest.mark.timeout(900)
@pytest.mark.neural
def test_demo_passes_for_the_neural_family(tmp_path: Path) -> None:
    """Run what `make demo FAMILY=neural` runs; CI runs `make demo` itself."""
    command = [sys.executable, str(DEMO), "--family", "neural", "--output", str(tmp_path)]
    done = subprocess.run(
        command, env=own_environment(), capture_output=True, text=True, timeout=840
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "resources left: 0; objects left in the store: 0" in done.stdout
    assert "missed" not in done.stdout
    assert pq.read_metadata(tmp_path / "synthetic.parquet").num_rows == 2000
    assert (tmp_path / "synthetic.csv").read_text().count("\n") == 2001
