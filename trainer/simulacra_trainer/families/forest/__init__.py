"""Penalized sequential trees: each column is drawn from a tree over the columns before it in a
causal order.

A split must gain what chance gains seldom (`grow.split_prices`); that penalty, not pruning or
resampling, is what keeps training rows from being copied.
"""

from simulacra_trainer.families.forest.model import FOREST, PENALTY, SCORED, ForestModel

__all__ = ["FOREST", "PENALTY", "SCORED", "ForestModel"]
