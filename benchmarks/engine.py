"""The engine beside its peers: fidelity, utility, privacy, speed and memory, each table in one run.

    python benchmarks/engine.py     # the bench tables if present, else that of examples/
    python benchmarks/engine.py --tables telco --engines forest CART

The product runs by its three commands, as for users; a peer runs in its own environment
(`requirements.txt`), which is made under the cache folder on the first run. `evaluate.py` of the
bench beside the repository judges all of them; without it, only times are reported and the file
says so. Rows per second: for the product one `generate` command of a million rows, start included;
for a peer one call in a warm process. The result: engine.json, engine.md and engine.png under
benchmarks/results; a run replaces the lines that it measures.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

HERE = Path(__file__).resolve().parent
BENCH = HERE.parents[1] / "shared" / "bench"
RESULTS = HERE / "results"
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "simulacra" / "bench-venv"
TARGETS = {
    "adult": "income",
    "gss": "happy",
    "telco": "churn",
    "shoppers": "Revenue",
    "survey": "happy",
}
OURS = ("forest", "neural")
PEERS = ("CART", "GaussianCopula", "TabularARGN")
FLOOR = "real training rows (floor)"
MANY_ROWS = 1_000_000
THREADS = {"OPENBLAS_NUM_THREADS": "1"}
"""LightGBM and BLAS spin on shared cores; the product sets its own thread counts."""
QUIET_LOAD, WAIT_S = 3.0, 300.0


@dataclass
class Row:
    """One line of the result: engine, table, day, load average and the measured figures."""

    table: str
    engine: str
    figures: dict[str, float] = field(default_factory=dict)
    failure: str = ""
    day: str = field(default_factory=lambda: time.strftime("%Y-%m-%d"))
    load: str = field(default_factory=lambda: f"{os.getloadavg()[0]:.1f}")


@dataclass(frozen=True)
class Table:
    """A table split into training rows and held-out rows."""

    name: str
    train: Path
    holdout: Path
    target: str


def environment() -> Path:
    """Return the Python of the peers' environment; create it if it is missing."""
    python = CACHE / "bin" / "python"
    wanted = HERE / "requirements.txt"
    stamp = CACHE / ".installed"
    if not stamp.exists() or stamp.read_text() != wanted.read_text():
        subprocess.run([sys.executable, "-m", "venv", str(CACHE)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "-q", "-r", str(wanted)], check=True)
        stamp.write_text(wanted.read_text())
    return python


def tables(names: list[str], scratch: Path) -> list[Table]:
    """Return the bench tables, or the example survey split four to one without the bench."""
    found = []
    for name in names:
        train, holdout = (
            BENCH / "data" / f"{name}_{part}.parquet" for part in ("train", "holdout")
        )
        if train.exists():
            found.append(Table(name, train, holdout, TARGETS[name]))
    if not found:
        whole = pa.csv.read_csv(HERE.parent / "examples" / "gss_survey.csv")
        order = np.random.default_rng(0).permutation(whole.num_rows)
        cut = 4 * whole.num_rows // 5
        parts = [scratch / "survey_train.parquet", scratch / "survey_holdout.parquet"]
        for part, rows in zip(parts, (order[:cut], order[cut:]), strict=True):
            pq.write_table(whole.take(pa.array(np.sort(rows))), part)
        found.append(Table("survey", *parts, TARGETS["survey"]))
    return found


def run(command: list[str], limit_s: float = 600.0) -> tuple[str, dict[str, float]]:
    """Run a command; return stdout, wall and CPU seconds (with its children's) and peak MB."""
    began = time.perf_counter()
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        limited = ["timeout", "-k", "5", str(limit_s), *command]
        process = subprocess.Popen(limited, stdout=out, stderr=err, env=os.environ | THREADS)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        wall = time.perf_counter() - began
        out.seek(0)
        err.seek(0)
        if process.returncode:
            output = err.read().decode(errors="replace").strip().splitlines()
            raise RuntimeError(
                f"exit status {process.returncode}: {output[-1] if output else 'no message'}"
            )
        output = out.read().decode()
    # The child is `timeout`; the usage of its own children is added when it waits for them.
    return output, {
        "wall_s": wall,
        "cpu_s": usage.ru_utime + usage.ru_stime,
        "peak_mb": usage.ru_maxrss / 1024,
    }


