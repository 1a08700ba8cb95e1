"""Penalized sequential trees: each column has a tree over the columns before it in causal order.

In small tables a column may follow a log-linear regression instead.

A split must gain more log-likelihood than chance would (`training_rows.split_prices`). This
penalty keeps the model from copying training rows; there is no pruning or resampling.
"""

from simulacra_trainer.families.forest.family import FOREST, GIVEN, METHODS, TABLE_ROWS
from simulacra_trainer.families.forest.model.forest_model import (
    INDEPENDENT,
    PENALTY,
    SCALE,
    ForestModel,
)

__all__ = [
    "FOREST",
    "GIVEN",
    "INDEPENDENT",
    "METHODS",
    "PENALTY",
    "SCALE",
    "TABLE_ROWS",
    "ForestModel",
]
