"""Linked rows beside new real people: persistence, persons' own means, group gaps, and attacks.

Simulated tables, half of the persons learned from:
- wages: a panel of men in 8 years, with a person's own level, a union state and a marriage state;
- purchases: 2 to 30 dated purchases a person, whose amounts, goods and channel are a person's own;
- transactions: e-mails, names, phones and a diagnosis beside the purchases.

Run: python benchmarks/linked.py wages|purchases|transactions [SEED]
"""

from __future__ import annotations

import json
import sys
import time

import numpy as np
import pandas as pd
import pyarrow as pa

from simulacra_crds.tasks import FitRequest, GenerateRequest
from simulacra_trainer.cleaning.clean import CleanTable, clean_table
from simulacra_trainer.linked.privacy import person_table
from simulacra_trainer.linked.tables import linked_tables
from simulacra_trainer.pipeline.fit import fit_model
from simulacra_trainer.pipeline.generate import generate_rows, plan_generation
from simulacra_trainer.report.attackers.neighbors import nearest, place
from simulacra_trainer.report.comparison.columns import FloatArray
from simulacra_trainer.trained_model import TrainedModel


def wages(rng: np.random.Generator, men: int = 544, years: int = 8) -> pd.DataFrame:
    """Return log wages with a random effect (ICC about 0.5) and an autoregressive rest."""
    person = np.repeat(np.arange(men), years)
    year = np.tile(np.arange(1980, 1980 + years), men)
    school = rng.normal(12, 1.8, men).round().clip(6, 18)
    black = rng.random(men) < 0.12
    own = rng.normal(0, 0.35, men)
    union = _states(rng, men, years, rng.normal(-1.2, 1.2, men), 2.2)
    married = np.maximum.accumulate(_states(rng, men, years, rng.normal(-1.5, 0.8, men), 1.0), 1)
    rest = np.zeros((men, years))
    for t in range(years):
        before = 0.4 * rest[:, t - 1] if t else 0.0
        rest[:, t] = before + rng.normal(0, 0.33, men)
    wage = 0.6 + 0.07 * school[:, None] + own[:, None] - 0.15 * black[:, None] + rest
    wage = wage + 0.05 * np.arange(years) + 0.17 * union + 0.08 * married
    return pd.DataFrame({
        "person_id": [f"P{p:05d}" for p in person], "year": year,
        "school": school[person].astype(int), "black": np.where(black, "yes", "no")[person],
        "log_wage": wage.reshape(-1).round(3),
        "union": np.where(union.reshape(-1) > 0, "yes", "no"),
        "married": np.where(married.reshape(-1) > 0, "yes", "no"),
    })  # fmt: skip


def _states(
    rng: np.random.Generator, n: int, years: int, own: np.ndarray, stay: float
) -> np.ndarray:
    state = np.zeros((n, years), int)
    for t in range(years):
        before = stay * (2 * state[:, t - 1] - 1) if t else 0.0
        state[:, t] = rng.random(n) < 1 / (1 + np.exp(-(own + before)))
    return state


def purchases(rng: np.random.Generator, persons: int = 800) -> pd.DataFrame:
    """Return purchases whose size, goods and channel follow each person's own habits."""
    count = rng.negative_binomial(3, 0.3, persons).clip(1, 28) + 1
    who = np.repeat(np.arange(persons), count)
    region = rng.choice(["north", "south", "east", "west"], persons)
    age = rng.integers(18, 80, persons)
    own = rng.normal(0, 0.6, persons) + 0.01 * (age - 45) + 0.3 * (region == "north")
    taste = rng.dirichlet([0.8, 0.8, 0.8], persons)
    online = rng.beta(0.7, 0.7, persons)
    gaps = rng.exponential(rng.gamma(2, 12, persons)[who]).round() + 1
    day = pd.Series(gaps).groupby(who).cumsum() + rng.integers(0, 60, persons)[who]
    goods = np.array(["food", "books", "toys"])[
        (rng.random(who.size)[:, None] > np.cumsum(taste[who], 1)).sum(1).clip(0, 2)]  # fmt: skip
    return pd.DataFrame({
        "customer_id": [f"C{p:05d}" for p in who], "region": region[who], "age": age[who],
        "date": (pd.Timestamp("2023-01-01") + pd.to_timedelta(day, "D")).dt.date,
        "amount": np.exp(3 + own[who] + rng.normal(0, 0.4, who.size)).round(2),
        "goods": goods, "channel": np.where(rng.random(who.size) < online[who], "web", "shop"),
    })  # fmt: skip


def transactions(rng: np.random.Generator) -> pd.DataFrame:
    """Return purchases with identifiers and a diagnosis of each person."""
    table = purchases(rng)
    who = table["customer_id"].str[1:].astype(int)
    ill = rng.choice(["none", "asthma", "diabetes", "epilepsy"], 800, p=[0.7, 0.15, 0.1, 0.05])
    table.insert(1, "email", [f"vera.winkel{p}@mail.example.com" for p in who])
    table.insert(
        2, "name", [f"Vera{'abcdefghij'[p % 10]} Winkel{'klmnopqrst'[p // 80]}" for p in who]
    )
    table.insert(3, "phone", [f"+44 7{p * 7 % 900:03d} {p * 3137 % 10**6:06d}" for p in who])
    table["diagnosis"] = ill[who]
    return table


