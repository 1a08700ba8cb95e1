"""Average causal effects, overall and by segment, with a verdict of what each rests on."""

from simulacra_crds.contract.answers import EffectResult
from simulacra_trainer.effects.estimate import estimate_effect

__all__ = ["EffectResult", "estimate_effect"]
