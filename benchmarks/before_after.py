"""The engine of an earlier commit beside the one here: the same samples, one run, one judge.

    git worktree add --detach /tmp/before COMMIT
    python benchmarks/before_after.py --before /tmp/before --out lines.jsonl unseen TABLE.csv ...
    python benchmarks/before_after.py ... survey --n 500 --samples 2 --first 20 [--surveys gss]
    python benchmarks/before_after.py ... engine adult gss --judge-python PYTHON

What --out has of both is not measured again.

Both fit by `checkout_fits.py`, each in one process that has fit a table before, in turns. All rows
are judged by the code here, and by the bench's `worth.py` and `evaluate.py`. CPU seconds are those
of cleaning and fitting, one BLAS thread.

- unseen: each half of a table is fit as a table of its own, and judged against the other half by
  the report's figures and attackers (gains on the scale of the full table, as in `unseen.py`); the
  rows of both commits are cleaned together with the real ones. One level: C2ST with one level for
  words that fewer than five persons of the table have. Seconds are of fits of the whole table.
- survey: whole figures of `survey.py`; `survey.py --summary --out lines.jsonl` prints them.
- engine: `evaluate.py` on the bench's tables, as in `engine.py`.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import warnings
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import simulacra_trainer  # noqa: F401  sets the threads of BLAS, before NumPy reads them

# isort: split
import engine
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
from survey import ROWS, SAMPLE, bench_judge, draw, load
from survey_figures import FEW_PERSONS, Judge, disclosed, one_level, realism

from simulacra_trainer.cleaning.clean import clean_table
from simulacra_trainer.pipeline.disclosure import practical_disclosure, strong_disclosure
from simulacra_trainer.pipeline.holdout import HalfModelRows, Halves
from simulacra_trainer.relations.compute import without_computed
from simulacra_trainer.report import build_report, equal_halves_dcr, figures

HERE = Path(__file__).resolve().parent
BEFORE, NOW = "before", "now"
SIDES = (BEFORE, NOW)
PER_ROW = 4
"""Rows drawn for each row that was fit."""
WARM = HERE.parent / "examples" / "gss_survey.csv"
WARM_ROWS = 300


class Checkout:
    """A process that fits tables by the packages of one checkout."""

    def __init__(self, root: Path, scratch: Path) -> None:
        self.scratch = scratch
        folders = [str(of.parent) for of in root.glob("*/simulacra*") if of.is_dir()]
        environment = os.environ | engine.THREADS | {"PYTHONPATH": os.pathsep.join(folders)}
        command = [sys.executable, str(HERE / "checkout_fits.py")]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self.process = subprocess.Popen(command, env=environment, text=True, **pipes)
        found = Path(self._answer()["trainer"])
        if not found.is_relative_to(root.resolve()):
            raise SystemExit(f"{found} is not in {root}.")
        self.rows(pyarrow.csv.read_csv(WARM).slice(0, WARM_ROWS).to_pandas(), WARM_ROWS, 0)

    def _answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit("The process of a checkout has ended.")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def rows(self, table: pd.DataFrame, count: int, seed: int) -> tuple[pd.DataFrame, Any]:
        """Fit a table; return rows with the table's columns, and seconds and figures."""
        paths = {name: str(self.scratch / f"{name}.parquet") for name in ("table", "out")}
        pq.write_table(pa.Table.from_pandas(table, preserve_index=False), paths["table"])
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(paths | {"rows": count, "seed": seed}) + "\n")
        self.process.stdin.flush()
        answer = self._answer()
        rows = pq.read_table(paths["out"]).to_pandas()
        for name in table:
            if name not in rows:  # a column that is constant in the table
                rows[name] = table[name].iloc[0]
        return rows[[*table.columns]], answer

    def close(self) -> None:
        """End the process."""
        self.process.communicate()


