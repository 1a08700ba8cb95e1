"""Who gave the rows of a table: what counts persons, and the level of their rare words."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from simulacra_intake.rows_of_persons import Ints, effective_persons

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
OTHER = "(other)"
_OTHERS = {
    "other": (OTHER, "yes"), "sonstige": ("(sonstige)", "ja nein männlich weiblich"),
    "autre": ("(autre)", "oui non homme femme"), "otro": ("(otro)", "sí hombre mujer"),
    "altro": ("(altro)", "sì uomo donna"), "outro": ("(outro)", "sim não homem mulher"),
    "overig": ("(overig)", "nee vrouw"), "annat": ("(annat)", "nej kvinna"),
    "inne": ("(inne)", "tak nie kobieta"), "другое": ("(другое)", "да нет"),
}  # fmt: skip
"""The level by language, with words that show the language."""
OTHER_LEVELS = frozenset(name for name, _ in _OTHERS.values())


@dataclass(frozen=True)
class People:
    """Who gave the rows of a table.

    Attributes:
        persons: of each row, int64 [rows]; None where each row is its own person.
        weights: survey weights, float64 [rows], or None.
        other: the level of rare words, in the language of the table.
    """

    persons: Ints | None
    weights: Floats | None = None
    other: str = OTHER

    def count(self, groups: Ints, size: int, where: Bools | None = None) -> Floats:
        """Return how many persons each group has, float64 [size]; groups: of the rows `where`."""
        rows = slice(None) if where is None else where
        persons = None if self.persons is None else self.persons[rows]
        weights = None if self.weights is None else self.weights[rows]
        return effective_persons(groups, persons, weights, size)

    def of(self, rows: Bools) -> float:
        """Return how many persons some rows have."""
        return float(self.count(np.zeros(int(rows.sum()), np.int64), 1, rows)[0])


def other_level(levels: Iterable[str]) -> str:
    """Return the level of rare words in the language that the levels of a table show."""
    found = {level.casefold() for level in levels}
    votes = {name: len(found & {key, *shown.split()}) for key, (name, shown) in _OTHERS.items()}
    best = max(votes, key=lambda name: votes[name])
    return best if votes[best] else OTHER
