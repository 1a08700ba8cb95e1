"""First runs on tables never used in development: the fit with its defaults, and its report.

    python benchmarks/unseen.py TABLE.csv [TABLE.csv ...]

Prints one line of Markdown a table; `benchmarks/results/unseen.md` keeps the results unedited. The
figures compare a model of one half of the rows with the other half; seed 0, one BLAS thread.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import pyarrow.csv

from simulacra_crds.contract.tasks import FitRequest
from simulacra_trainer.pipeline.fit import fit_model, fit_steps
from simulacra_trainer.progress import ProgressMeter
from simulacra_trainer.table.clean import clean_table

HEAD = (
    "| table | rows x columns | C2ST | bivariate error % (floor) | DCR share | exact copies (base"
    " of real rows) | penalty, nats | fit, CPU s |\n|---|---|---|---|---|---|---|---|"
)


def line(path: Path) -> str:
    """Fit one table and return its line."""
    clean = clean_table(pyarrow.csv.read_csv(path))
    request = FitRequest(family="forest")
    began = time.process_time()
    found = fit_model(
        clean.table, clean.schema, request, ProgressMeter(fit_steps(request), lambda _report: None)
    )
    spent, f = time.process_time() - began, found.figures
    size = f"{clean.table.num_rows:,} x {len(clean.schema.learned())}"
    return (
        f"| {path.stem} | {size} | {f.get('c2st_auc', float('nan')):.3f} |"
        f" {f['bivariate_error_percent']:.2f} ({f['bivariate_floor_percent']:.2f}) |"
        f" {f['dcr_share']:.3f} ± {f['dcr_standard_error']:.3f} | {f['exact_copies']:.3f}"
        f" ({f['exact_base']:.3f}) | {f['penalty_nats']:g} | {spent:.1f} |"
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("tables", nargs="+", type=Path)
    print(HEAD)
    for path in parser.parse_args().tables:
        print(line(path), flush=True)


if __name__ == "__main__":
    main()
