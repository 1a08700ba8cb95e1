"""What a wave summary tells of who took part, and whether it gives the answers of one file.

    python benchmarks/wave_summary.py FOLDER [--samples 6] [--pairs 60]

FOLDER has gss, adult, shoppers and telco as parquet (`benchmarks/engine.py`). Nothing is fit.

- Attack: the attacker has a person's whole record and the other rows of the table as the
  population; he adds log ratios of the summary's shares to the population's, over all that it
  tells. AUC of those who took part against as many who did not, beside the AUC that the product
  measures on halves, before banner columns are dropped and after.
- Same answers: two waves of one file, and the newer one with a summary of the older, with the
  noise of the same persons: verdicts and changes of all answers of categories.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from simulacra_schema.questions.knowledge import Knowledge
from simulacra_schema.table import TableSchema
from simulacra_schema.wave_summary import SummaryWave, WaveSummary
from simulacra_trainer.in_process import read_described
from simulacra_trainer.report.attackers.attacks import auc
from simulacra_trainer.waves import summary as summaries
from simulacra_trainer.waves.carried import carried_questions
from simulacra_trainer.waves.moves import verdicts
from simulacra_trainer.waves.report import asked_in, changes
from simulacra_trainer.waves.restated import restated
from simulacra_trainer.waves.shares import sample_in
from simulacra_trainer.waves.summary import questions_of, wave_summary
from simulacra_trainer.waves.told_tables import shape_of

BANNERS = {
    "gss": ["female", "black", "region", "reg16"],
    "adult": ["sex", "race", "education_num", "age"],
    "shoppers": ["Month", "VisitorType", "Weekend", "Region"],
    "telco": ["female", "senior_citizen", "partner", "dependents"],
}
SIZES = (300, 600, 1500)
MOST = 2.0
"""Log ratio that one cell may add."""


def coded(table: pa.Table, schema: TableSchema, wave: SummaryWave) -> dict[str, np.ndarray]:
    """Return the answers of each row to the questions of a summary, -1 where missing."""
    sample = sample_in(table, schema, np.zeros(table.num_rows, np.int64), ["1"])
    found = {}
    told = {one.name: one.levels for one in wave.questions}
    sample, _, edges = restated(sample, WaveSummary(waves=[wave]))
    for question in questions_of(sample, edges):
        codes = np.full(table.num_rows, -1, np.int64)
        levels = told.get(name := question.column.name, [])
        place = [levels.index(one) if one in levels else -1 for one in shape_of(question).levels]
        codes[question.known] = np.array(place)[question.codes]
        found[name] = codes
    return found


def score(
    people: dict[str, np.ndarray], population: dict[str, np.ndarray], wave: SummaryWave
) -> np.ndarray:
    """Return the attacker's score of each person."""
    total = np.zeros(next(iter(people.values())).size)
    for question in wave.questions:
        count, known = len(question.levels), (people[question.name], population[question.name])
        total += _ratios([question.hits], question.respondents, known, count)
        for by, cells in question.by.items():
            pairs = zip((people[by], population[by]), known, strict=True)
            crossed = [np.where((a >= 0) & (b >= 0), a * count + b, -1) for a, b in pairs]
            told = sum(one or 0.0 for one in cells.respondents)
            total += _ratios(cells.hits, told, crossed, count * len(cells.hits))
    return total


def _ratios(hits: list, respondents: float, cells: Sequence[np.ndarray], size: int) -> np.ndarray:
    """Return the log ratio of each person's cell; 0 where it is left out."""
    people, population = cells
    counts = np.array([np.nan if one is None else one for row in hits for one in row], float)
    base = np.bincount(population[population >= 0], minlength=size) + 0.5
    ratio = np.log((counts + 0.5) / (respondents + 0.5 * size) / (base / base.sum()))
    ratio = np.clip(np.nan_to_num(ratio), -MOST, MOST)
    return np.where(people >= 0, ratio[people], 0.0)


