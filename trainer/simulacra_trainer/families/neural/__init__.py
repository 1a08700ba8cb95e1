"""Neural any-order family: one network predicts any column given any set of the others.

Needs torch and pytorch-lightning (the extra `neural`); without them the import raises
ModuleNotFoundError.
"""

import os
from importlib.util import find_spec

# GNU OpenMP reads this when torch loads it: how long threads spin before they sleep. On two idle
# cores a training step takes 27 ms with the default of 300,000 and 32 ms with this value; on busy
# cores 600 ms and 180 ms.
os.environ.setdefault("GOMP_SPINCOUNT", "3000")
# Only a fit needs Lightning, and importing it takes seconds, so only check that it is installed.
if find_spec("pytorch_lightning") is None:
    raise ModuleNotFoundError("No module named 'pytorch_lightning'", name="pytorch_lightning")

from simulacra_trainer.families.neural.model import NEURAL, NeuralModel

__all__ = ["NEURAL", "NeuralModel"]
