"""Figures of rows against the population that a survey was drawn from, for `survey.py`."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from types import ModuleType
from typing import Any

import lightgbm
import numpy as np
import pandas as pd
import pyarrow as pa

from simulacra_schema.table import TableSchema
from simulacra_trainer.cleaning.clean import clean_table
from simulacra_trainer.families.base import no_progress
from simulacra_trainer.families.forest import FOREST, METHODS, ForestModel
from simulacra_trainer.pipeline.disclosure import ATTACK_ROWS
from simulacra_trainer.relations.compute import without_computed
from simulacra_trainer.report.attackers.attacks import auc, inference, linkage, nearness, points_of
from simulacra_trainer.report.comparison.discriminator import two_sample_auc

Z95 = 1.96
WEIGHT = "evidence_weight"
LARGE = 3.0
"""Coefficients and standard errors from here on are of cells that are nearly empty."""
TREES = {
    "objective": "binary",
    "learning_rate": 0.06,
    "num_leaves": 31,
    "min_data_in_leaf": 20,
    "bagging_fraction": 0.9,
    "bagging_freq": 1,
    "feature_fraction": 0.9,
    "cat_smooth": 10,
    "max_cat_to_onehot": 8,
    "num_threads": 1,
    "seed": 0,
    "verbosity": -1,
}
"""The bench's trees of evaluate.py."""
FEW = 2_000
"""Under this many rows its trees are smaller."""
MAX_LEVELS, LEAST_RESPONDENTS = 30, 10
"""Levels of a question, and respondents of a level, whose shares are judged."""
FEW_PERSONS, OTHER = 5, "(other)"
"""Words of fewer persons are one level, which the product writes so."""


@dataclass(frozen=True)
class Survey:
    """A population and its questions.

    Attributes:
        table: all people.
        targets: columns, and the level that counts as 1.
        segments: pairs of columns.
        predictors: of every logit.
    """

    table: pd.DataFrame
    targets: list[tuple[str, str]]
    segments: list[tuple[str, str]]
    predictors: list[str]


@dataclass(frozen=True)
class Parts:
    """A sample of a population, and its people who are not in it.

    Attributes:
        sample: n rows drawn with replacement.
        people: members of the sample once each; a second survey and controls, n people each; and
            others, at most 10,000.
    """

    sample: pd.DataFrame
    people: dict[str, pd.DataFrame]


