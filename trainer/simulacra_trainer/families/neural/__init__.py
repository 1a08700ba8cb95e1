"""Neural any-order family: one network gives every column's distribution given any set of the others.

Needs torch and lightning (the extra `neural`); importing it without them is a ModuleNotFoundError.
"""

import os

# before torch loads: threads that wait actively for each other stall on busy or limited cores (measured: 20 times)
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from simulacra_trainer.families.neural.model import NEURAL, NeuralModel  # noqa: E402

__all__ = ["NEURAL", "NeuralModel"]
