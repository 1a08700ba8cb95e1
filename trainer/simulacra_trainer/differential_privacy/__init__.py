"""Differential privacy: a table drawn from noisy marginals takes the place of the customer's rows (ADR 0031)."""

from simulacra_trainer.differential_privacy.sanitize import sanitize

__all__ = ["sanitize"]