class Judge:
    """The figures of rows against one population."""

    def __init__(self, survey: Survey, tools: ModuleType) -> None:
        self.survey, self.tools = survey, tools
        whole = survey.table
        counts = {name: tools.text(whole[name]).value_counts() for name in survey.predictors}
        self.levels = {name: [*of.index[of > 0.03 * len(whole)]] for name, of in counts.items()}
        self.shares_of = {name: shares_but_first(tools.text(whole[name])) for name in whole}
        self.coefficients = {
            target: self.fit(whole, target, np.ones(len(whole)))[0] for target in survey.targets
        }

    def fit(
        self, table: pd.DataFrame, target: tuple[str, str], weights: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return coefficients of a target's logit without the intercept, and their errors."""
        text, predictors = self.tools.text, self.survey.predictors
        inside = table[target[0]].notna().to_numpy().copy()
        for name in predictors:
            if name != target[0]:
                inside &= text(table[name]).isin(self.levels[name]).to_numpy()
        used = table[inside]
        design = self.tools.design(used, predictors, self.levels, target[0])
        hits = self.tools.hit(used, *target).astype(float)
        estimate, error = self.tools.logit(design, hits, weights[inside])
        return estimate[1:], error[1:]

    def logits(self, table: pd.DataFrame, weights: np.ndarray) -> dict[str, list[float]]:
        """Return the population's coefficients, these rows', and whether intervals cover."""
        found: dict[str, list[float]] = {"truth": [], "estimate": [], "covered": []}
        for target, truth in self.coefficients.items():
            estimate, error = self.fit(table, target, weights)
            fine = (np.abs(truth) < LARGE) & (error < LARGE)
            found["truth"] += [*np.where(np.abs(truth) < LARGE, truth, np.nan)]
            found["estimate"] += [*estimate]
            found["covered"] += [*(np.abs(estimate - truth) <= Z95 * error)[fine].astype(float)]
        return found

    def shares(self, table: pd.DataFrame, weights: np.ndarray, n: int) -> list[float]:
        """Return whether the interval of each level's share holds the population's.

        All questions count, not the targets alone, with the levels that about ten of n respondents
        have. Of each question the most frequent level is left out: the others decide it.
        """
        covered = []
        for name in self.survey.table:
            levels = self.shares_of[name]
            known = table[name].notna().to_numpy()
            count = weights[known].sum()
            answers = self.tools.text(table[name])[known].to_numpy()
            own = pd.Series(weights[known]).groupby(answers).sum()
            for level, truth in levels[levels * n >= LEAST_RESPONDENTS].items():
                share = own.get(level, 0.0) / count
                safe = np.clip(share, 0.5 / count, 1.0 - 0.5 / count)
                error = np.sqrt(safe * (1.0 - safe) / count)
                covered.append(float(abs(share - truth) <= Z95 * error))
        return covered

    def cells(self, table: pd.DataFrame, segment: tuple[str, str]) -> pd.DataFrame:
        """Return share and count of each target in each cell of a segment."""
        text, parts = self.tools.text, []
        keys = [text(table[name]).rename(name) for name in segment]
        for target in self.survey.targets:
            if target[0] not in segment:
                hits = pd.Series(self.tools.hit(table, *target), index=table.index).astype(float)
                of = hits[table[target[0]].notna()].groupby(keys).agg(["mean", "size"])
                parts.append(of.assign(target=target[0]).set_index("target", append=True))
        return pd.concat(parts)

    def slices(self, sample: pd.DataFrame, rows: pd.DataFrame) -> list[list[float]]:
        """Return respondents and both squared errors of every share of every slice."""
        found: list[list[float]] = []
        for segment in self.survey.segments:
            truth, own, made = (self.cells(of, segment) for of in (self.survey.table, sample, rows))
            both = truth.join(own, rsuffix="_own").join(made, rsuffix="_made").dropna()
            both = both[(both["size"] >= 30) & (both.size_made >= 10)]
            errors = [(both[name] - both["mean"]) ** 2 for name in ("mean_own", "mean_made")]
            found += np.column_stack([both.size_own, *errors]).tolist()
        return found

    def learned(self, parts: Parts, rows: pd.DataFrame) -> dict[str, list[float]]:
        """Return the AUC on people who are not in the sample, of trees that learned from rows."""
        found = []
        for target, level in self.survey.targets:
            learner, people = (of[of[target].notna()] for of in (rows, parts.people["others"]))
            hits = [self.tools.hit(of, target, level) for of in (learner, people)]
            features = as_features([of.drop(columns=target) for of in (learner, people)])
            trees = lightgbm.train(
                TREES | ({"num_leaves": 15} if len(learner) < FEW else {}),
                lightgbm.Dataset(features[0], hits[0].astype(float)),
                100 if len(learner) < FEW else 150,
            )
            score = np.asarray(trees.predict(features[1], num_threads=1))
            found.append(0.5 + auc(score[hits[1]], score[~hits[1]]).value)
        return {"auc": found}

    def figures(self, sample: pd.DataFrame, rows: pd.DataFrame) -> dict[str, Any]:
        """Return the analyst's figures of rows; of the sample itself where it is the rows."""
        one = np.ones(len(rows))
        found: dict[str, Any] = {
            "shares": self.shares(rows, one, len(sample)),
            "logit": self.logits(rows, one),
            "slices": self.slices(sample, rows),
        }
        if WEIGHT in rows:
            weights = rows[WEIGHT].to_numpy(float)
            found["worth"] = float(weights.sum())
            found["shares_weighted"] = self.shares(rows, weights, len(sample))
            found["logit_weighted"] = self.logits(rows, weights)["covered"]
        return found


def as_features(tables: list[pd.DataFrame]) -> list[pd.DataFrame]:
    """Return tables for LightGBM: numbers, and names as categories that the tables share."""
    made = [pd.DataFrame(index=of.index) for of in tables]
    for place, name in enumerate(tables[0]):
        of_all = pd.concat([of[name] for of in tables])
        number = pd.api.types.is_numeric_dtype(of_all)
        kind = np.dtype(float) if number else pd.CategoricalDtype(of_all.dropna().unique())
        for features, of in zip(made, tables, strict=True):
            features[f"f{place}"] = of[name].astype(kind)
    return made


def shares_but_first(answers: pd.Series) -> pd.Series:
    """Return the shares of a question's levels but the most frequent; none of many levels."""
    found = answers.value_counts(normalize=True)
    return found[1:] if len(found) <= MAX_LEVELS else found[:0]


def one_level(table: pd.DataFrame, sample: pd.DataFrame) -> pd.DataFrame:
    """Return a table in which words that few of the sample have, or none, are one level."""
    table = table.copy()
    for name in sample:
        if not pd.api.types.is_numeric_dtype(sample[name]):
            counts = sample[name].value_counts()
            known = table[name].isna() | table[name].isin(counts.index[counts >= FEW_PERSONS])
            table[name] = table[name].where(known, OTHER)
    return table


def realism(people: pd.DataFrame, rows: pd.DataFrame, seed: int) -> float:
    """Return how well a classifier tells rows from people who are not in the sample."""
    tables = [people, rows]
    clean = clean_table(pa.Table.from_pandas(pd.concat(tables), preserve_index=False))
    names = [column.name for column in without_computed(clean.schema).learned()]
    parts = clean.table.slice(0, len(people)), clean.table.slice(len(people))
    found = two_sample_auc(*parts, names, np.random.default_rng([seed, 3]))
    return float("nan") if found is None else found


def disclosed(parts: Parts, rows: pd.DataFrame, seed: int) -> dict[str, float]:
    """Return realism, as people see it and with one level for rare words, and attackers' gains."""
    frames = [rows, *parts.people.values()]
    clean = clean_table(pa.Table.from_pandas(pd.concat(frames), preserve_index=False))
    schema = without_computed(clean.schema)
    names = [column.name for column in schema.learned()]
    ends = np.cumsum([0, *map(len, frames)])
    made, *cut = (clean.table.slice(begin, end - begin) for begin, end in pairwise(ends.tolist()))
    people = dict(zip(parts.people, cut, strict=True))
    rng = np.random.default_rng([seed, 2])
    given = made.slice(0, min(ATTACK_ROWS, people["others"].num_rows))
    points = points_of(people["members"], [people["members"], people["controls"], given], names)
    learned = {"rows": given, "second": people["second"]}
    learned["others"] = people["others"].slice(0, given.num_rows)
    models = {key: log_linear(of, schema) for key, of in learned.items()}
    grids = models["others"].grids
    density = {
        (key, who): model.log_likelihood(people[who], grids)
        for key, model in models.items()
        for who in ("members", "controls")
    }
    lost = density["others", "controls"] - density["rows", "controls"]
    ratios = (density["rows", who] - density["second", who] for who in ("members", "controls"))
    c2st = two_sample_auc(people["others"], made, names, rng)
    grouped = (one_level(of, parts.sample) for of in (parts.people["others"], rows))
    return {
        "c2st": float("nan") if c2st is None else c2st,
        "one_level": realism(*grouped, seed),
        "nats": float(lost.mean()),
        "nearness": nearness(*points).value,
        "inference": inference(*points, rng).value,
        "linkage": linkage(*points, rng).value,
        "strong": 0.5 + auc(*ratios).value,
    }


def log_linear(rows: pa.Table, schema: TableSchema) -> ForestModel:
    """Learn regressions of scale 1 in the table's own order."""
    names = [column.name for column in schema.learned()]
    options = {METHODS: dict.fromkeys(names, "loglinear")}
    return FOREST.fit(rows, schema, names, seed=0, options=options, progress=no_progress)
