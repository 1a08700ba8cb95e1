"""Penalised sequential trees: each column is drawn from a tree over the columns before it in a causal order.

A split must pay for its parameters (half a nat each, as in AIC) and for a penalty of some nats on top; that penalty,
not pruning or resampling, is what keeps training rows from being copied. See docs/architecture.md and `kernels`.
"""

from simulacra_trainer.families.forest.model import FOREST, ForestModel

__all__ = ["FOREST", "ForestModel"]
