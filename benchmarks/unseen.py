"""First runs on tables never used in development: the fit with its defaults, and its report.

    python benchmarks/unseen.py TABLE.csv [TABLE.csv ...] [--cart-python PYTHON]

Prints lines of Markdown; `benchmarks/results/unseen.md` keeps the results unedited. The figures
compare a model of one half of the rows with the other half; seed 0, one BLAS thread. DCR shares and
gains of attackers are of exchanged halves; gains and strong (beside what is allowed) on the scale
of the full table, empty where they are not the bar.

With the Python of an environment that has scikit-learn, pandas and pyarrow, a second line has CART
(synthpop's method, `engine_peers.py`) on the same halves by the same report. Its seconds are of
half of the rows.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from simulacra_crds.tasks import FitRequest
from simulacra_intake.rows_of_persons import persons_in
from simulacra_trainer.cleaning.clean import CleanTable, clean_table
from simulacra_trainer.pipeline.disclosure import practical_disclosure, strong_disclosure
from simulacra_trainer.pipeline.fit import fit_model
from simulacra_trainer.pipeline.holdout import HalfModelRows, Halves, exchanged_halves
from simulacra_trainer.relations.compute import without_computed
from simulacra_trainer.report import build_report, equal_halves_dcr, figures

PEERS = Path(__file__).resolve().parent / "engine_peers.py"
ATTACKS = ("nearness", "inference", "linkage")
HEAD = (
    "| table | rows x columns | | C2ST | bivariate error % (floor) | DCR share | exact copies (base"
    " of real rows) | nearness | inference | linkage | strong (allowed) | passes | scale, penalty"
    " | fit, CPU s |\n|---|---|---|---|---|---|---|---|---|---|---|---|---|---|"
)


def cells(
    f: Mapping[str, float], attacks: Mapping[str, Any] | None, strength: str, spent: float
) -> str:
    """Return the cells of one engine's figures and gains."""
    gains = ["", "", "", "", ""]
    if attacks is not None:
        gains = [f"{attacks[name]['gain']:.3f}" for name in ATTACKS]
        strong = attacks.get("strong")
        gains.append("" if strong is None else f"{strong['auc']:.3f} ({strong['allowed']:.3f})")
        gains.append("yes" if attacks["passes"] else "no")
    return (
        f" {f.get('c2st_auc', float('nan')):.3f} |"
        f" {f['bivariate_error_percent']:.2f} ({f['bivariate_floor_percent']:.2f}) |"
        f" {f['dcr_share']:.3f} | {f['exact_copies']:.3f} ({f['exact_base']:.3f}) |"
        f" {' | '.join(gains)} | {strength} | {spent:.1f} |"
    )


def ours(clean: CleanTable) -> str:
    """Fit the table with the product's defaults."""
    request = FitRequest(family="forest")
    began = time.process_time()
    found = fit_model(clean.table, clean.schema, request)
    spent, f = time.process_time() - began, found.figures
    strength = (
        f"{f['scale']:g}, {f['penalty_nats']:g}" if "scale" in f else f"{f['penalty_nats']:g}"
    )
    return cells(f, found.report["privacy"].get("attacks"), strength, spent)


def cart(clean: CleanTable, python: Path) -> str:
    """Fit CART on each half and return its cells."""
    table, schema = clean.table.combine_chunks(), clean.schema
    names = [column.name for column in schema.learned()]
    pairs = exchanged_halves(table, seed=0, persons=persons_in(table, schema))
    fitted = [drawn(pair, names, python) for pair in pairs]
    rows = [each for each, _ in fitted]
    f = figures(build_report(rows[0].halves.seen, rows[0].halves.unseen, rows[0].synthetic, schema))
    shares = [
        equal_halves_dcr(
            of.halves.seen, of.halves.unseen, of.synthetic, schema, np.random.default_rng(0)
        )[0]
        for of in rows
    ]
    learned = without_computed(schema)
    gains = practical_disclosure(rows, learned, 0)
    order = [column.name for column in learned.learned()]
    if (known := strong_disclosure(rows, learned, order, 0)) is not None:
        gains = replace(gains, strong=known[0], published=known[1])
    spent = float(np.mean([seconds for _, seconds in fitted]))
    return cells(f | {"dcr_share": float(np.mean(shares))}, gains.to_json(), "", spent)


def drawn(halves: Halves, names: list[str], python: Path) -> tuple[HalfModelRows, float]:
    """Return four rows of CART for each seen one, and the CPU seconds of its fit."""
    seen = halves.seen.select(names)
    with TemporaryDirectory() as folder:
        train, out = Path(folder) / "train.parquet", Path(folder) / "out.parquet"
        pq.write_table(seen, train)
        command = [str(python), str(PEERS), "CART", "--train", str(train), "--out", str(out)]
        command += ["--rows", str(4 * seen.num_rows)]
        printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        made = pq.read_table(out).select(names).to_pylist()
    rows = pa.Table.from_pylist(made, schema=seen.schema)
    return HalfModelRows(halves, rows), float(json.loads(printed.splitlines()[-1])["fit_cpu_s"])


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("tables", nargs="+", type=Path)
    parser.add_argument("--cart-python", type=Path, help="Python of the environment for CART")
    options = parser.parse_args()
    print(HEAD)
    for path in options.tables:
        clean = clean_table(pyarrow.csv.read_csv(path))
        size = f"{clean.table.num_rows:,} x {len(clean.schema.learned())}"
        print(f"| {path.stem} | {size} | ours |{ours(clean)}", flush=True)
        if options.cart_python is not None:
            print(f"| | | CART |{cart(clean, options.cart_python)}", flush=True)


if __name__ == "__main__":
    main()
