"""The operations of both clients: generators of steps, one module for each noun of the API.

`core` says what a step is; `resources` has what works for every kind of resource. Bodies are as in
the REST contract.
"""

from simulacra.operations import (
    account,
    certificates,
    datasets,
    effects,
    generations,
    jobs,
    one_call,
    resources,
    segments,
    sheets,
    uploads,
)

__all__ = [
    "account",
    "certificates",
    "datasets",
    "effects",
    "generations",
    "jobs",
    "one_call",
    "resources",
    "segments",
    "sheets",
    "uploads",
]
