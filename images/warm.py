"""One fit, generation and estimate at image build, to ship numba's compiled code."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

from simulacra_crds.tasks import EstimateRequest, FitRequest, GenerateRequest
from simulacra_trainer.compile_ahead import compile_kernels
from simulacra_trainer.in_process import estimate, fit_table, generate_file
from simulacra_trainer.trained_model import load_model, save_model

CONDITIONS = {
    "categorical": {"happiness": {"very happy": 0.5}},
    "numeric": {"tv_hours": {"min": 1, "max": 4}},
}
EFFECT = {"treatment": "tv_hours", "value": 1, "baseline": 4, "outcome": "education_years"}


def warm(table: Path, folder: Path) -> None:
    """Run each task on a table with numbers, years, levels and gaps; a failure ends the build."""
    compile_kernels()  # here, so that no child process does, which would end when the fit does
    save_model(fit_table(table, FitRequest(family="forest")), folder / "model")
    model = load_model(folder / "model")
    requests: tuple[dict[str, Any], ...] = (
        {},
        {"conditions": CONDITIONS},
        {"interventions": {"tv_hours": 2}},
    )
    for one in requests:
        request = GenerateRequest.model_validate({"row_count": 2000, **one})
        generate_file(model, request, folder / "rows.parquet")
    for segment in (None, "region"):
        estimate(model, EstimateRequest.model_validate({**EFFECT, "segment": segment}))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        warm(Path(sys.argv[1]), Path(scratch))
