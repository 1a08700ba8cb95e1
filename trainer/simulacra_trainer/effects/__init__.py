"""Average causal effects, overall and by segment, with a verdict of what each rests on."""

from simulacra_crds.contract.answers import EffectResult
from simulacra_trainer.effects.estimate import answer_effect, estimate_effect

__all__ = ["EffectResult", "answer_effect", "estimate_effect"]
