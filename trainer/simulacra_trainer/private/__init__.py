"""Differential privacy: a table drawn from noisy marginals takes the place of the customer's rows (ADR 0060)."""

from simulacra_trainer.private.sanitise import sanitise

__all__ = ["sanitise"]
