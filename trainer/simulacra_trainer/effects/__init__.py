"""Average causal effects (ACE, by segment) by cross-fitted AIPW under the learned graph."""

from simulacra_trainer.effects.estimate import estimate_effect
from simulacra_trainer.effects.result import EffectResult

__all__ = ["EffectResult", "estimate_effect"]
