"""Completion of given rows: the gaps of a table filled m times by models of random halves.

Each of the m models learns from a random half of the donors, so that the variance between the m
fillings is the one that Rubin's rules need. docs/adr/0093 says why.
"""

from simulacra_trainer.completion.complete import Completion, complete
from simulacra_trainer.completion.given_rows import GivenRows, read_given

__all__ = ["Completion", "GivenRows", "complete", "read_given"]
