"""What moved between waves: false alarms, power, and the split into composition and answers.

    python benchmarks/waves.py FOLDER [--pairs 800] [--splits 600]

FOLDER has gss, adult, shoppers and telco as parquet (`benchmarks/engine.py`). Samples of 300, 600
or 1,000 rows a wave, of which half are of clusters of 10 with unequal weights; clusters are made
by sorting rows on a noisy score of their answers. Nothing is fit: these are real rows.

- Null: four waves of one table. Share of the tables with any answer `moved`, `probably moved`, and
  the same beside the mean of earlier waves; and of the intervals, whether all hold together.
- Power: the rows of two years of gss, at most 8 apart; the truth is all rows of both.
- Split: the second wave is drawn with other chances by background, with answers moved, or both.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from simulacra_schema.table import ColumnSchema, LevelSchema, TableSchema
from simulacra_trainer.waves.composition import split
from simulacra_trainer.waves.moves import earlier_waves, reach, verdicts
from simulacra_trainer.waves.report import asked_in, changes
from simulacra_trainer.waves.shares import Sample

TABLES = ("gss", "adult", "shoppers", "telco")
BACKGROUND = {
    "gss": ["female", "black", "educ", "region"],
    "adult": ["sex", "race", "education_num", "age"],
    "telco": ["female", "senior_citizen", "partner", "dependents"],
}
SIZES = (300, 600, 1000)
MOST_LEVELS = 12
CLASSES = ((0.02, 0.05), (0.05, 0.1), (0.1, 0.2))
Codes = dict[str, np.ndarray]


def coded(path: Path) -> Codes:
    """Return a table's answers as codes from 0 on: levels, or fifths of numbers; -1 is missing."""
    found = {}
    for name, values in pd.read_parquet(path).items():
        if pd.api.types.is_numeric_dtype(values) and values.nunique() > MOST_LEVELS:
            values = values if name == "year" else pd.qcut(values, 5, duplicates="drop")
        codes = pd.factorize(values, sort=True)[0]
        if 2 <= codes.max() + 1 <= MOST_LEVELS or name == "year":
            found[str(name)] = codes
    return found


def sample_of(rows: list[Codes], of_cluster: int, rng: np.random.Generator) -> Sample:
    """Return waves as the engine has them; rows of one cluster stand together."""
    sizes = [len(next(iter(one.values()))) for one in rows]
    wave = np.repeat(np.arange(len(rows)), sizes)
    columns = {name: np.concatenate([one[name] for one in rows]) for name in rows[0]}
    clusters = np.arange(wave.size) // of_cluster
    weights = np.ones(wave.size) if of_cluster == 1 else rng.gamma(4, 1 / 4, wave.size) + 0.2
    arrays, schemas = {}, []
    for name, codes in columns.items():
        levels = [str(at) for at in range(int(codes.max()) + 1)]
        arrays[name] = pa.DictionaryArray.from_arrays(
            pa.array(codes.astype(np.int32), mask=codes < 0), pa.array(levels)
        )
        shown = [LevelSchema(value=level, share=0.0) for level in levels]
        schemas.append(ColumnSchema(name=name, kind="ordinal", storage="string", levels=shown))
    return Sample(
        pa.table(arrays),
        TableSchema(rows=wave.size, columns=schemas),
        wave,
        [str(at) for at in range(len(rows))],
        clusters,
        np.zeros(clusters.max() + 1, np.int64),
        np.bincount(clusters, 2.0**wave / of_cluster).astype(np.int64),
        weights,
        rng.integers(0, 2**63, wave.size).astype(np.uint64),
    )


