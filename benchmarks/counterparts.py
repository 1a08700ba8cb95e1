"""Coverage and width of effects where some people have no counterparts, and where all have.

    python benchmarks/counterparts.py --seconds 300 --draws 20 --realcause FOLDER

Simulated tables of 500, 1,000 and 2,000 rows, in which 0, 10 or 30 % of the people never have the
treatment or always have it: named by one column, by two, or by a sum of three, which no two columns
name. And the public sets of known_effects.py whose rows have known effects: IHDP, PSID, ACIC 2016.
Every covariate is stated to come first. An answer is judged by the mean effect of the people whom
it is for; `everybody` by that of all. Alarm: the answer leaves some people out. Draws are dealt in
turn until --seconds are over; a set without files is skipped.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from known_effects import Draw, acic, ihdp, product_on, realcause, settings

from simulacra_schema.questions.knowledge import Knowledge
from simulacra_trainer.effects.column_timing import read_timing
from simulacra_trainer.effects.tried_sets import Tried, try_sets
from simulacra_trainer.graph import CausalGraph

FIRST_SEED = 1_000
SIZES, SHARES = (500, 1_000, 2_000), (0.0, 0.1, 0.3)
Row = tuple[bool, float, float, float, bool]
"""Covered, width over the outcome's deviation, z, share answered for, everybody covered."""


def simulated(rows: int, share: float, draws: int) -> Iterator[Draw]:
    """Yield nonlinear tables in which this share of the people lacks one arm."""
    for seed in range(FIRST_SEED, FIRST_SEED + draws):
        rng = np.random.default_rng([seed, rows, int(100 * share), 53])
        a, b, c, d = rng.normal(size=(4, rows))
        g, s = rng.integers(0, 4, rows), rng.integers(1, 8, rows)
        score = 0.7 * np.tanh(1.2 * a) + 0.5 * (b > 0.3) - 0.4 * (g == 2) + 0.25 * c - 0.2
        chance = np.clip(1 / (1 + np.exp(-score)), 0.12, 0.88)
        if share:
            chance = np.where(_without(a, b, g, s, share, seed), seed // 3 % 2, chance)
        t = (rng.random(rows) < chance).astype(np.int64)
        effects = 0.8 + 0.7 * np.tanh(a) - 0.5 * (g == 0) + 0.4 * (b > 0)
        y = 1.2 * np.sin(1.2 * a) + 0.8 * np.abs(b) + 0.5 * (g == 1) + 0.6 * c * (s > 4) + 0.3 * d
        y = y + effects * t + 0.8 * rng.normal(size=rows)
        x = np.column_stack([a, b, c, d, g == 1, g == 2, g == 3, s]).astype(np.float64)
        yield Draw(x, t, y, float(effects.mean()), effects=effects)


def _without(
    a: np.ndarray, b: np.ndarray, g: np.ndarray, s: np.ndarray, share: float, seed: int
) -> np.ndarray:
    """Return who lacks an arm: named by one column, by two, or by a sum of three."""
    if seed % 3 == 0:
        return a > np.quantile(a, 1 - share)
    if seed % 3 == 1:
        return (a > np.quantile(a, 1 - share / 0.75)) & (g != 2)
    total = 0.6 * a + 0.6 * b + 0.25 * (s - 4)
    return total > np.quantile(total, 1 - share)


def judged(draw: Draw) -> Row | None:
    """Return how an answer fares; None without one."""
    estimator, names = product_on(draw)
    graph = CausalGraph(
        order=[*names, "t", "y"],
        parent_lists={**{name: [] for name in names}, "t": names, "y": [*names, "t"]},
    )
    timing = read_timing(Knowledge(), estimator.schema, estimator.request, "y", [])
    tried: Tried = try_sets(estimator, timing, graph)
    if tried.missing is not None or tried.people is None or draw.effects is None:
        return None
    people, interval = tried.people, tried.found[0][2]
    rows = np.ones(draw.t.size, bool) if people.rows is None else people.rows
    truth = float(draw.effects[rows].mean())
    low, high = interval.low, interval.high
    if people.rows is not None:
        least, most = tried.others[0]
        low, high = people.support * low + least, people.support * high + most
    return (
        interval.low <= truth <= interval.high,
        (interval.high - interval.low) / float(draw.y.std()),
        (interval.effect - truth) / interval.error,
        float(rows.mean()),
        low <= draw.truth <= high,
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--realcause", type=Path)
    parser.add_argument("--acic", type=Path)
    parser.add_argument("--sets", nargs="*", help="first words of the sets to run; all by default")
    args = parser.parse_args()
    sets = {
        f"simulated, {rows} rows, {share:.0%} without": simulated(rows, share, args.draws)
        for rows in SIZES
        for share in SHARES
    }
    sets |= {f"IHDP {surface}": ihdp(surface, args.draws) for surface in "AB"}
    sets["PSID"] = realcause(args.realcause, "lalonde_psid", args.draws)
    sets["ACIC 2016"] = acic(args.draws)
    sets["ACIC 2016, settings"] = settings(args.acic, args.draws)
    if args.sets:
        sets = {name: of for name, of in sets.items() if name.startswith(tuple(args.sets))}
    found: dict[tuple[str, str], list[Row]] = defaultdict(list)
    none: dict[str, int] = defaultdict(int)
    deadline, waiting, started = time.monotonic() + args.seconds, dict(sets), time.process_time()
    while waiting:
        for name, draws in list(waiting.items()):
            draw = next(draws, None)
            if draw is None or time.monotonic() >= deadline:
                del waiting[name]
            elif (row := judged(draw)) is None:
                none[name] += 1
            else:
                found[name, "alarm" if row[3] < 1.0 else "clear"].append(row)
    print("| set | told | tables | covered | width in sd | worst z | answered | everybody |")
    print("|---|---|---|---|---|---|---|---|")
    for (name, told), rows in sorted(found.items()):
        covered, width, z, share, whole = np.array(rows, np.float64).T
        print(
            f"| {name} | {told} | {len(rows)} | {covered.sum():.0f} ({covered.mean():.2f})"
            f" | {np.median(width):.3f} | {np.abs(z).max():.1f} | {share.mean():.2f}"
            f" | {whole.sum():.0f} ({whole.mean():.2f}) |"
        )
    for name in sets:
        if none[name]:
            print(f"No answer: {name}, {none[name]} tables.")
        if not any(of_set == name for of_set, _ in found):
            print(f"Skipped: {name}. Its files are not there, or the time was over.")
    print(f"{time.process_time() - started:.0f} CPU seconds")


if __name__ == "__main__":
    main()
