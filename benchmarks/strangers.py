"""Was a person in the table? An attacker who shares no code with the report, and its verdict.

    python benchmarks/strangers.py ames senate brothers   # tables of membership.py
    python benchmarks/strangers.py combs combs_weighted combs_linked combs_neural --splits 3

Half of each table is learned from with the product's defaults, half is the holdout; a split is
another half. From ten rows a person he counts, with NumPy and SciPy alone:

- exact: rows with a number of the person, over what the rows in a window of a twentieth of the
  standard deviation let expect; summed over the columns
- window: the same for rows within a hundredth of the standard deviation
- nearest: the distance to the nearest row, over that to the fiftieth
- learned: boosted trees that know of four in five people whether they were in the table, from the
  scores of every column, all distances and the answers themselves, out of fold

Gains are AUC above 0.5. A verdict is *wrong good* if it says good and a gain exceeds 0.04 by 2.24
errors. Of linked rows, persons are attacked: the mean over a person's rows.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping

import lightgbm
import numpy as np
import numpy.typing as npt
import pandas as pd
from membership import EVERY
from scipy.spatial import cKDTree

import simulacra

Floats = npt.NDArray[np.float64]
LIMIT, SURE = 0.04, 2.24
ROWS = 10
MOST_ROWS = 15_000
DEPTHS = (1, 5, 50)
TREES = {
    "objective": "binary",
    "learning_rate": 0.05,
    "num_leaves": 8,
    "min_data_in_leaf": 20,
    "feature_fraction": 0.5,
    "bagging_fraction": 0.7,
    "bagging_freq": 1,
    "num_threads": 1,
    "seed": 0,
    "verbosity": -1,
}


def combs(seed: int, persons: int = 1_200) -> pd.DataFrame:
    """Return people of whose three amounts many lie just below round numbers."""
    rng = np.random.default_rng([seed, 5])
    level = rng.normal(0, 1, persons)
    table = pd.DataFrame({"region": rng.choice(["n", "s", "e", "w"], persons)})
    for name, period, of in (("price", 5.0, 60), ("fee", 50.0, 700), ("bill", 20.0, 240)):
        amount = of * np.exp(0.35 * (level + rng.normal(0, 1, persons)))
        crowded = np.round(amount / period) * period - np.abs(rng.normal(0, 0.06 * period, persons))
        table[name] = np.round(np.where(rng.random(persons) < 0.7, crowded, amount), 2)
    table["happy"] = np.where(level + rng.normal(0, 1, persons) > 0, "yes", "no")
    return table


def of_kind(kind: str, seed: int) -> tuple[pd.DataFrame, dict[str, str]]:
    """Return people with combs, and how they are learned."""
    if kind == "combs_linked":
        people = combs(seed, 800)
        waves = [people.assign(person=np.arange(800), wave=wave) for wave in range(3)]
        rng = np.random.default_rng([seed, 6])
        for wave in waves:
            for name in ("price", "fee", "bill"):
                again = combs(int(rng.integers(1e6)), 800)[name].to_numpy()
                wave[name] = np.where(rng.random(800) < 0.5, wave[name], again)
        return pd.concat(waves, ignore_index=True), {"subject": "person"}
    table = combs(seed)
    if kind == "combs_weighted":
        rng = np.random.default_rng([seed, 7])
        table["design_weight"] = np.round(rng.lognormal(0, 0.4, len(table)), 4)
        return table, {"weights": "design_weight"}
    return table, {"family": "neural"} if kind == "combs_neural" else {}


KINDS = ("combs", "combs_weighted", "combs_linked", "combs_neural")


def halves(name: str, split: int) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, str]]:
    """Return the rows learned from, the holdout and the arguments of the fit."""
    rng = np.random.default_rng(split)
    if name in KINDS:
        table, how = of_kind(name, split)
    else:
        table, how = EVERY[name](), {}
    who = table[how["subject"]].to_numpy() if "subject" in how else np.arange(len(table))
    chosen = np.isin(who, rng.permutation(np.unique(who))[: np.unique(who).size // 2])
    if split == 0 and name not in KINDS:  # as in membership.py
        chosen = np.arange(len(table)) < len(table) // 2
    seen, unseen = table[chosen], table[~chosen]
    return seen.reset_index(drop=True), unseen.reset_index(drop=True), how


def column_scores(people: pd.Series, rows: pd.Series) -> dict[str, Floats]:
    """Return what a column of numbers tells of each person; nothing of words."""
    drawn = np.sort(rows.dropna().to_numpy(float))
    own = people.to_numpy(float)
    spread = float(drawn.std()) if drawn.size else 0.0
    if not spread > 0 or np.unique(drawn).size <= 10:
        return {}

    def rows_within(reach: float) -> Floats:
        ends = [
            np.searchsorted(drawn, own + of, side)
            for of, side in ((-reach, "left"), (reach, "right"))
        ]
        return (ends[1] - ends[0]).astype(float)

    step = float(np.min(np.diff(np.unique(drawn)))) / 2
    wide = rows_within(spread / 20) + 1.0
    found = {}
    for name, reach in (("exact", min(step, spread / 1e4)), ("window", spread / 100)):
        expected = wide * max(reach, 1e-12) / (spread / 20)
        score = np.log((rows_within(reach) + 0.5) / (np.minimum(expected, wide) + 0.5))
        heaped = rows_within(min(step, spread / 1e4)) > 0.02 * drawn.size
        found[name] = np.where(np.isnan(own) | heaped, 0.0, score)
    return found


def distances(people: pd.DataFrame, rows: pd.DataFrame) -> Floats:
    """Return the logarithms of the distances to near rows, float64 [n, depths]."""
    both = pd.concat([people, rows[:MOST_ROWS]], ignore_index=True)
    parts = []
    for name in people:
        if pd.api.types.is_numeric_dtype(both[name]):
            values = both[name].astype(float)
            rank = values.rank(pct=True)
            parts.append((rank.fillna(0.5) * 3.4).to_numpy()[:, None])
        else:
            parts.append(pd.get_dummies(both[name].astype(str)).to_numpy(float))
    points = np.hstack(parts)
    found, _ = cKDTree(points[len(people) :]).query(points[: len(people)], k=max(DEPTHS))
    return np.log(np.maximum(found[:, [depth - 1 for depth in DEPTHS]], 1e-6))


def attack(
    seen: pd.DataFrame, unseen: pd.DataFrame, rows: pd.DataFrame, person: str | None
) -> dict[str, tuple[float, float]]:
    """Return gain and error of each attacker."""
    names = [name for name in seen if name in rows and name != person]
    people = pd.concat([seen, unseen], ignore_index=True)
    by_column: dict[str, list[Floats]] = {"exact": [], "window": []}
    for name in names:
        if pd.api.types.is_numeric_dtype(seen[name]):
            for of, score in column_scores(people[name], rows[name]).items():
                by_column[of].append(score)
    near = distances(people[names], rows[names])
    scores = {
        of: np.sum(each, axis=0) if each else np.zeros(len(people))
        for of, each in by_column.items()
    }
    scores["nearest"] = near[:, -1] - near[:, 0]
    answers = [
        pd.factorize(people[name])[0]
        if not pd.api.types.is_numeric_dtype(people[name])
        else people[name]
        for name in names
    ]
    features = np.column_stack(
        [*by_column["exact"], *by_column["window"], *scores.values(), near, *answers]
    ).astype(float)
    who = people[person].to_numpy() if person else np.arange(len(people))
    who = np.unique(who, return_inverse=True)[1]
    member = np.arange(len(people)) < len(seen)
    fold = np.random.default_rng(1).permutation(who.max() + 1)[who] % 5
    scores["learned"] = np.zeros(len(people))
    for k in range(5):
        data = lightgbm.Dataset(features[fold != k], member[fold != k].astype(float))
        scores["learned"][fold == k] = lightgbm.train(TREES, data, 80).predict(
            features[fold == k], raw_score=True
        )
    return {of: gain(score, member, who) for of, score in scores.items()}


def gain(
    score: Floats, member: npt.NDArray[np.bool_], who: npt.NDArray[np.intp]
) -> tuple[float, float]:
    """Return the AUC above 0.5 of persons' mean scores, and its error without a leak."""
    mean = np.bincount(who, score) / np.bincount(who)
    is_member = np.bincount(who, member) > 0
    a, b = mean[is_member], np.sort(mean[~is_member])
    below = np.searchsorted(b, a, "left") + np.searchsorted(b, a, "right")
    return float(below.mean() / (2 * b.size) - 0.5), float(
        np.sqrt((a.size + b.size + 1) / (12 * a.size * b.size))
    )