def compile_kernels() -> None:
    """Have numba compile its kernels first, because that is part of the installation."""
    root = HERE.parent
    run(
        [
            sys.executable,
            str(root / "images" / "warm.py"),
            str(root / "examples" / "gss_survey.csv"),
        ]
    )


def run_product(family: str, table: Table, rows: int, out: Path) -> dict[str, float]:
    """Fit and generate by the commands of the trainer."""
    command, model = [sys.executable, "-m", "simulacra_trainer"], str(out.with_suffix(".model"))
    _, fit = run([*command, "fit", "--data", str(table.train), "--out", model, "--family", family])
    run([*command, "generate", "--model", model, "--rows", str(rows), "--out", str(out)])
    many = str(out.with_suffix(".many.parquet"))
    _, big = run([*command, "generate", "--model", model, "--rows", str(MANY_ROWS), "--out", many])
    Path(many).unlink()
    return {
        "fit_cpu_s": fit["cpu_s"],
        "fit_wall_s": fit["wall_s"],
        "rows_per_s": MANY_ROWS / big["wall_s"],
        "peak_mb": max(fit["peak_mb"], big["peak_mb"]),
    }


def run_peer(python: Path, name: str, table: Table, out: Path, seconds: float) -> dict[str, float]:
    """Fit and sample a peer in its environment."""
    script = str(HERE / "engine_peers.py")
    output, used = run(
        [
            str(python),
            script,
            name,
            "--train",
            str(table.train),
            "--out",
            str(out),
            "--seconds",
            str(seconds),
        ]
    )
    return {**json.loads(output.splitlines()[-1]), "peak_mb": used["peak_mb"]}


def judge(python: Path, table: Table, synthetic: Path) -> dict[str, float]:
    """Return the figures of evaluate.py; empty if the bench is absent."""
    script = BENCH / "evaluate.py"
    if not script.exists():
        return {}
    paths = [
        "--train",
        str(table.train),
        "--holdout",
        str(table.holdout),
        "--synthetic",
        str(synthetic),
    ]
    answer = synthetic.with_suffix(".json")
    run(
        [
            str(python),
            str(script),
            *paths,
            "--target",
            table.target,
            "--task",
            "class",
            "--out",
            str(answer),
        ]
    )
    found: dict[str, float] = json.loads(answer.read_text())
    return found


def measure(
    table: Table, engines: list[str], python: Path, scratch: Path, seconds: float
) -> list[Row]:
    """Run all engines on one table; the first row, the floor, is the training rows themselves."""
    rows = pq.read_metadata(table.train).num_rows
    floor = scratch / f"{table.name}-floor.parquet"
    shutil.copyfile(table.train, floor)
    lines = [Row(table.name, FLOOR, judge(python, table, floor))]
    for engine in engines:
        out = scratch / f"{table.name}-{engine}.parquet"
        line = Row(table.name, engine)
        try:
            is_ours = engine in OURS
            used = (
                run_product(engine, table, rows, out)
                if is_ours
                else run_peer(python, engine, table, out, seconds)
            )
            line.figures = used | judge(python, table, out)
        except (RuntimeError, OSError, ValueError) as error:
            line.failure = str(error)[:200]
        lines.append(line)
        print(
            table.name,
            engine,
            line.failure or {k: round(v, 4) for k, v in line.figures.items()},
            flush=True,
        )
    return lines


Show = Callable[[dict[str, float], dict[str, float]], str]
COLUMNS: dict[str, Show] = {
    "fit CPU s": lambda f, _: f"{f['fit_cpu_s']:.1f}",
    "fit wall s": lambda f, _: f"{f['fit_wall_s']:.1f}",
    "rows/s": lambda f, _: f"{f['rows_per_s'] / 1000:,.0f}k",
    "peak MB": lambda f, _: f"{f['peak_mb']:,.0f}",
    "C2ST": lambda f, _: f"{f['c2st_auc']:.3f}",
    "bivariate error % (over floor)": lambda f, g: (
        f"{f['biv_err_ho']:.2f} ({f['biv_err_ho'] - g['biv_err_ho']:+.2f})"
    ),
    "TSTR / TRTR": lambda f, g: f"{f['tstr'] / g['trtr']:.3f}",
    "DCR share": lambda f, _: f"{f['dcr_share']:.3f}",
    "copies % (real rows)": lambda f, g: (
        f"{100 * f['exact_train']:.2f} ({100 * g['exact_base']:.2f})"
    ),
}


