"""One fit, generation and estimate at image build, to ship numba's compiled code."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from simulacra_trainer.cli import main
from simulacra_trainer.compile_ahead import compile_kernels

CONDITIONS = {
    "categorical": {"happiness": {"very happy": 0.5}},
    "numeric": {"tv_hours": {"min": 1, "max": 4}},
}
EFFECT = ("--treatment", "tv_hours=1", "--baseline", "tv_hours=4", "--outcome", "education_years")


def run(*arguments: str | Path) -> None:
    """Run one command of the trainer; a failure ends the build."""
    code = main([str(one) for one in arguments])
    if code:
        raise SystemExit(code)


def warm(table: Path, folder: Path) -> None:
    """Run every command on a table with numbers, years, levels and gaps."""
    model = folder / "model"
    rows = folder / "rows.parquet"
    conditions = folder / "conditions.json"
    do = folder / "do.json"
    conditions.write_text(json.dumps(CONDITIONS))
    do.write_text(json.dumps({"tv_hours": 2}))
    compile_kernels()  # here, so that no child process does, which would end when the fit does
    run("fit", "--data", table, "--out", model, "--family", "forest")
    run("generate", "--model", model, "--rows", "2000", "--out", rows)
    run("generate", "--model", model, "--rows", "2000", "--out", rows, "--conditions", conditions)
    run("generate", "--model", model, "--rows", "2000", "--out", rows, "--do", do)
    run("estimate", "--model", model, *EFFECT)
    run("estimate", "--model", model, *EFFECT, "--segment", "region")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        warm(Path(sys.argv[1]), Path(scratch))
