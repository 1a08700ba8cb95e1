"""A million rows fit and ten million generated: seconds, rows a second and peak memory.

    python benchmarks/scale.py

The trainer's command fits a table of 30 columns in correlated blocks (numbers, counts, levels,
spikes, missing values) from a sample of it, and generates into one Parquet file, with one worker
and with two. The peaks of one and of ten million rows show whether memory is flat. Writes
benchmarks/results/scale.md.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from engine import RESULTS, run

BLOCK = 10


def wide_table(rows: int, columns: int, seed: int = 0) -> pa.Table:
    """Draw a table: blocks of ten columns share a factor, and all blocks share another."""
    rng = np.random.default_rng(seed)
    common, out = rng.normal(size=rows), {}
    for block in range(max(columns // BLOCK, 1)):
        factor = 0.5 * common + rng.normal(size=rows)
        for k in range(min(BLOCK, columns)):
            x = 0.8 * factor + 0.6 * rng.normal(size=rows)
            missing = rng.random(rows) < 0.05
            spiked = np.where(rng.random(rows) < 0.3, 0.0, np.round(x, 1))
            kinds = (
                lambda x=x: pa.array(x),
                lambda x=x: pa.array(np.round(np.exp(x) * 10).astype(np.int64)),
                lambda x=x: pa.array(
                    np.array(list("abcdefgh"))[np.clip((1.5 * x + 4).astype(int), 0, 7)]
                ),
                lambda x=x: pa.array(np.where(x > 0.5, "yes", "no")),
                lambda spiked=spiked, missing=missing: pa.array(spiked, mask=missing),
            )
            out[f"block{block}_{k}"] = kinds[k % len(kinds)]()
    return pa.table(out)


def main() -> None:
    """Measure and write the result."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows to fit")
    parser.add_argument("--columns", type=int, default=30)
    parser.add_argument("--generate", type=int, nargs="+", default=[1_000_000, 10_000_000])
    args = parser.parse_args()
    page = [
        "# Scale",
        "",
        (
            f"`python benchmarks/scale.py --rows {args.rows} --columns {args.columns}`,"
            f" {time.strftime('%Y-%m-%d')},"
        ),
        (
            f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} (a shared"
            " machine: CPU seconds"
        ),
        "are the steadier figure). Start of the process included.",
        "",
        "| step | workers | wall s | CPU s | rows/s | rows per CPU s | peak MB |",
        "|---|---|---|---|---|---|---|",
    ]
    trainer = [sys.executable, "-m", "simulacra_trainer"]
    with tempfile.TemporaryDirectory() as scratch:
        data, model, out = (
            str(Path(scratch) / name) for name in ("data.parquet", "model", "out.parquet")
        )
        pq.write_table(wide_table(args.rows, args.columns), data)
        steps = [
            (
                "fit",
                args.rows,
                2,
                [*trainer, "fit", "--data", data, "--out", model, "--family", "forest"],
            )
        ]
        for rows in args.generate:
            command = [*trainer, "generate", "--model", model, "--rows", str(rows), "--out", out]
            steps += [("generate", rows, workers, command) for workers in (1, 2)]
        for step, rows, workers, command in steps:
            _, used = run(["env", f"OMP_NUM_THREADS={workers}", *command])
            wall, cpu = used["wall_s"], used["cpu_s"]
            rates = f"{rows / wall:,.0f} | {rows / cpu:,.0f}"
            page.append(
                f"| {step} {rows:,} x {args.columns} | {workers} | {wall:.1f} | {cpu:.1f} | {rates}"
                f" | {used['peak_mb']:,.0f} |"
            )
            print(page[-1], flush=True)
    (RESULTS / "scale.md").write_text("\n".join([*page, ""]))


if __name__ == "__main__":
    main()
