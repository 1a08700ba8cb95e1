"""Fits by the packages on PYTHONPATH, for `before_after.py`: a line of JSON in, a line out.

    PYTHONPATH=CHECKOUT/crds:CHECKOUT/trainer:... python benchmarks/checkout_fits.py

Each line asks for one fit with the product's defaults and for its rows: `table` and `out` (Parquet
files), `rows`, `seed`. The answer has the CPU seconds of cleaning and fitting, with those of child
processes, and what the model says of itself. The first line tells where the packages are.
"""

from __future__ import annotations

import json
import os
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any

import simulacra_trainer  # sets the threads of BLAS, before NumPy reads them

# isort: split
import pyarrow as pa
import pyarrow.parquet as pq

from simulacra_trainer.pipeline.fit import fit_model
from simulacra_trainer.pipeline.generate import generate_rows, plan_generation

MODULES = (
    ("simulacra_crds.tasks", "simulacra_trainer.cleaning.clean"),
    ("simulacra_crds.contract.tasks", "simulacra_trainer.table.clean"),
)
"""Where the requests and the cleaning are: now, and on 2026-11-29."""


def modules() -> tuple[Any, Any]:
    """Return the modules of the requests and of the cleaning."""
    for names in MODULES:
        try:
            requests, cleaning = map(import_module, names)
        except ModuleNotFoundError:
            continue
        return requests, cleaning
    raise SystemExit("This checkout has none of the known modules.")


def spent() -> float:
    """Return the CPU seconds of this process and of its ended children."""
    used = os.times()
    return time.process_time() + used.children_user + used.children_system


def fit(asked: dict[str, Any], requests: Any, cleaning: Any) -> dict[str, Any]:
    """Fit a table, write rows, and return seconds and figures."""
    table = pq.read_table(asked["table"])
    began = spent()
    clean = cleaning.clean_table(table)
    request = requests.FitRequest(family="forest", seed=asked["seed"])
    trained = fit_model(clean.table, clean.schema, request)
    seconds = spent() - began
    wanted = requests.GenerateRequest(row_count=asked["rows"], seed=asked["seed"])
    rows = pa.concat_tables(generate_rows(trained, plan_generation(trained, wanted)))
    pq.write_table(rows, asked["out"])
    return {"cpu_s": seconds, "figures": dict(trained.figures)}


def main() -> None:
    """Answer each line."""
    requests, cleaning = modules()
    print(json.dumps({"trainer": str(Path(simulacra_trainer.__file__).resolve())}), flush=True)
    for line in sys.stdin:
        print(json.dumps(fit(json.loads(line), requests, cleaning)), flush=True)


if __name__ == "__main__":
    main()
