"""The questions of two waves, matched: the same, to be asked about, or in one wave alone.

Pairs are assigned by one score (Kuhn, 1955). A pair is the same only if its levels are, and if
what it goes with, by signed rank correlations with questions that kept their names, and its shares
speak against a turned scale and against names that were exchanged.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from simulacra_intake.matching.levels import is_number
from simulacra_intake.matching.likeness import (
    alone_alike,
    association,
    like_by_name,
    like_by_values,
    rank_correlation,
    shared_levels,
)
from simulacra_intake.matching.questions import Floats, Question

SURE, ASK = 0.62, 0.36
"""Scores from which a pair may be the same, and may be asked about."""
CLEAR = 0.08
"""By how much the score of a pair must be above that of each other pair of its questions."""
ALONE = 0.12
"""Added to the score of two questions whose levels no other one has."""
FEWEST_ANCHORS = 3
STRONG = 0.25
"""Association from which the profile has its full weight, MOST_PROFILE."""
MOST_PROFILE = 0.3
TURNED, EXCHANGED = 2.0, 0.0
"""Standard errors by which the data must speak against a turned scale, and exchanged names."""
FOR_ANOTHER = 1.5
"""Standard errors by which the data speak for exchanged names, from which on these are asked."""
LEAST_SHARE = 0.01
UNLIKE = 0.75
"""Likeness of levels and shares below which names alone made a pair."""
DRIFT = 0.02
"""By how much shares and correlations may truly differ between waves (standard deviation)."""


class Match(NamedTuple):
    """A question of the earlier wave, one of the newest, and why they are matched or are not.

    One of the names is None where a question is in one wave alone.
    """

    earlier: str | None
    newest: str | None
    reason: str


class Matches(NamedTuple):
    """Pairs that are the same, pairs to ask about, and questions of one wave alone."""

    same: list[Match]
    ask: list[Match]
    none: list[Match]


def match_questions(earlier: Sequence[Question], newest: Sequence[Question]) -> Matches:
    """Return which questions of two waves are the same, and of which people must be asked.

    earlier, newest: each tabulated with the same other questions, as `both_tabulated` does, or
    with those of a summary; without tables, names and shares decide, and more is asked.
    """
    if not earlier or not newest:
        return Matches([], [], [*_alone(earlier, newest, set(), set())])
    scores = _Scores(earlier, newest)
    pairs = [(i, j) for i, j in scores.assigned() if scores.total[i, j] >= ASK]
    pairs = scores.by_contents(pairs)
    reasons = {pair: scores.reason_to_ask(*pair) for pair in pairs}
    doubts = _doubts(scores, [pair for pair, reason in reasons.items() if reason == ""])
    found = Matches([], [], [])
    for (i, own), told in reasons.items():
        doubt, j = doubts.get((i, own), ("", own))
        reason = doubt or told
        if reason is None:
            continue
        match = Match(earlier[i].name, newest[j].name, reason or scores.reason(i, j))
        (found.ask if reason else found.same).append(match)
    matched = [*found.same, *found.ask]
    old, new = {one.earlier for one in matched}, {one.newest for one in matched}
    found.none.extend(_alone(earlier, newest, old, new))
    return found


def _alone(
    earlier: Sequence[Question],
    newest: Sequence[Question],
    old: set[str | None],
    new: set[str | None],
) -> Iterator[Match]:
    for one in earlier:
        if one.name not in old:
            yield Match(one.name, None, "no question of the newest wave is like it")
    for one in newest:
        if one.name not in new:
            yield Match(None, one.name, "no question of the earlier wave is like it")


class _Scores:
    """How alike each question of the earlier wave is to each of the newest."""

    def __init__(self, earlier: Sequence[Question], newest: Sequence[Question]) -> None:
        self.earlier, self.newest = earlier, newest
        self.names = like_by_name(earlier, newest)
        self.values = like_by_values(earlier, newest)
        place, missing = (
            1.0 - np.abs(np.subtract.outer(*([getattr(q, of) for q in w] for w in self._waves)))
            for of in ("place", "missing")
        )
        self.total: Floats = 0.42 * self.names + 0.46 * self.values + 0.05 * place + 0.07 * missing
        alone = alone_alike(earlier, newest)
        self.total += ALONE * alone - ALONE * (~alone & (self.names < 0.5))
        by_name = {one.name: one for one in newest}
        self.anchors = [
            (one, by_name[one.name])
            for one in earlier
            if one.name in by_name
            and one.is_like(by_name[one.name])
            and any(one.name in other.tables for other in earlier)
            and any(one.name in other.tables for other in newest)
        ]
        if len(self.anchors) >= FEWEST_ANCHORS:
            self._add_profiles()

    @property
    def _waves(self) -> tuple[Sequence[Question], Sequence[Question]]:
        return self.earlier, self.newest

    def _add_profiles(self) -> None:
        """Mix in how alike the associations with questions that kept their names are."""
        old, new = (
            np.array([[_strength(one, anchor.name) for anchor, _ in self.anchors] for one in wave])
            for wave in self._waves
        )
        away = np.abs(old[:, None, :] - new[None, :, :])
        known = ~np.isnan(away)
        mean = np.where(known, away, 0.0).sum(2) / np.maximum(known.sum(2), 1)
        alike = np.exp(-mean / (np.median(mean) + 1e-9))
        strongest = (np.nan_to_num(of).max(1) for of in (old, new))
        weight = MOST_PROFILE * np.clip(np.minimum.outer(*strongest) / STRONG, 0.0, 1.0)
        self.total = (1.0 - weight) * self.total + weight * alike

    def assigned(self) -> list[tuple[int, int]]:
        """Return the pairs of the best assignment."""
        from scipy.optimize import linear_sum_assignment  # loading it takes long

        rows, columns = linear_sum_assignment(-self.total)
        return list(zip(rows.tolist(), columns.tolist(), strict=True))

    def by_contents(self, pairs: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
        """Return the pairs with the names exchanged of two whose contents fit only so."""
        partner = dict(pairs)
        unlike = [(i, j) for i, j in pairs if self.values[i, j] < UNLIKE]
        for at, (i, j) in enumerate(unlike):
            for p, q in unlike[at + 1 :]:
                crossed = min(self.values[i, q], self.values[p, j])
                gain = self.values[i, q] + self.values[p, j] - self.values[i, j] - self.values[p, q]
                if (partner[i], partner[p]) == (j, q) and crossed > 0.8 and gain > 0.5:
                    partner |= {i: q, p: j}
        return list(partner.items())

    def reason_to_ask(self, i: int, j: int) -> str | None:
        """Return why a pair is asked about; empty if it need not be, None if it is no pair."""
        a, b, score = self.earlier[i], self.newest[j], self.total[i, j]
        values, name = self.values[i, j], self.names[i, j]
        others = [np.delete(self.total[i], j), np.delete(self.total[:, j], i)]
        margin = score - max(float(np.max(one, initial=0.0)) for one in others)
        exact = a.name == b.name and name > 0.7
        clear = margin > CLEAR or (exact and values > 0.5)
        if score >= SURE and clear and values > 0.35:
            if not a.is_like(b):
                return "the levels differ"
            if values <= 0.6:
                return "the answers moved far"
            if not exact and name <= 0.55 and margin <= 0.2:
                return "the name is another"
            return ""
        if name > 0.5:
            return "the answers are unlike" if values <= 0.55 else "others are like it too"
        return "the name is another" if values > 0.55 else None

    def reason(self, i: int, j: int) -> str:
        """Return why a pair is the same."""
        a, b = self.earlier[i], self.newest[j]
        if a.name == b.name:
            return "name and levels are the same"
        return "levels are the same, and the names are alike or what it goes with is"


def _strength(one: Question, anchor: str) -> float:
    return association(one.tables[anchor]) if anchor in one.tables else np.nan


def _doubts(
    scores: _Scores, pairs: Sequence[tuple[int, int]]
) -> dict[tuple[int, int], tuple[str, int]]:
    """Return why pairs of equal levels may be no pairs, and which question may be it.

    The scale may be turned, or names may be exchanged.
    """
    traits = {pair: _traits(scores, *pair) for pair in pairs}
    rivals = []
    for at, one in enumerate(pairs):
        for other in pairs[at + 1 :]:
            if scores.earlier[one[0]].is_like(scores.earlier[other[0]]):
                errors = _for_own_names(traits[one], traits[other])
                rivals += [(errors, one, other)] if errors <= EXCHANGED else []
    rivals.sort()
    found: dict[tuple[int, int], tuple[str, int]] = {}
    for errors, one, other in rivals:
        if errors < -FOR_ANOTHER and not {one, other} & found.keys():
            found[one] = "its name was given to another", other[1]
            found[other] = "its name was given to another", one[1]
    for pair, trait in traits.items():
        if pair not in found and trait.may_be_turned():
            found[pair] = "the scale may be turned", pair[1]
    for _, one, other in rivals:
        if not {one, other} & found.keys():
            found[one] = f"{scores.newest[other[1]].name} may be it as well", one[1]
            found[other] = f"{scores.newest[one[1]].name} may be it as well", other[1]
    return found


class _Traits(NamedTuple):
    """What tells a question from others of its levels, in both waves, float64 [k] each.

    Attributes:
        signs: rank correlations with the anchors; nan with itself.
        shares: of the levels by their spelling; quantiles of numbers.
        rows: in each wave.
        keys: of the shares; empty for numbers.
    """

    signs: tuple[Floats, Floats]
    shares: tuple[Floats, Floats]
    rows: tuple[int, int]
    keys: tuple[str, ...]

    @property
    def noise(self) -> float:
        return 0.5 / self.rows[0] + 0.5 / self.rows[1]

    def may_be_turned(self) -> bool:
        """Return whether codes may mean the opposite in the newest wave; words keep theirs."""
        if not self.keys or not all(map(is_number, self.keys)):
            return False
        old, new = self.shares
        held = (old + old[::-1] + new + new[::-1]) / 2.0 + LEAST_SHARE
        lean = old - old[::-1], new - new[::-1], held * (self.noise + 2.0 * DRIFT**2)
        signs = self.signs[0], self.signs[1], self.noise + DRIFT**2
        return _agreement([signs, lean]) <= TURNED


def _for_own_names(one: _Traits, other: _Traits) -> float:
    """Return by how many standard errors two pairs fit better than with names exchanged."""
    noise = one.noise + other.noise
    every = [*dict.fromkeys([*one.keys, *other.keys])]
    signs = [x - y for x, y in zip(one.signs, other.signs, strict=True)]
    old, new = (
        _by_key(x, one.keys, every) - _by_key(y, other.keys, every)
        for x, y in zip(one.shares, other.shares, strict=True)
    )
    unit = 1.0 if every else float(np.std([*one.shares, *other.shares])) * old.size
    own = (0.2 * noise + 2.0 * DRIFT**2) * max(unit, 1e-9) ** 2
    return _agreement([(signs[0], signs[1], noise + 2.0 * DRIFT**2), (old, new, own)])


def _by_key(shares: Floats, keys: Sequence[str], every: Sequence[str]) -> Floats:
    """Return shares in a common order of levels; of numbers as they are."""
    own = dict(zip(keys, shares.tolist(), strict=True)) if keys else {}
    return np.array([own.get(key, 0.0) for key in every]) if every else shares


def _agreement(parts: Sequence[tuple[Floats, Floats, float | Floats]]) -> float:
    """Return by how many standard errors two waves agree in a contrast.

    parts: the contrast's coordinates in each wave, float64 [k], and the variance of each.
    """
    total = variance = 0.0
    for x, y, own in parts:
        total += float(np.nansum(x * y / own))
        variance += float(np.nansum((x**2 + y**2 + own) / own))
    return total / float(np.sqrt(variance)) if variance > 0 else 0.0


def _traits(scores: _Scores, i: int, j: int) -> _Traits:
    a, b = scores.earlier[i], scores.newest[j]
    signs = np.full((2, len(scores.anchors)), np.nan)
    rows = shared_levels(a, b)
    for at, (of_a, of_b) in enumerate(scores.anchors):
        if of_a.name not in a.tables or of_b.name not in b.tables:
            continue
        columns = shared_levels(of_a, of_b)
        signs[:, at] = [
            rank_correlation(of.tables[anchor.name][own][:, columns[wave]])
            for wave, (of, anchor, own) in enumerate(((a, of_a, rows[0]), (b, of_b, rows[1])))
        ]
    if a.quantiles:
        shares = np.array([a.quantiles, b.quantiles])
    else:
        shares = np.array([np.array(a.shares)[rows[0]], np.array(b.shares)[rows[1]]])
    keys = tuple(key for key in a.keys if key in b.keys)
    return _Traits((signs[0], signs[1]), (shares[0], shares[1]), (a.rows, b.rows), keys)
