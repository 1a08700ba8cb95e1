"""Time from a table in a file to generated rows in a file, as a newcomer meets it.

    python benchmarks/first_rows.py --runs 3 --peers PYTHON

Each run is a process of its own with nothing in memory: imports, reading, fit, 2,000 rows, writing.
The product runs its three lines in Python, and `simulacra run` against a service that is up.
PYTHON is the interpreter of an environment with `sdv` and `mostlyai[local]`; without it, only the
product is timed. Every tool keeps its defaults: SDV's Gaussian copula, MOSTLY AI's local mode with
its training stopped after two minutes. Prints a Markdown table, shortest and median of the runs.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ROWS = 2_000
PYTHON = Path(sys.executable)
OURS = f"""
import sys, simulacra
simulacra.fit(sys.argv[1]).generate({ROWS}).save(sys.argv[2])
"""
SDV = f"""
import sys, pandas
from sdv.metadata import Metadata
from sdv.single_table import GaussianCopulaSynthesizer
table = pandas.read_csv(sys.argv[1])
model = GaussianCopulaSynthesizer(Metadata.detect_from_dataframes({{"table": table}}))
model.fit({{"table": table}})
model.sample({ROWS})["table"].to_csv(sys.argv[2], index=False)
"""
MOSTLY = f"""
import sys, pandas
from mostlyai.sdk import MostlyAI
mostly = MostlyAI(local=True, quiet=True)
table = {{"name": "table", "data": pandas.read_csv(sys.argv[1]),
    "tabular_model_configuration": {{"max_training_time": 2}}}}
generator = mostly.train(config={{"name": "first", "tables": [table]}})
mostly.generate(generator, size={ROWS}).data().to_csv(sys.argv[2], index=False)
"""
PEERS = {"SDV, Gaussian copula": SDV, "MOSTLY AI, local mode": MOSTLY}


def timed(command: list[str], out: Path) -> tuple[float, float]:
    """Run a command to its end; return wall and CPU seconds. It must write `out`."""
    out.unlink(missing_ok=True)
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, timeout=900)
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode or not out.exists():
        raise SystemExit(f"{' '.join(command[:2])} failed:\n{done.stderr[-2000:]}")
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall, spent


def service(folder: Path) -> subprocess.Popen[bytes]:
    """Start `simulacra up` and wait until it says where its connection file is."""
    command = [str(PYTHON), "-m", "simulacra", "up", "--data-dir", str(folder)]
    up = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not (folder / "connection.json").exists():
        if up.poll() is not None:
            raise SystemExit("simulacra up ended")
        time.sleep(0.1)
    return up


def main() -> None:
    """Time each tool and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--table", type=Path, default=ROOT / "examples" / "gss_survey.csv")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--peers", type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / "rows.csv"
        codes = {"Simulacra, three lines": (PYTHON, OURS)}
        codes |= {name: (args.peers, code) for name, code in PEERS.items() if args.peers}
        jobs = {
            name: [str(python), "-c", code, str(args.table), str(out)]
            for name, (python, code) in codes.items()
        }
        up = service(Path(scratch) / "data")
        os.environ["SIMULACRA_CONNECTION"] = str(Path(scratch) / "data" / "connection.json")
        run = ["run", str(args.table), "--rows", str(ROWS), "-o", str(out), "--json"]
        jobs["Simulacra, `simulacra run`"] = [str(PYTHON), "-m", "simulacra", *run]
        try:
            found = {
                name: [timed(job, out) for _ in range(args.runs)] for name, job in jobs.items()
            }
        finally:
            up.terminate()
            up.wait()
    print(f"load average {os.getloadavg()[0]:.1f}, {args.runs} runs, {time.strftime('%Y-%m-%d')}\n")
    print("| tool | wall s, least | wall s, median | CPU s, least |\n|---|---|---|---|")
    for name, runs in found.items():
        walls, cpu = [wall for wall, _ in runs], min(spent for _, spent in runs)
        shown = "in the service" if "run`" in name else f"{cpu:.1f}"
        print(f"| {name} | {min(walls):.1f} | {statistics.median(walls):.1f} | {shown} |")
    print(json.dumps(found), file=sys.stderr)


if __name__ == "__main__":
    main()