def attacks(table: pa.Table, schema: TableSchema, size: int, rng: np.random.Generator) -> dict:
    """Return AUC of the attacker and as measured: all banner columns, those kept, none."""
    order = rng.permutation(table.num_rows)
    members, others, rest = (
        table.take(pa.array(of)) for of in (order[:size], order[size : 2 * size], order[2 * size :])
    )
    found = {}
    for name, caps, banner in (
        ("all", {"standard": 1.0}, schema.banner),
        ("kept", {"standard": 0.67}, schema.banner),
        ("margins", {"standard": 1.0}, []),
    ):
        summaries.CAPS.update(caps)
        of = schema.model_copy(update={"banner": banner or ["none"]})
        summary = wave_summary(members, of, Knowledge(), seed=int(rng.integers(1 << 30)))
        if not summary.waves:
            found[name] = (np.nan, np.nan, -1)
            continue
        wave = summary.waves[0]
        inside, outside, population = (coded(one, schema, wave) for one in (members, others, rest))
        scores = [score(people, population, wave) for people in (inside, outside)]
        found[name] = (auc(*scores).value + 0.5, wave.attack, len(wave.banner))
    return found


def alike(table: pa.Table, schema: TableSchema, size: int, rng: np.random.Generator) -> list:
    """Return (same verdicts, answers, largest difference of change and of error) of two waves."""
    rows = table.take(pa.array(rng.permutation(table.num_rows)[: 2 * size]))
    wave = np.repeat([0, 1], size)
    both = sample_in(rows, schema, wave, ["1", "2"])
    older, newer = rows.slice(0, size), rows.slice(size)
    summary = wave_summary(older, schema, Knowledge())
    if not summary.waves:
        return []
    sample = sample_in(newer, schema, np.zeros(size, np.int64), ["2"])
    one_file = [one for one in asked_in(both) if one.values() is not None]
    carried = [one for one in carried_questions(sample, summary) if one.values() is not None]
    first, second = changes(one_file, 1, 0), changes(carried, 1, 0)
    names = [[(q.column.name, level) for q, level in of[0]] for of in (first, second)]
    same = [(names[0].index(one), at) for at, one in enumerate(names[1]) if one in names[0]]
    words = verdicts(first[1]), verdicts(second[1])
    pairs = [(first[1][a], second[1][b]) for a, b in same]
    return [
        (
            sum(words[0][a] == words[1][b] for a, b in same),
            max(len(names[0]), len(names[1])),
            max(abs(a.value - b.value) for a, b in pairs),
            max(abs(a.error / b.error - 1.0) for a, b in pairs),
        )
    ]


def main() -> None:
    """Print the figures of each table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--samples", type=int, default=6)
    parser.add_argument("--pairs", type=int, default=60)
    args = parser.parse_args()
    for name, banner in BANNERS.items():
        files = sorted(args.folder.glob(f"{name}*.parquet"))
        raw = pa.concat_tables([pq.read_table(one) for one in files], promote_options="default")
        clean = read_described(raw).clean
        table = clean.table.combine_chunks()
        schema = clean.schema.model_copy(update={"banner": banner})
        for size in SIZES:
            found = defaultdict(list)
            for number in range(args.samples):
                rng = np.random.default_rng([size, number])
                for kind, of in attacks(table, schema, size, rng).items():
                    found[kind].append(of)
            told = {
                kind: "  ".join(f"{one:.3f}" for one in np.nanmean(np.array(of), axis=0))
                for kind, of in found.items()
            }
            print(
                f"{name} {len(schema.learned())} n={size} (true, measured, banner)",
                told,
                flush=True,
            )
        rng = np.random.default_rng(7)
        summaries.CAPS.update(standard=0.67)
        same = [one for _ in range(args.pairs) for one in alike(table, schema, 600, rng)]
        if same:
            hit, count, change, error = np.array(same).T
            print(
                f"{name} same verdicts {int(hit.sum())} of {int(count.sum())}; largest difference "
                f"of a change {100 * change.max():.3f} points, of an error "
                f"{100 * error.max():.2f} %",
                flush=True,
            )


if __name__ == "__main__":
    main()
