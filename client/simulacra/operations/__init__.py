"""The operations of both clients: generators of steps, by what they are about.

`core` says what a step is; `resources` has what works for every kind of resource. Bodies are as in
the REST contract.
"""

from simulacra.operations import (
    account,
    completions,
    datasets,
    generations,
    jobs,
    one_call,
    questions,
    resources,
    uploads,
)

__all__ = [
    "account",
    "completions",
    "datasets",
    "generations",
    "jobs",
    "one_call",
    "questions",
    "resources",
    "uploads",
]
