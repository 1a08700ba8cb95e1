"""The constants of the privacy bar (`pipeline/disclosure.py`) on public tables as populations.

    python benchmarks/disclosure_constants.py [--samples 2] [--bench FOLDER] [TABLE ...]

Tables come from the package statsmodels and, with --bench, from a folder of Parquet files. Of each
population, n members, n people of a second survey and n controls are drawn, n = 500 or a third of
the rows. Printed as one line of Markdown a table:

- banner: AUC by which banner tables of members and second survey tell members from controls
- strong: the same by densities learned from rows of a model of all members, and the second survey
- z ratio: z of the strong attacker on exchanged halves, as privacy tuning measures it, relative to
  that of the full table (the constant `SIDES`)
- nearness: gain on exchanged halves, and of the full table (their ratio is the constant `HALVES`)

Regressions have scale 1 and the table's own order; 2,000 rows are given to the attackers.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import statsmodels
from scipy.stats import norm

from simulacra_schema.table import TableSchema
from simulacra_trainer.cleaning.clean import clean_table
from simulacra_trainer.families.base import no_progress
from simulacra_trainer.families.forest import FOREST, METHODS, ForestModel
from simulacra_trainer.pipeline.disclosure import ATTACK_ROWS, practical_disclosure
from simulacra_trainer.pipeline.disclosure import strong_disclosure as on_halves
from simulacra_trainer.pipeline.holdout import draw_rows, exchanged_halves
from simulacra_trainer.report.attackers.attacks import auc, nearness, points_of
from simulacra_trainer.report.attackers.published_tables import BANNER_LEVELS, BANNERS, PRIOR_COUNT
from simulacra_trainer.report.comparison.columns import BINS, bin_codes, is_category

HOME = Path(statsmodels.__file__).parent
MOST_ROWS, MOST_COLUMNS = 500, 20
FILES = {
    "fair": "datasets/fair/fair.csv",
    "fair_pt": "datasets/fair/fair_pt.csv",
    "anes96": "datasets/anes96/anes96.csv",
    "randhie": "datasets/randhie/src/randhie.csv",
    "meps_docvis": "sandbox/regression/tests/racd10data_with_transformed.csv",
    "birthweight": "treatment/tests/results/cataneo2.csv",
    "ologit_ucla": "miscmodels/tests/results/ologit_ucla.csv",
    "hsb_mvreg": "multivariate/tests/results/mvreg.csv",
    "framing": "stats/tests/results/framing.csv",
}


def tables(bench: Path | None) -> dict[str, Callable[[], pd.DataFrame]]:
    """Return what reads each population."""
    found = {
        k: lambda f=f: pd.read_csv(HOME / f, sep=None, engine="python") for k, f in FILES.items()
    }
    for path in sorted(bench.glob("*_train.parquet")) if bench else ():
        found[path.stem.removesuffix("_train")] = lambda path=path: pd.read_parquet(path)
    return found


def fit(rows: pa.Table, schema: TableSchema) -> ForestModel:
    """Fit log-linear regressions in the table's own order."""
    names = [column.name for column in schema.learned()]
    options = {METHODS: dict.fromkeys(names, "loglinear")}
    return FOREST.fit(rows, schema, names, seed=0, options=options, progress=no_progress)


def banner(members: pa.Table, second: pa.Table, controls: pa.Table, names: list[str]) -> float:
    """Return the AUC above 1/2 by which published tables tell members from controls."""
    coded, by = [], []
    for name in names:
        codes, size = bin_codes([members, second, controls], name)
        if is_category(members, name):
            by += [(codes, size)] if size <= BANNER_LEVELS + 1 else []
        elif size > BINS:  # fifths
            codes, size = [(of + 1) // 2 for of in codes], size // 2 + 1
        coded.append((codes, size))
    score = [np.zeros(members.num_rows), np.zeros(controls.num_rows)]
    for codes, size in coded:
        for other, groups in [([0, 0, 0], 1), *by[:BANNERS]]:
            if other is codes:
                continue
            cells = [a * groups + b for a, b in zip(codes, other, strict=True)]
            one, two = (np.bincount(c, minlength=size * groups) + PRIOR_COUNT for c in cells[:2])
            ratio = np.log(one / two)
            score = [score[0] + ratio[cells[0]], score[1] + ratio[cells[2]]]
    return auc(*score).value


def measure(table: pa.Table, schema: TableSchema, n: int, seed: int) -> dict[str, float]:
    """Return the figures of one sample."""
    names = [column.name for column in schema.learned()]
    rows = np.random.default_rng([seed, 31]).permutation(table.num_rows)[: 3 * n]
    members, second, controls = (table.take(part) for part in np.split(rows, 3))
    model = fit(members, schema)
    drawn = model.sample(ATTACK_ROWS, np.random.default_rng([seed, 32]))
    one, two = fit(drawn, schema), fit(second, schema)
    ratio = [
        one.log_likelihood(of, one.grids) - two.log_likelihood(of, one.grids)
        for of in (members, controls)
    ]
    near = nearness(*points_of(members, [members, controls, drawn], names))
    pairs = exchanged_halves(members, seed=seed)[:2]
    halves = [draw_rows(fit(pair.seen, schema), pair, seed=seed) for pair in pairs]
    strong = on_halves(halves, schema, names, seed)
    assert strong is not None
    return {
        "banner": banner(members, second, controls, names),
        "strong": auc(*ratio).value,
        "strong_halves": strong[0].value,
        "near": near.value,
        "near_halves": practical_disclosure(halves, schema, seed).gains["nearness"].value,
    }


def line(name: str, frame: pd.DataFrame, samples: int) -> str:
    """Measure one population; return its line."""
    began = time.process_time()
    clean = clean_table(pa.Table.from_pandas(frame.iloc[:, :MOST_COLUMNS], preserve_index=False))
    n = min(MOST_ROWS, clean.table.num_rows // 3)
    found = [measure(clean.table, clean.schema, n, seed) for seed in range(samples)]
    mean = {key: float(np.mean([of[key] for of in found])) for key in found[0]}
    z = {key: float(np.mean([norm.ppf(0.5 + of[key]) for of in found])) for key in found[0]}
    columns, spent = len(clean.schema.learned()), time.process_time() - began
    return (
        f"| {name} | {n} x {columns} | {0.5 + mean['banner']:.3f} | {0.5 + mean['strong']:.3f} |"
        f" {z['strong_halves'] / z['strong']:.2f} | {mean['near_halves']:.3f} {mean['near']:.3f} |"
        f" {spent:.0f} |"
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("tables", nargs="*")
    parser.add_argument("--samples", type=int, default=2)
    parser.add_argument("--bench", type=Path)
    args = parser.parse_args()
    found = tables(args.bench)
    print("| table | rows x columns | banner | strong | z ratio | nearness | CPU s |")
    print("|---|---|---|---|---|---|---|")
    for name in args.tables or found:
        print(line(name, found[name](), args.samples), flush=True)


if __name__ == "__main__":
    main()
