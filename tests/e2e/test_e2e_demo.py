"""`make demo` as a test: the neural family does the whole main job too."""

import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest

from installation import own_environment

EXAMPLES = Path(__file__).parents[2] / "examples"
BACKGROUND = ["year", "female", "black", "region_at_16", "both_parents_at_16"]
ASKED = [*BACKGROUND, "education_years", "happiness", "tv_hours"]
"""Columns that the demo's conditions and question name."""


@pytest.mark.e2e
@pytest.mark.timeout(900)
@pytest.mark.neural
def test_demo_passes_for_the_neural_family(tmp_path: Path) -> None:
    """Run what `make demo FAMILY=neural` runs, on a small part of its survey to be quicker.

    CI runs `make demo` itself.
    """
    demo = shutil.copy(EXAMPLES / "demo.py", tmp_path)
    survey = pacsv.read_csv(EXAMPLES / "gss_survey.csv").select(ASKED)
    pacsv.write_csv(survey.take(list(range(0, survey.num_rows, 6))), tmp_path / "gss_survey.csv")
    command = [sys.executable, demo, "--family", "neural", "--output", str(tmp_path)]
    done = subprocess.run(
        command, env=own_environment(), capture_output=True, text=True, timeout=840
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "resources left: 0; objects left in the store: 0" in done.stdout
    assert "missed" not in done.stdout
    assert pq.read_metadata(tmp_path / "synthetic.parquet").num_rows == 2000
    assert (tmp_path / "synthetic.csv").read_text().count("\n") == 2001
