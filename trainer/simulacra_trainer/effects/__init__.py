"""Average causal effects, overall and by segment, by cross-fitted AIPW on the learned graph."""

from simulacra_trainer.effects.estimate import estimate_effect
from simulacra_trainer.effects.result import EffectResult

__all__ = ["EffectResult", "estimate_effect"]
