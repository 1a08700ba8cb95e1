"""EffectEstimate: once its Model is Ready, an `estimate` Job answers one causal question."""

from simulacra_crds.tasks import EstimateRequest
from simulacra_operator.work.questions import question

KIND = question(EstimateRequest, "estimate")
"""Effect estimates."""
