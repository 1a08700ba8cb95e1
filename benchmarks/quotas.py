"""Quota sheets on six public tables: met to the row or told why not, their time, the rest of a row.

    python benchmarks/quotas.py                  # writes benchmarks/results/quotas.md

A model is fit on at most 1,500 rows of each table with the product's defaults. Half of the random
sheets take their shares from a random reweighting of people, so that some table meets them; the
others take any shares, so that most conflict. Cells are ranges, levels or both, exact or between
two ends, overlapping as they fall. Each table gets a column of days, because three have none.

The C2ST is the AUC of the report's boosted trees between generated rows under a feasible sheet and
people whom training never saw, raked to the same quotas; columns of quotas are left out. The floor
is the AUC of training rows raked in the same way.
"""

from __future__ import annotations

import platform
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from statsmodels.datasets import anes96, fair

from simulacra_crds.tasks import FitRequest, GenerateRequest
from simulacra_intake.arrow_values import as_floats
from simulacra_intake.errors import InputError
from simulacra_intake.survey_weights import draw_in_proportion
from simulacra_schema.conditions import ConditionSet
from simulacra_schema.quotas import Quota
from simulacra_schema.table import TableSchema
from simulacra_trainer.cleaning.clean import clean_table
from simulacra_trainer.conditions.cells import find_cells
from simulacra_trainer.conditions.margins import rake
from simulacra_trainer.conditions.plan import _request
from simulacra_trainer.conditions.quota_cells import quota_conditions, rows_in
from simulacra_trainer.pipeline.fit import TrainedModel, fit_model
from simulacra_trainer.pipeline.generate import plan_generation
from simulacra_trainer.pipeline.row_plan import draw_chunk
from simulacra_trainer.report.comparison.discriminator import two_sample_auc

HERE = Path(__file__).resolve().parent
DATA = HERE.parents[1] / "shared" / "bench" / "data"
ROWS, TRAIN, SHEETS, TABLES = 5_000, 1_500, 34, ("adult", "gss", "shoppers", "telco")
DAY = np.datetime64("2024-01-01")
TRIES = 3
"""Sheets of a table whose rest of the row is compared."""


@dataclass
class Found:
    """Outcomes of the sheets of one table."""

    name: str
    met: int = 0
    told: int = 0
    refused: int = 0
    lost: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    plain: list[float] = field(default_factory=list)
    aucs: list[tuple[float, float]] = field(default_factory=list)