def unseen(sides: dict[str, Checkout], options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Fit tables and their halves; yield a line for each table and side."""
    for place, path in enumerate(options.tables):
        if path.stem in options.known:
            continue
        whole = pyarrow.csv.read_csv(path).to_pandas()
        turns = SIDES if place % 2 == 0 else SIDES[::-1]
        cpu = {side: sides[side].rows(whole, 1, 0)[1]["cpu_s"] for side in turns}
        order = np.random.default_rng([0, 17]).permutation(len(whole))[: len(whole) // 2 * 2]
        one, other = (whole.iloc[np.sort(of)].reset_index(drop=True) for of in np.split(order, 2))
        made: dict[str, list[pd.DataFrame]] = {side: [] for side in SIDES}
        for half in (one, other):
            for side in turns:
                made[side].append(sides[side].rows(half, PER_ROW * len(half), 0)[0])
        found = judged(one, other, made)
        rare = has_rare_words(whole)
        for side in SIDES:
            if rare:
                pairs = zip((other, one), made[side], strict=True)
                grouped = [
                    realism(*(one_level(of, whole) for of in pair), at)
                    for at, pair in enumerate(pairs)
                ]
                found[side]["one_level"] = float(np.mean(grouped))
            size = {"rows": len(whole), "columns": whole.shape[1]}
            yield {"table": path.stem, "side": side} | size | found[side] | {"cpu_s": cpu[side]}


def judged(
    one: pd.DataFrame, other: pd.DataFrame, made: dict[str, list[pd.DataFrame]]
) -> dict[str, dict[str, Any]]:
    """Return the report's figures and gains of the rows of each side."""
    frames = [one, other, *(rows for side in SIDES for rows in made[side])]
    clean = clean_table(pa.Table.from_pandas(pd.concat(frames), preserve_index=False))
    schema = clean.schema
    names = [column.name for column in schema.learned()]
    table = clean.table.select(names).combine_chunks()
    ends = np.cumsum([0, *map(len, frames)]).tolist()
    if table.num_rows != ends[-1]:
        raise SystemExit("Cleaning left out rows, so that they cannot be told apart.")
    cut = [table.slice(at, len(frame)) for at, frame in zip(ends, frames, strict=False)]
    pairs = (Halves(cut[0], cut[1]), Halves(cut[1], cut[0]))
    learned = without_computed(schema)
    order = [column.name for column in learned.learned()]
    found = {}
    for at, side in enumerate(SIDES):
        rng = np.random.default_rng(0)
        drawn = [
            HalfModelRows(pair, rows.take(pa.array(rng.permutation(len(rows)))))
            for pair, rows in zip(pairs, cut[2 + 2 * at : 4 + 2 * at], strict=True)
        ]
        reports = [
            figures(build_report(of.halves.seen, of.halves.unseen, of.synthetic, schema))
            for of in drawn
        ]
        shares = [
            equal_halves_dcr(
                of.halves.seen, of.halves.unseen, of.synthetic, schema, np.random.default_rng(0)
            )[0]
            for of in drawn
        ]
        gains = practical_disclosure(drawn, learned, 0)
        if (known := strong_disclosure(drawn, learned, order, 0)) is not None:
            gains = replace(gains, strong=known[0], published=known[1])
        kept = ("c2st_auc", "bivariate_error_percent", "bivariate_floor_percent")
        found[side] = {key: float(np.mean([of.get(key, np.nan) for of in reports])) for key in kept}
        found[side] |= {"dcr_share": float(np.mean(shares)), "attacks": gains.to_json()}
    return found


def has_rare_words(table: pd.DataFrame) -> bool:
    """Return whether a word of the table is of fewer than five persons."""
    words = (table[name] for name in table if not pd.api.types.is_numeric_dtype(table[name]))
    return any((of.value_counts() < FEW_PERSONS).any() for of in words)


def survey(sides: dict[str, Checkout], options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Fit samples of populations; yield a line for the sample and for each side."""
    tools = bench_judge(options.bench)
    surveys = {name: load(name, tools) for name in options.surveys}
    judges = {name: Judge(of, tools) for name, of in surveys.items()}
    for seed in range(options.first, options.first + options.samples):
        for place, (name, of) in enumerate(surveys.items()):
            if (name, seed) in options.known:
                continue
            parts = draw(of.table, options.n, seed)
            about = {"survey": name, "n": options.n, "sample": seed}
            own = judges[name].figures(parts.sample, parts.sample)
            own |= judges[name].learned(parts, parts.sample)
            turns = SIDES if (seed + place) % 2 == 0 else SIDES[::-1]
            lines = {side: survey_line(sides[side], parts, judges[name], seed) for side in turns}
            yield about | {"engine": SAMPLE} | own
            for side in SIDES:
                yield about | {"engine": side} | lines[side]


def survey_line(side: Checkout, parts: Any, judge: Judge, seed: int) -> dict[str, Any]:
    """Fit one side on a sample and return its figures."""
    rows, answer = side.rows(parts.sample, ROWS, seed)
    found = {"cpu_s": answer["cpu_s"]} | judge.figures(parts.sample, rows)
    found |= judge.learned(parts, rows)
    return found | disclosed(parts, rows, seed)


def bench(sides: dict[str, Checkout], options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Fit tables of the bench; yield a line for each table and side."""
    for place, table in enumerate(engine.tables(options.tables, sides[NOW].scratch)):
        if table.name in options.known:
            continue
        train = pq.read_table(table.train).to_pandas()
        for side in SIDES if place % 2 == 0 else SIDES[::-1]:
            rows, answer = sides[side].rows(train, len(train), 0)
            out = sides[side].scratch / "judged.parquet"
            rows.to_parquet(out, index=False)
            found = engine.judge(options.judge_python, table, out)
            yield {"table": table.name, "side": side, "cpu_s": answer["cpu_s"]} | found


def known(path: Path) -> set[Any]:
    """Return tables, and populations with samples, whose lines of both sides are in a file."""
    lines = path.read_text().splitlines() if path.exists() else []
    found = [json.loads(line) for line in lines]
    keys = [of.get("table") or (of["survey"], of["sample"]) for of in found]
    sides = [of.get("side") or of["engine"] for of in found]
    return set.intersection(
        *({k for k, s in zip(keys, sides, strict=True) if s == side} for side in SIDES)
    )


def main() -> None:
    """Write a line for each fit that is judged."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--before", type=Path, required=True, help="checkout of the commit before")
    parser.add_argument("--out", type=Path, required=True)
    kinds = parser.add_subparsers(required=True)
    of = kinds.add_parser("unseen")
    of.add_argument("tables", nargs="+", type=Path)
    of.set_defaults(measure=unseen)
    of = kinds.add_parser("survey")
    of.add_argument("--bench", type=Path, default=engine.BENCH)
    of.add_argument("--surveys", nargs="+", default=["gss", "telco", "adult", "fair"])
    of.add_argument("--n", type=int, default=500)
    of.add_argument("--samples", type=int, default=1)
    of.add_argument("--first", type=int, default=0, help="seed of the first sample")
    of.set_defaults(measure=survey)
    of = kinds.add_parser("engine")
    of.add_argument("tables", nargs="+")
    of.add_argument("--judge-python", type=Path, required=True)
    of.set_defaults(measure=bench)
    options = parser.parse_args()
    options.known = known(options.out)
    warnings.filterwarnings("ignore")
    with TemporaryDirectory() as folder, ExitStack() as stack:
        sides = {}
        for side, root in ((BEFORE, options.before), (NOW, HERE.parent)):
            scratch = Path(folder) / side
            scratch.mkdir()
            sides[side] = Checkout(root.resolve(), scratch)
            stack.callback(sides[side].close)
        for line in options.measure(sides, options):
            line |= {"load": round(os.getloadavg()[0], 1)}
            with options.out.open("a") as file:
                file.write(json.dumps(line) + "\n")
            print({key: value for key, value in line.items() if not isinstance(value, list | dict)})
            sys.stdout.flush()


if __name__ == "__main__":
    main()