def line(name: str, split: int) -> str:
    """Fit, attack and return a line."""
    seen, unseen, how = halves(name, split)
    model = simulacra.fit(seen, seed=split, **how)
    person = how.get("subject")
    asked: Mapping[str, int] = {"row_count": ROWS * len(seen)}
    if person:
        asked = {"persons": ROWS * seen[person].nunique()}
    rows = model.generate(**asked, seed=9).to_pandas()
    found = attack(seen, unseen, rows, person)
    report = model.report()
    level = next(one["level"] for one in report["verdicts"] if one["code"] == "privacy")
    beyond = [of for of, (value, error) in found.items() if value - SURE * error > LIMIT]
    agrees = f"wrong good: {', '.join(beyond)}" if beyond and level == "good" else "yes"
    cells = " | ".join(f"{0.5 + value:.3f}" for value, _ in found.values())
    error = next(iter(found.values()))[1]
    persons = seen[person].nunique() if person else len(seen)
    return f"| {name} {split} | {persons:,} | {cells} | {error:.3f} | {level} | {agrees} |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("tables", nargs="*", choices=[*EVERY, *KINDS, []])
    parser.add_argument("--splits", type=int, default=1)
    options = parser.parse_args()
    print(
        "| table, split | persons | exact | window | nearest | learned | error | privacy | agrees |"
    )
    print("|" + "---|" * 9)
    for name in options.tables or [*EVERY, *KINDS]:
        for split in range(options.splits):
            print(line(name, split), flush=True)


if __name__ == "__main__":
    main()
