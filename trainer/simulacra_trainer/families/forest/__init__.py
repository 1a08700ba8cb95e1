"""Penalized sequential trees: each column has a tree over the columns before it in causal order.

A split must gain more log-likelihood than chance would (`grow.split_prices`). This penalty keeps
the model from copying training rows; there is no pruning or resampling.
"""

from simulacra_trainer.families.forest.model import FOREST, PENALTY, SCORED, ForestModel

__all__ = ["FOREST", "PENALTY", "SCORED", "ForestModel"]
