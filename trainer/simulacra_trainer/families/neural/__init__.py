"""Neural any-order family: one network gives every column's distribution given any set of the others.

Needs torch and lightning (the extra `neural`); importing it without them is a ModuleNotFoundError.
"""

import os
from importlib.util import find_spec

# before torch loads: threads that wait for each other by spinning stall on busy or limited cores (measured: 20 times)
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
if find_spec("lightning") is None:  # looked for, not imported: only a fit needs it, and it takes seconds
    raise ModuleNotFoundError("No module named 'lightning'", name="lightning")

from simulacra_trainer.families.neural.model import NEURAL, NeuralModel

__all__ = ["NEURAL", "NeuralModel"]
