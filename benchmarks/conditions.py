"""Conditions on adult and gss: attainment, realism in the slice, cost of rare slices, rejections.

    python benchmarks/conditions.py                  # writes benchmarks/results/conditions.md

A model is fit on the training rows with the product's defaults. The slice C2ST is the AUC of the
report's boosted trees between generated rows of the slice and held-out real rows that meet the same
conditions: inside the ranges, and weighted to the requested shares by the same minimum-KL raking.
The floor is the AUC of real training rows of the slice, weighted the same way. Slices with fewer
than 100 held-out rows have neither.
"""

from __future__ import annotations

import os
import platform
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from simulacra_crds.tasks import FitRequest, GenerateRequest
from simulacra_intake.errors import InputError
from simulacra_intake.survey_weights import draw_in_proportion
from simulacra_schema.conditions import ConditionSet, NumericRange
from simulacra_trainer.cleaning.clean import clean_table
from simulacra_trainer.conditions.cells import ShareCondition, find_cells
from simulacra_trainer.conditions.margins import rake
from simulacra_trainer.conditions.support import hard_range
from simulacra_trainer.pipeline.fit import TrainedModel, fit_model
from simulacra_trainer.pipeline.generate import generate_rows, plan_generation
from simulacra_trainer.report.comparison.discriminator import MIN_ROWS, two_sample_auc

HERE = Path(__file__).resolve().parent
DATA = HERE.parents[1] / "shared" / "bench" / "data"
ROWS, SEEDS = 10_000, 5
WEIGHT = "weight of the slice"


@dataclass
class Slice:
    """A request, its description, and its numeric ranges (min, max)."""

    words: str
    shares: dict[str, dict[str, float]] = field(default_factory=dict)
    ranges: dict[str, tuple[float | None, float | None]] = field(default_factory=dict)

    @property
    def conditions(self) -> ConditionSet:
        """Return the request as the product takes it."""
        ranges = {
            name: NumericRange(min=low, max=high) for name, (low, high) in self.ranges.items()
        }
        return ConditionSet(categorical=self.shares, numeric=ranges)


SLICES = {
    "adult": [
        Slice(
            "three at once: sex 50 % Female, income 40 % >50K, age 30 to 50",
            {"sex": {"Female": 0.5}, "income": {">50K": 0.4}},
            {"age": (30, 50)},
        ),
        Slice(
            "common: husbands in private work",
            {"relationship": {"Husband": 1.0}, "workclass": {"Private": 1.0}},
        ),
        Slice("rare: married to the armed forces", {"marital_status": {"Married-AF-spouse": 1.0}}),
        Slice(
            "contradiction: Doctorates of 9 years",
            {"education": {"Doctorate": 1.0}},
            {"education_num": (9, 9)},
        ),
    ],
    "gss": [
        Slice(
            "three at once: happy 50 % very, region 30 % pacific, educ 12 to 16",
            {"happy": {"very happy": 0.5}, "region": {"pacific": 0.3}},
            {"educ": (12, 16)},
        ),
        Slice(
            "common: women who work full time",
            {"female": {"yes": 1.0}, "workstat": {"working fulltime": 1.0}},
        ),
        Slice(
            "rare: unhappy at school in the pacific",
            {
                "happy": {"not too happy": 1.0},
                "workstat": {"school": 1.0},
                "region": {"pacific": 1.0},
            },
        ),
        Slice(
            "no real row: retired, four babies, five teens",
            {"workstat": {"retired": 1.0}},
            {"babies": (4, 4), "teens": (5, None)},
        ),
    ],
}


def in_slice(table: pa.Table, wanted: Slice) -> pa.Table:
    """Return the real rows inside the ranges, with minimum-KL weights for the requested shares."""
    keep = np.ones(table.num_rows, np.bool_)
    for name, bounds in wanted.conditions.numeric.items():
        keep &= hard_range(name, bounds, table).allowed
    table = table.filter(pa.array(keep))
    asked = [
        ShareCondition(n, list(s), np.array(list(s.values()))) for n, s in wanted.shares.items()
    ]
    cells = find_cells(
        [a.classify(table) for a in asked], [len(a.levels) + 1 for a in asked], table.num_rows
    )
    p, _ = rake(cells, cells.weight, np.concatenate([a.targets for a in asked]), 1000)
    weight = (p / cells.weight)[cells.of_row]
    table = table.append_column(WEIGHT, pa.array(weight))
    return table.filter(pa.array(weight > 0))


