"""Classifier two-sample test: can boosted trees tell synthetic from unseen real rows?

The classifier is LightGBM (Ke et al., 2017). The figure is the AUC of its out-of-fold predictions
(Lopez-Paz and Oquab, 2017), which is 0.5 if the rows cannot be told apart.
"""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa

from simulacra_intake.arrow_values import sample_rows
from simulacra_intake.survey_weights import weights_in
from simulacra_trainer.boosting import FIXED, raw_scores
from simulacra_trainer.cpus import threads
from simulacra_trainer.report.comparison.columns import (
    FloatArray,
    IntArray,
    is_category,
    level_codes,
    numbers,
)

MIN_ROWS = 100
MAX_ROWS = 8_000
MAX_VALUES = 400_000
"""Maximum of rows times columns, about a second; 1,000 rows per side are always allowed."""
FOLDS = 3
TREES = 100
MAX_LEVELS = 255
CLASSIFIER = FIXED | {
    "objective": "binary",
    "learning_rate": 0.08,
    "max_depth": 5,
    "num_leaves": 32,
    "min_data_in_leaf": 20,
    "lambda_l2": 1.0,
    "max_bin": MAX_LEVELS,
    # Allow a split to group any number of levels, even rare ones.
    "max_cat_to_onehot": 1,
    "max_cat_threshold": MAX_LEVELS,
    "min_data_per_group": 1,
    "cat_smooth": 2.5,
    "cat_l2": 0.0,
}


def two_sample_auc(
    real: pa.Table,
    synthetic: pa.Table,
    names: list[str],
    rng: np.random.Generator,
    weight: str | None = None,
    person: str | None = None,
) -> float | None:
    """Return the out-of-fold AUC, 0..1, on equally many real and synthetic rows.

    None if there are too few rows. Real rows count by the survey weights in column `weight`, in the
    trees and in the AUC. All rows of a person, by the column `person`, are in one fold: what is the
    same in them would tell the others.
    """
    import lightgbm  # takes a quarter second to import, and generating rows does not need it

    most = min(MAX_ROWS, max(1_000, MAX_VALUES // (2 * len(names))))
    rows = min(real.num_rows, synthetic.num_rows, most)
    if rows < MIN_ROWS:
        return None
    tables = [sample_rows(table, rows, rng) for table in (real, synthetic)]
    label = np.repeat([0.0, 1.0], rows)
    weights = weights_in(tables[0], weight)
    counts = np.ones(2 * rows)
    if weights is not None:
        counts[:rows] = weights
    fold = np.concatenate([_folds(table, person, rng) for table in tables])
    features = np.column_stack([_feature(tables, name) for name in names])
    categories = [i for i, name in enumerate(names) if is_category(tables[0], name)]
    score = np.empty(2 * rows)

    def score_fold(k: int) -> None:
        fit = fold != k
        data = lightgbm.Dataset(
            features[fit], label[fit], weight=counts[fit], categorical_feature=categories
        )
        score[~fit] = raw_scores(lightgbm.train(CLASSIFIER, data, TREES), features[~fit])

    with ThreadPoolExecutor(threads()) as pool:
        list(pool.map(score_fold, range(FOLDS)))
    order = np.argsort(score[:rows], kind="stable")
    below, drawn = score[:rows][order], score[rows:]
    up_to = np.append(0.0, np.cumsum(counts[:rows][order]))
    first, last = (np.searchsorted(below, drawn, side=side) for side in ("left", "right"))
    ahead = up_to[first] + up_to[last]  # a tie counts half
    return float(ahead.mean() / (2 * up_to[-1]))


def _folds(table: pa.Table, person: str | None, rng: np.random.Generator) -> IntArray:
    """Return the fold of each row, int64 [rows]."""
    if person is None:
        return rng.permutation(table.num_rows) % FOLDS
    people, of = np.unique(numbers(table, person), return_inverse=True)
    return (rng.permutation(people.size) % FOLDS)[of.reshape(-1)]


def _feature(tables: list[pa.Table], name: str) -> FloatArray:
    """Return a column of both tables, float64 [rows].

    Numbers have NaN for missing. Levels are codes by frequency; missing has its own code, and the
    rarest levels share the last one.
    """
    if not is_category(tables[0], name):
        return np.concatenate([numbers(t, name) for t in tables])
    codes = np.concatenate(level_codes(tables, name)[0])
    rank = np.argsort(np.argsort(-np.bincount(codes), kind="stable"), kind="stable")
    return np.minimum(rank[codes], MAX_LEVELS - 1).astype(np.float64)
