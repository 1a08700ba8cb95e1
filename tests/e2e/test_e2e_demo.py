"""`make demo` as a test: the neural family does the whole main job too."""

import os
import shutil
import signal
import subprocess
import sys
import textwrap
from contextlib import suppress
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


@pytest.mark.e2e
def test_demo_that_is_terminated_leaves_no_service_and_no_files(tmp_path: Path) -> None:
    """A service that never gets ready stands in for the real one: only its end matters here."""
    program, ended, files = (tmp_path / name for name in ("simulacra", "ended", "temporary"))
    files.mkdir()
    service = f"""\
        #!{sys.executable}
        import pathlib, signal, sys
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(pathlib.Path({str(ended)!r}).touch()))
        sys.stderr.write("begun\\n")
        sys.stderr.flush()
        while True:
            signal.pause()
        """
    program.write_text(textwrap.dedent(service))
    program.chmod(0o700)
    demo, beside = str(EXAMPLES / "demo.py"), str(tmp_path / "python")
    start = f"import runpy, sys; sys.executable = {beside!r}; "
    start += f"sys.argv[1:] = ['--output', {str(tmp_path)!r}]; "
    start += f"runpy.run_path({demo!r}, run_name='__main__')"
    env = own_environment() | {"TMPDIR": str(files)}
    with subprocess.Popen(
        [sys.executable, "-c", start],
        env=env,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            assert process.stderr
            assert process.stderr.readline() == "begun\n"
            process.terminate()
            assert process.wait(timeout=60) == 143
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    assert ended.exists()
    assert [*files.iterdir()] == []