def drawn(table: Codes, n: int, of_cluster: int, rng: np.random.Generator) -> Codes:
    """Return rows drawn with replacement, one by one or by clusters of neighbors on a score."""
    size = len(next(iter(table.values())))
    if of_cluster == 1:
        at = rng.integers(0, size, n)
    else:
        first = np.stack(list(table.values())[:4], axis=1).astype(float)
        score = ((first - first.mean(0)) / (first.std(0) + 1e-9)).sum(1)
        order = np.argsort(score + 2.0 * rng.standard_normal(size))
        blocks = np.array_split(order, max(size // of_cluster, 12))
        chosen = rng.integers(0, len(blocks), n // of_cluster)
        at = np.concatenate([rng.choice(blocks[one], of_cluster) for one in chosen])
    return {name: codes[at] for name, codes in table.items()}


def null(tables: dict[str, Codes], pairs: int) -> Iterator[str]:
    """Yield how often anything moves in tables in which nothing does."""
    found = defaultdict(list)
    for trial in range(pairs):
        rng = np.random.default_rng([1, trial])
        table, of_cluster = tables[TABLES[trial % 4]], (1, 10)[trial // 4 % 2]
        n = int(rng.choice(SIZES))
        sample = sample_of([drawn(table, n, of_cluster, rng) for _ in range(4)], of_cluster, rng)
        asked, estimates = changes(asked_in(sample), 3, 2)
        means = [
            question.contrast(level, {3: 1.0, **dict.fromkeys(taken, -1.0 / len(taken))})
            for question, level in asked
            for taken in [
                earlier_waves(question, level, [w for w in (2, 1, 0) if question.shown[w, level]])
            ]
        ]
        hold = [abs(one.value) <= reach(one, len(asked)) for one in estimates]
        words, beside = verdicts(estimates), verdicts(means)
        either = ("moved", "probably moved")
        found[of_cluster].append(
            (
                "moved" in words,
                any(word in either for word in words),
                all(hold),
                "moved" in beside,
                any(word in either for word in beside),
                len(asked),
            )
        )
    yield "| waves of one table | tables | answers | moved | moved or probably | intervals hold |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for of_cluster, lines in found.items():
        name = "drawn one by one" if of_cluster == 1 else "clusters of 10, weights"
        means = np.mean(lines, axis=0)
        yield (
            f"| {name} | {len(lines)} | {means[5]:.0f} | {means[0]:.3f} | {means[1]:.3f} "
            f"| {means[2]:.3f} |"
        )
        rates = f"{means[3]:.3f} | {means[4]:.3f}"
        yield f"| {name}, beside earlier waves | {len(lines)} | {means[5]:.0f} | {rates} | |"


def power(gss: Codes, pairs: int) -> Iterator[str]:
    """Yield how often true changes between years are found."""
    year = gss["year"]
    others = {name: codes for name, codes in gss.items() if name != "year"}
    found = defaultdict(list)
    for trial in range(pairs):
        rng = np.random.default_rng([2, trial])
        of_cluster, n = (1, 10)[trial % 2], int(rng.choice(SIZES))
        first = int(rng.integers(0, year.max()))
        second = min(first + int(rng.integers(1, 9)), year.max())
        both = [{k: c[year == one] for k, c in others.items()} for one in (first, second)]
        rows = [drawn(one, n, of_cluster, rng) for one in both]
        asked, estimates = changes(asked_in(sample_of(rows, of_cluster, rng)), 1, 0)
        own = verdicts([one._replace(null=one.error) for one in estimates])
        words = zip(verdicts(estimates), own, strict=True)
        for (question, level), (word, by_own) in zip(asked, words, strict=True):
            codes = [one[question.column.name] for one in both]
            shares = [np.mean(of[of >= 0] == level) for of in codes]
            true = abs(shares[1] - shares[0])
            for low, high in CLASSES:
                if low <= true < high:
                    found[of_cluster, low].append(
                        (word == "moved", word != "no sign", by_own == "moved")
                    )
    yield "| true change, points | answers | moved | moved or probably | Holm by own errors |"
    yield "| --- | --- | --- | --- | --- |"
    for (of_cluster, low), lines in sorted(found.items()):
        high = dict(CLASSES)[low]
        name = f"{100 * low:.0f} to {100 * high:.0f}{', clusters' if of_cluster > 1 else ''}"
        moved, probable, raw = np.mean(lines, axis=0)
        yield f"| {name} | {len(lines)} | {moved:.3f} | {probable:.3f} | {raw:.3f} |"


def splits(tables: dict[str, Codes], pairs: int) -> Iterator[str]:
    """Yield coverage and false findings of composition and answers."""
    found = defaultdict(list)
    modes = ("nothing", "composition", "answers", "both")
    trial = done = 0
    while done < pairs:
        rng = np.random.default_rng([3, trial])
        name, mode, n = list(BACKGROUND)[trial % 3], modes[done % 4], (400, 1000)[done // 4 % 2]
        trial += 1
        table = tables[name]
        column = str(rng.choice([one for one in table if one not in (*BACKGROUND[name], "year")]))
        kept = np.all([table[one] >= 0 for one in (*BACKGROUND[name], column)], axis=0)
        codes = [table[one][kept] for one in BACKGROUND[name]]
        hit = table[column][kept] == rng.integers(0, table[column].max() + 1)
        if not 0.1 < hit.mean() < 0.9:
            continue
        done += 1
        chances = np.ones(hit.size)
        if mode in ("composition", "both"):
            for at in rng.choice(4, 2, replace=False):
                chances *= np.exp(0.6 * rng.standard_normal(codes[at].max() + 1))[codes[at]]
        chances /= chances.sum()
        flip = float(rng.uniform(0.05, 0.15)) if mode in ("answers", "both") else 0.0
        rows = rng.integers(0, hit.size, n), rng.choice(hit.size, n, p=chances)
        said = [hit[rows[0]], hit[rows[1]] | (rng.random(n) < flip)]
        shares = hit.mean(), float(chances @ hit)
        true_answers = flip * (1 - (shares[0] + shares[1]) / 2)
        true = (shares[1] + flip * (1 - shares[1]) - shares[0] - true_answers, true_answers)
        sample = sample_of([{"hit": one.astype(int)} for one in said], 1, rng)
        background = [np.concatenate([of[rows[0]], of[rows[1]]]) for of in codes]
        answer = np.ones(2 * n, np.bool_), np.concatenate(said)
        parts = split(sample, background, (0, 1), [answer], [2.0 * n - 2], rng)[0]
        for of, one, truth in zip(parts._fields, parts, true, strict=True):
            half = reach(one, 1)
            held, alarm = abs(one.value - truth) <= half, abs(one.value) > half
            moves = (of == "composition" and mode in ("composition", "both")) or (
                of == "answers" and flip > 0
            )
            found[of, n, moves].append((held, alarm))
    yield "| part | rows a wave | it moves | pairs | interval holds | found |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for (of, n, moves), lines in sorted(found.items()):
        held, alarm = np.mean(lines, axis=0)
        word = "yes" if moves else "no"
        yield f"| {of} | {n} | {word} | {len(lines)} | {held:.3f} | {alarm:.3f} |"


def main() -> None:
    """Print the tables of the three parts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pairs", type=int, default=800)
    parser.add_argument("--splits", type=int, default=600)
    asked = parser.parse_args()
    tables = {name: coded(asked.folder / f"{name}_train.parquet") for name in TABLES}
    no_year = {n: {k: c for k, c in of.items() if k != "year"} for n, of in tables.items()}
    for lines in (
        null(no_year, asked.pairs),
        power(tables["gss"], asked.pairs),
        splits(tables, asked.splits),
    ):
        print("\n".join(lines), "\n", flush=True)


if __name__ == "__main__":
    main()
