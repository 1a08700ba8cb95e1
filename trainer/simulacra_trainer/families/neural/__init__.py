"""Neural any-order family: one network gives every column's distribution given any set of the
others.

Needs torch and pytorch-lightning (the extra `neural`); importing it without them is a
ModuleNotFoundError.
"""

import os
from importlib.util import find_spec

# Read by GNU OpenMP when torch loads it: how long threads spin before they sleep. Two idle cores
# take 27 ms a step of training with the default of 300,000 and 32 ms with this; busy cores take 600
# ms and 180 ms.
os.environ.setdefault("GOMP_SPINCOUNT", "3000")
if (
    find_spec("pytorch_lightning") is None
):  # looked for, not imported: only a fit needs it, and it takes seconds
    raise ModuleNotFoundError("No module named 'pytorch_lightning'", name="pytorch_lightning")

from simulacra_trainer.families.neural.model import NEURAL, NeuralModel

__all__ = ["NEURAL", "NeuralModel"]
