"""Samplers, which draw the values of one column given the columns before it.

Samplers nest: a class tree picks a class, and another sampler may draw the value inside the class.
Each row has one uniform number. A sampler uses as much of it as its choice needs and passes on the
remainder, which is uniform again. Leaf donors are sorted by value, so the same number gives a value
of the same rank under two interventions. Each kind is one module: how it draws, the noise behind a
value, its probabilities, and its stored form.
"""

from simulacra_trainer.families.forest.samplers.base import Context, Method, Respond, Sampler
from simulacra_trainer.families.forest.samplers.classes import Classes
from simulacra_trainer.families.forest.samplers.latent import Latent
from simulacra_trainer.families.forest.samplers.loglinear import LogLinear, ScoredItems
from simulacra_trainer.families.forest.samplers.lookup import Lookup
from simulacra_trainer.families.forest.samplers.monotone import Monotone
from simulacra_trainer.families.forest.samplers.numbers import Numbers
from simulacra_trainer.families.forest.samplers.pool import Pool
from simulacra_trainer.families.forest.samplers.response import Response
from simulacra_trainer.families.forest.samplers.switch import Switch

_STORED: tuple[type[Sampler], ...] = (
    Pool,
    Numbers,
    Classes,
    Switch,
    Lookup,
    Monotone,
    Latent,
    LogLinear,
)
SAMPLERS = {of.kind: of for of in _STORED}
"""What a stored model may hold, by the kind in its outline."""

__all__ = [
    "SAMPLERS",
    "Classes",
    "Context",
    "Latent",
    "LogLinear",
    "Lookup",
    "Method",
    "Monotone",
    "Numbers",
    "Pool",
    "Respond",
    "Response",
    "Sampler",
    "ScoredItems",
    "Switch",
]