def judge(trained: TrainedModel, holdout: pa.Table, wanted: Slice) -> dict[str, object]:
    """Generate a slice and measure it; a rejection is a result too."""
    request = GenerateRequest(row_count=ROWS, conditions=wanted.conditions, seed=1)
    began, cpu = time.monotonic(), time.process_time()
    try:
        plan = plan_generation(trained, request)
    except InputError as error:
        return {"refused": error.detail}
    table = pa.concat_tables(generate_rows(trained, plan))
    took, cpu = time.monotonic() - began, time.process_time() - cpu
    found = plan.attainment
    assert found is not None
    out: dict[str, object] = {
        "share": found.accepted,
        "asked": len(found.conditions),
        "met": sum(c.met for c in found.conditions),
        "error": max(abs(c.moved_by) for c in found.conditions),
        "backing": found.backing,
        "seconds": took,
        "cpu": cpu,
    }
    names = [c.name for c in trained.schema.learned()]
    unseen, seen = in_slice(holdout, wanted), in_slice(trained.table, wanted)
    out["real"] = unseen.num_rows
    if unseen.num_rows >= MIN_ROWS:
        synthetic = clean_like(table, trained)
        drawn = seen.take(
            pa.array(draw_in_proportion(seen[WEIGHT].to_numpy(), ROWS, np.random.default_rng(2)))
        )
        out["c2st"] = mean_auc(unseen, synthetic, names)
        out["floor"] = mean_auc(unseen, drawn, names)
    return out


def clean_like(table: pa.Table, trained: TrainedModel) -> pa.Table:
    """Return generated rows in the types of the clean table."""
    return pa.table({f.name: table.column(f.name).cast(f.type) for f in trained.table.schema})


def mean_auc(unseen: pa.Table, rows: pa.Table, names: list[str]) -> float:
    """Return the mean of SEEDS tests on samples of equal size."""
    found = [
        two_sample_auc(unseen, rows, names, np.random.default_rng(seed), WEIGHT)
        for seed in range(SEEDS)
    ]
    return float(np.mean([one for one in found if one is not None]))


def markdown(lines: list[tuple[str, Slice, dict[str, object]]], load: str) -> str:
    """Return the result as a Markdown page."""
    head = (
        "table",
        "slice",
        "share",
        "unseen",
        "met",
        "error",
        "backing",
        "C2ST",
        "floor",
        "s",
        "CPU s",
    )
    text = [
        "# Conditions: asked, attained, and how real the slice is\n",
        (
            f"`python benchmarks/conditions.py`, {time.strftime('%Y-%m-%d')}, {os.cpu_count()}"
            f" cores, {platform.machine()}, Python {platform.python_version()}, load at the start"
            f" {load}.\n{ROWS:,} rows each, default models; times are of planning and generating"
            " with a loaded model.\nShare: of the learned rows that the hard conditions leave."
            " Unseen: real rows that meet them. Error: largest of a share.\nC2ST against unseen"
            f" real rows of the slice (weighted to the asked shares), mean of {SEEDS} seeds; the"
            " floor is that of real training rows of it.\n"
        ),
        f"| {' | '.join(head)} |",
        "|" + "---|" * len(head),
    ]
    refused = []
    for name, wanted, found in lines:
        if "refused" in found:
            refused.append(f"- {name}, {wanted.words}: {found['refused']}")
            continue
        c2st, floor = (f"{found[k]:.3f}" if k in found else "too few" for k in ("c2st", "floor"))
        cells = [
            *(
                name,
                wanted.words,
                f"{100 * found['share']:.2f} %",
                f"{found['real']:,}",
                f"{found['met']} of {found['asked']}",
            ),
            *(f"{found['error']:.5f}", f"{found['backing']:,.0f}", c2st, floor),
            *(f"{found['seconds']:.2f}", f"{found['cpu']:.2f}"),
        ]
        text.append(f"| {' | '.join(cells)} |")
    return "\n".join(
        [*text, "", "Refused, with the reason as the customer reads it:", "", *refused, ""]
    )


def main() -> None:
    """Run all slices."""
    load, lines = f"{os.getloadavg()[0]:.1f}", []
    for name, slices in SLICES.items():
        raw = [pq.read_table(DATA / f"{name}_{part}.parquet") for part in ("train", "holdout")]
        both = clean_table(pa.concat_tables(raw))
        train, holdout = both.table.slice(0, raw[0].num_rows), both.table.slice(raw[0].num_rows)
        request = FitRequest(seed=1)
        trained = fit_model(train.combine_chunks(), both.schema, request)
        for wanted in slices:
            lines.append((name, wanted, judge(trained, holdout.combine_chunks(), wanted)))
            sys.stderr.write(f"{name}: {wanted.words}: {lines[-1][2]}\n")
    (HERE / "results" / "conditions.md").write_text(markdown(lines, load))


if __name__ == "__main__":
    main()