def merge_results(lines: list[Row]) -> list[Row]:
    """Store the lines; return them with the earlier ones that they do not replace."""
    store = RESULTS / "engine.json"
    kept = (
        {(row["table"], row["engine"]): Row(**row) for row in json.loads(store.read_text())}
        if store.exists()
        else {}
    )
    kept |= {(line.table, line.engine): line for line in lines}
    rank = [FLOOR, *OURS, *PEERS]
    rows = sorted(
        kept.values(), key=lambda line: (list(TARGETS).index(line.table), rank.index(line.engine))
    )
    store.write_text(json.dumps([vars(row) for row in rows], indent=1) + "\n")
    return rows


def markdown(lines: list[Row], seconds: float) -> str:
    """Return the result as a Markdown page."""
    head = ["table", "engine", *COLUMNS, "load, day"]
    page = [
        "# The engine beside its peers",
        "",
        (
            f"`python benchmarks/engine.py`, {platform.machine()}, {os.cpu_count()} cores, Python"
            f" {platform.python_version()}. The machine is shared: *load* is its load average when"
            " a line began, and wall times are upper bounds. TabularARGN was stopped after"
            f" {seconds:.0f} s of training."
        ),
        "",
        "| " + " | ".join(head) + " |",
        "|" + "---|" * len(head),
    ]
    floors = {line.table: line.figures for line in lines if line.engine == FLOOR}
    for line in lines:
        cells = [_cell(show, line.figures, floors.get(line.table, {})) for show in COLUMNS.values()]
        if line.failure:
            cells = [f"failed: {line.failure}"] + [""] * (len(cells) - 1)
        page.append(
            "| " + " | ".join([line.table, line.engine, *cells, f"{line.load}, {line.day}"]) + " |"
        )
    if not any(floors.values()):
        page += [
            "",
            (
                "**Skipped:** fidelity, utility and privacy, because the bench is not beside the"
                " repository."
            ),
        ]
    return "\n".join([*page, "", "![realism, privacy and speed](engine.png)", ""])


def _cell(show: Show, figures: dict[str, float], floor: dict[str, float]) -> str:
    try:
        return show(figures, floor)
    except KeyError:
        return ""


def main() -> None:
    """Run the benchmark and write its result."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--tables", nargs="+", choices=list(TARGETS)[:-1], default=list(TARGETS)[:-1]
    )
    parser.add_argument("--engines", nargs="+", choices=[*OURS, *PEERS])
    parser.add_argument(
        "--seconds", type=float, default=90.0, help="training time of TabularARGN, at most"
    )
    args = parser.parse_args()
    neural = importlib.util.find_spec("pytorch_lightning") is not None
    engines = args.engines or [*OURS[: 1 + neural], *PEERS]
    python = environment()
    compile_kernels()
    deadline = time.monotonic() + WAIT_S
    while os.getloadavg()[0] >= QUIET_LOAD and time.monotonic() < deadline:
        time.sleep(10)
    with tempfile.TemporaryDirectory() as scratch:
        lines = [
            line
            for table in tables(args.tables, Path(scratch))
            for line in measure(table, engines, python, Path(scratch), args.seconds)
        ]
    RESULTS.mkdir(exist_ok=True)
    lines = merge_results(lines)
    (RESULTS / "engine.md").write_text(markdown(lines, args.seconds))
    data = json.dumps([vars(line) for line in lines])
    plot = [str(python), str(HERE / "engine_plot.py"), str(RESULTS / "engine.png")]
    subprocess.run(plot, input=data, text=True, check=True)


if __name__ == "__main__":
    main()
