"""Differential privacy: a fit reads rows drawn from noisy marginals, not the customer's rows."""

from simulacra_trainer.differential_privacy.sanitize import sanitize

__all__ = ["sanitize"]