def table_of(name: str) -> tuple[pa.Table, pa.Table, TableSchema]:
    """Return clean training and held-out rows, with a column of days, and their schema."""
    if name in TABLES:
        both = pa.concat_tables(
            pq.read_table(DATA / f"{name}_{of}.parquet").slice(0, TRAIN)
            for of in ("train", "holdout")
        )
    else:
        loaded = {"anes96": anes96, "fair": fair}[name].load_pandas().data
        rows = loaded.sample(frac=1.0, random_state=1)[: 2 * TRAIN]
        both = pa.Table.from_pandas(rows, preserve_index=False)
    codes = np.unique([str(one) for one in both.column(0).to_pylist()], return_inverse=True)[1]
    days = np.random.default_rng(1).integers(0, 300, both.num_rows) + codes % 60
    both = both.append_column("day", pa.array(DAY + days.astype("timedelta64[D]")))
    cleaned = clean_table(both)
    half = min(both.num_rows // 2, TRAIN)
    train, rest = cleaned.table.slice(0, half), cleaned.table.slice(half)
    return train.combine_chunks(), rest.combine_chunks(), cleaned.schema


def random_cell(trained: TrainedModel, rng: np.random.Generator) -> dict[str, object]:
    """Return one or two columns with a range or some levels, away from the rarest."""
    columns = [c for c in trained.schema.columns if c.learned and c.kind != "multi"]
    where: dict[str, object] = {}
    for at in rng.permutation(len(columns))[: rng.integers(1, 4)]:
        column = columns[at]
        if column.levels and column.kind != "integer":
            most = max(len(column.levels) // 2, 1)
            names = rng.permutation([one.value for one in column.levels])
            where[column.name] = [str(one) for one in names[: rng.integers(1, most + 1)]]
            continue
        values = as_floats(trained.table.column(column.name))
        low, high = np.nanquantile(values, np.sort(rng.random(2)))
        if column.kind == "datetime":
            ends = [
                str(np.datetime64(int(end), "us").astype("datetime64[D]")) for end in (low, high)
            ]
            where[column.name] = {"earliest": ends[0], "latest": ends[1]}
        else:
            where[column.name] = {"min": float(low), "max": float(high)}
    return where


def sheet(trained: TrainedModel, rng: np.random.Generator, *, feasible: bool) -> dict[str, object]:
    """Return random conditions with 2 to 12 quotas."""
    people = trained.table
    weight = rng.dirichlet(np.full(people.num_rows, 2.0))
    quotas: list[dict[str, object]] = []
    for _ in range(rng.integers(2, 13)):
        where = random_cell(trained, rng)
        inside = rows_in(Quota.model_validate({"where": where, "min": 0.0}), people)
        share = float(min(weight[inside].sum(), 1.0)) if feasible else float(rng.random() ** 3)
        if rng.random() < 0.6:
            quotas.append({"where": where, "share": share})
        else:
            quotas.append({"where": where, "min": share * 0.9, "max": min(share * 1.1, 1.0)})
    return {"quotas": quotas}


def judge(trained: TrainedModel, conditions: dict[str, object], found: Found, seed: int) -> bool:
    """Plan a sheet and count its rows again; return whether it is met."""
    request = GenerateRequest(row_count=ROWS, conditions=conditions, seed=seed)
    began = time.process_time()
    try:
        plan = plan_generation(trained, request)
    except InputError as error:
        found.seconds.append(time.process_time() - began)
        named = error.pointer is not None and error.pointer.startswith("/conditions/quotas")
        found.refused += named
        if not named:
            found.lost.append(error.detail)
        return False
    found.seconds.append(time.process_time() - began)
    drawn = plan.given.take(pa.array(plan.picks))
    outcomes = plan.attainment.quotas or []
    for quota, one in zip(request.conditions.quotas, outcomes, strict=True):
        rows = int(rows_in(quota, drawn).sum())
        low, high = (np.array(quota.bounds) * ROWS).tolist()
        is_met = low - 1 + 1e-6 < rows < high + 1 - 1e-6
        if rows != one.rows or is_met != one.met or not (one.met or one.why):
            found.lost.append(f"{quota.words()}: {rows} of {low:.1f} to {high:.1f}, said {one}")
    met = all(one.met for one in outcomes)
    found.met += met
    found.told += not met
    return met


def plain_seconds(trained: TrainedModel, seed: int) -> float:
    """Return the CPU seconds of one condition of today on a level or range."""
    column = next(c for c in trained.schema.columns if c.learned and c.levels)
    asked = {"categorical": {column.name: {column.levels[0].value: 0.3}}}
    began = time.process_time()
    plan_generation(trained, GenerateRequest(row_count=ROWS, conditions=asked, seed=seed))
    return time.process_time() - began


def raked(table: pa.Table, conditions: ConditionSet) -> np.ndarray | None:
    """Return the weights of real rows under quotas; None if they do not have them."""
    quotas = quota_conditions(conditions.quotas)
    classes = [one.classify(table) for one in quotas]
    cells = find_cells(classes, [2] * len(quotas), table.num_rows)
    bounds = _request([], quotas).bounds
    p, error = rake(cells, cells.weight, bounds.low, 3_000, bounds)
    return (p / cells.weight)[cells.of_row] if error < 1e-3 else None


def rest_of_the_row(
    trained: TrainedModel, holdout: pa.Table, conditions: ConditionSet, seed: int
) -> tuple[float, float] | None:
    """Return the AUC of generated rows and of training rows beside people under the quotas."""
    weights = [raked(table, conditions) for table in (holdout, trained.table)]
    if weights[0] is None or weights[1] is None:
        return None
    rng = np.random.default_rng(seed)
    people, floor = (
        table.take(pa.array(draw_in_proportion(of, 1_500, rng)))
        for table, of in zip((holdout, trained.table), weights, strict=True)
    )
    request = GenerateRequest(row_count=1_500, conditions=conditions, seed=seed)
    plan = plan_generation(trained, request)
    rows = draw_chunk(plan, 0, 0, 1_500)
    names = [c.name for c in trained.schema.learned() if c.name not in conditions.columns()]
    if not names:
        return None
    found = [two_sample_auc(people, other, names, rng) for other in (rows, floor)]
    return None if None in found else (found[0], found[1])


def markdown(all_found: list[Found], cpu: float) -> str:
    """Return the result as a Markdown page."""
    head = ("table", "sheets", "met to the row", "refused, cells named", "rows, missed cells named")
    head += ("neither", "CPU s, mean", "largest", "CPU s of one share", "C2ST", "floor")
    lines = [
        "# Quotas: met or told, and how real the rest of a row is\n",
        f"`python benchmarks/quotas.py`, {time.strftime('%Y-%m-%d')}, {platform.machine()}, Python "
        f"{platform.python_version()}, {cpu / 60:.1f} CPU minutes.\n{ROWS:,} rows a sheet of 2 to "
        f"12 quotas; models of at most {TRAIN:,} rows with the defaults. Half of the sheets are "
        "feasible for some weighting of people,\nthe others ask for any shares. CPU seconds are of "
        "planning with a loaded model. C2ST of the columns that no quota\nnames, generated rows "
        "beside unseen people raked to the quotas, mean of the feasible sheets that both have; the "
        "floor\nis that of training rows raked in the same way.\n",
        f"| {' | '.join(head)} |",
        "|" + "---|" * len(head),
    ]
    for one in all_found:
        auc = np.mean(one.aucs, axis=0) if one.aucs else (np.nan, np.nan)
        cells = [one.name, SHEETS, one.met, one.refused, one.told, len(one.lost)]
        cells += [f"{np.mean(one.seconds):.2f}", f"{max(one.seconds):.2f}"]
        cells += [f"{np.mean(one.plain):.2f}", f"{auc[0]:.3f} ({len(one.aucs)})", f"{auc[1]:.3f}"]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    total = len(all_found) * SHEETS
    lost = sum(len(one.lost) for one in all_found)
    lines += [
        "",
        f"Of {total} sheets, {total - lost} were met to the row or told cell by cell.",
        "",
    ]
    return "\n".join(lines + [f"- {one.name}: {said}" for one in all_found for said in one.lost])


def main() -> None:
    """Run all sheets."""
    all_found = []
    for name in (*TABLES, "anes96", "fair"):
        train, holdout, schema = table_of(name)
        trained = fit_model(train, schema, FitRequest(seed=1))
        found, rng = Found(name), np.random.default_rng(7)
        for at in range(SHEETS):
            conditions = sheet(trained, rng, feasible=at % 2 == 0)
            met = judge(trained, conditions, found, at)
            if met and at % 2 == 0 and len(found.aucs) < TRIES:
                asked = ConditionSet.model_validate(conditions)
                auc = rest_of_the_row(trained, holdout, asked, at)
                found.aucs += [auc] if auc is not None else []
        found.plain = [plain_seconds(trained, seed) for seed in range(3)]
        sys.stderr.write(f"{found}\n")
        all_found.append(found)
        (HERE / "results" / "quotas.md").write_text(markdown(all_found, time.process_time()))


if __name__ == "__main__":
    main()
