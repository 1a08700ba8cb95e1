"""Neural any-order family: one network predicts any column given any set of the others.

Needs torch and pytorch-lightning (the extra `neural`); without them the import raises
ModuleNotFoundError.
"""

from importlib.util import find_spec

# Only a fit needs Lightning, and importing it takes seconds, so only check that it is installed.
if find_spec("pytorch_lightning") is None:
    raise ModuleNotFoundError("No module named 'pytorch_lightning'", name="pytorch_lightning")

from simulacra_trainer.families.neural.model import NEURAL, NeuralModel

__all__ = ["NEURAL", "NeuralModel"]