def shape(
    table: pd.DataFrame, person: str, number: str, state: str, group: str, level: str
) -> dict[str, float]:
    """Return what persons' histories look like: the measures of methods-generation.md."""
    of = table.groupby(person, sort=False)
    before, same = of[number].shift(1), of[state].shift(1)
    size, mean = of[number].transform("size"), of[number].transform("mean")
    within = ((table[number] - mean) ** 2).sum() / (len(table) - of.ngroups)
    n0 = (len(table) - of.size().pow(2).sum() / len(table)) / (of.ngroups - 1)
    between = ((mean - table[number].mean()) ** 2).sum() / (of.ngroups - 1)
    inside = table[group] == level
    long = size >= 4
    shares = (table[long][state] == sorted(table[state].unique())[0]).groupby(table[long][person])
    return {
        "rows_a_person": len(table) / of.ngroups,
        "lag_1_r": table[number].corr(before),
        "icc": (between - within) / (between + (n0 - 1) * within),
        "stays": float((table[state] == same)[same.notna()].mean()),
        "sd_of_shares": float(shares.mean().std()),
        "first_to_last_r": of[number].first().corr(of[number].last()),
        "group_gap": table[inside][number].mean() - table[~inside][number].mean(),
    }


def distances(halves: list[CleanTable], seen: int, drawn: pa.Table) -> list[FloatArray]:
    """Return how far the persons of each half are from the nearest synthetic person, [persons].

    seen: the half that the model has learned from.
    """
    tables = [linked_tables(one.table, one.schema) for one in (*halves, clean_table(drawn))]
    people = [person_table(tables[seen], one.subjects, one.events, one.who) for one in tables]
    *real, synthetic = place(people[seen], people, people[seen].column_names)
    return [nearest(half, synthetic)[0] for half in real]


def told_apart(inside: FloatArray, outside: FloatArray, draws: int = 200) -> tuple[float, float]:
    """Return the AUC of nearness as a sign that a person was in the table, and its standard error.

    Each person is measured twice: from rows of the model that has seen it, and of the other. So
    unusual persons, who are far from everybody, do not blur the comparison.

    Args:
        inside: distances from the model that has seen the person, float64 [persons].
        outside: from the other, of the same persons.
        draws: resamples of persons for the standard error.
    """
    rng = np.random.default_rng(0)
    resampled = [rng.integers(inside.size, size=inside.size) for _ in range(draws)]
    error = np.std([_auc(inside[who], outside[who]) for who in resampled])
    return _auc(inside, outside), float(error)


def _auc(inside: FloatArray, outside: FloatArray) -> float:
    ranked = np.sort(outside)
    farther = ranked.size - np.searchsorted(ranked, inside, "right")
    ties = ranked.size - np.searchsorted(ranked, inside, "left") - farther
    return float((farther + 0.5 * ties).mean() / ranked.size)


CASES = {
    "wages": (wages, "person_id", "log_wage", "union", "union", "yes"),
    "purchases": (purchases, "customer_id", "amount", "channel", "region", "north"),
    "transactions": (transactions, "customer_id", "amount", "channel", "region", "north"),
}
HIDDEN = ("customer_id", "email", "name", "phone")


def generated(clean: CleanTable, persons: int) -> tuple[TrainedModel, pa.Table]:
    """Fit a model and return it with linked rows."""
    request = FitRequest.model_validate({"family": "forest", "seed": 1})
    model = fit_model(clean.table, clean.schema, request)
    asked = GenerateRequest(persons=persons, seed=3, evidence=False)
    return model, pa.concat_tables(generate_rows(model, plan_generation(model, asked)))


def main(name: str, seed: str = "7") -> None:
    """Learn from each half of the persons, and print the figures of both as JSON.

    The attack compares both, because one half may hold more unusual persons.
    """
    make, person, *measured = CASES[name]
    table = make(np.random.default_rng(int(seed)))
    people = np.random.default_rng(int(seed) + 1).permutation(table[person].unique())
    first = table[person].isin(people[: people.size // 2])
    halves = [table[first], table[~first]]
    clean = [clean_table(pa.Table.from_pandas(half, preserve_index=False)) for half in halves]
    real = {word for column in HIDDEN if column in table for word in table[column]}
    near = []
    for i in range(2):
        began = time.monotonic()
        model, drawn = generated(clean[i], 4 * people.size)
        near.append(distances(clean, i, drawn))
        frame = drawn.to_pandas()
        found = {
            "seconds": round(time.monotonic() - began, 1),
            "learned_from": shape(halves[i], person, *measured),
            "new_real_people": shape(halves[1 - i], person, *measured),
            "linked_rows": shape(frame, person, *measured),
            "tuning": model.report["linked"],
            "real_identifiers": int(sum(frame[c].isin(real).sum() for c in HIDDEN if c in frame)),
        }
        print(json.dumps(found, default=lambda value: round(float(value), 4)))
    inside, outside = (np.concatenate([near[i ^ j][i] for i in range(2)]) for j in range(2))
    auc, error = told_apart(inside, outside)
    print(json.dumps({"linkage_auc": round(auc, 4), "standard_error": round(error, 4)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
