"""Pairs of columns that nobody, or few, answered together (fusion): what may be said of them.

The given rows answer x, the donors y, and both the common columns z. Twenty times, models of x and
of y given z are learned from a random half of the rows; all respondents' probabilities then give
the figure under independence given z, and bounds that hold whatever else connects the two.
docs/adr/0098 has the reasons, benchmarks/results/fusion.md the figures.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import stdtrit

from simulacra_intake.rows_of_persons import MIN_PERSONS
from simulacra_intake.survey_weights import effective_rows
from simulacra_schema.completion import MIN_TOGETHER, PairAnswer, PairCell, PairVerdict
from simulacra_trainer.completion.asked_pairs import AskedPair, PairPlan
from simulacra_trainer.completion.bounds import Stated, bounds
from simulacra_trainer.completion.cells import Booleans, Indices
from simulacra_trainer.completion.fill import Filler
from simulacra_trainer.completion.rules import Rules
from simulacra_trainer.cpus import threads
from simulacra_trainer.families.codec import Floats

REFITS, STREAM = 20, 53
MARGIN, REACH = 1.645, 1.96
"""Errors of the refits by which bounds and the figure under independence are widened."""
MAX_LOOKED_AT = 5_000
"""Respondents whose probabilities are taken; more of them hardly narrow the bounds."""
DRAWS, LEVEL = 499, 0.01
"""Of the test of stated independence: pairs drawn, and the probability that contradicts it."""
DIGITS = 3


@dataclass(frozen=True)
class _Learned:
    """Probabilities of the answers of a column in the rows that are looked at.

    Attributes:
        each: by refit, float64 [refits, rows, levels].
        unseen: mean of the refits that a row was not learned in, float64 [rows, levels].
    """

    each: Floats
    unseen: Floats


@dataclass(frozen=True)
class _Rows:
    """The rows that are looked at.

    Attributes:
        at: of the cells, int64 [rows].
        answer: which of them are rows of the answer, bool [rows].
        weights: float64 [rows].
        halves: which of them each refit learned from, bool [refits, rows].
        units: persons or clusters, int64 [rows].
    """

    at: Indices
    answer: Booleans
    weights: Floats
    halves: Booleans
    units: Indices


def answer_pairs(plan: PairPlan, strength: tuple[float, float], seed: int) -> list[PairAnswer]:
    """Return what may be said of each pair.

    strength: scale and penalty of the models.
    """
    halves = np.stack([_half(plan.units, plan.cells.donors, seed, i) for i in range(REFITS)])
    rows = _looked_at(plan, halves, seed)
    learned: dict[tuple[int, tuple[int, ...]], _Learned] = {}
    found = []
    for i, pair in enumerate(plan.pairs):
        for j in (pair.x, pair.y):
            if (j, pair.through) not in learned:
                learned[j, pair.through] = _learn(plan, j, pair.through, halves, rows, strength)
        both = learned[pair.x, pair.through], learned[pair.y, pair.through]
        rng = np.random.default_rng([seed, STREAM, 2_000 + i])
        found.append(_answer(plan, pair, both, rows, rng))
    return found


def _half(units: Indices, donors: int, seed: int, i: int) -> Booleans:
    """Return a random half of the donors and of the given rows, whole clusters each, bool [n]."""
    rng = np.random.default_rng([seed, STREAM, i])
    chosen = np.zeros(units.size, np.bool_)
    for part in (slice(0, donors), slice(donors, None)):
        of, place = np.unique(units[part], return_inverse=True)
        taken = np.zeros(of.size, np.bool_)
        taken[rng.permutation(of.size)[: max(of.size // 2, 1)]] = True
        chosen[part] = taken[place.reshape(-1)] if of.size else False
    return chosen


def _looked_at(plan: PairPlan, halves: Booleans, seed: int) -> _Rows:
    """Return the answer's rows, at most MAX_LOOKED_AT, and those who answered both of a pair."""
    rng = np.random.default_rng([seed, STREAM, 1_000])
    n = plan.cells.rows
    answer = np.zeros(n, np.bool_)
    answer[plan.first + rng.permutation(n - plan.first)[:MAX_LOOKED_AT]] = True
    both = np.zeros(n, np.bool_)
    for pair in plan.pairs:
        both[rng.permutation(np.flatnonzero(plan.together(pair)))[:MAX_LOOKED_AT]] = True
    at = np.flatnonzero(answer | both)
    return _Rows(at, answer[at], plan.weights[at], halves[:, at], plan.units[at])


def _learn(
    plan: PairPlan,
    j: int,
    through: Sequence[int],
    halves: Booleans,
    rows: _Rows,
    strength: tuple[float, float],
) -> _Learned:
    """Return a column's probabilities given the common columns, from models of all halves."""
    cells, codes = plan.cells, plan.codes
    filler = Filler(cells, Rules(cells, plan.schema), *strength)
    known, size = ~np.isnan(cells.values[j]), len(cells.codecs[j].levels)

    def shares(i: int) -> Floats:
        drawer = filler.grow(j, through, cells.values, codes, np.flatnonzero(halves[i] & known))
        context = drawer.context(cells.values, codes, rows.at)
        every = np.arange(rows.at.size, dtype=np.int32)
        found = drawer.sampler.level_shares(context, every, size + 1)[:, 1:]
        return np.asarray(found / found.sum(axis=1, keepdims=True))

    first = shares(0)  # decides the method
    with ThreadPoolExecutor(threads()) as pool:
        each = np.stack([first, *pool.map(shares, range(1, REFITS))])
    apart = ~(rows.halves & known[rows.at])
    apart[:, ~apart.any(axis=0)] = True
    unseen = np.einsum("bn,bnk->nk", apart, each) / apart.sum(axis=0)[:, None]
    return _Learned(each, unseen)


def _answer(
    plan: PairPlan,
    pair: AskedPair,
    learned: tuple[_Learned, _Learned],
    rows: _Rows,
    rng: np.random.Generator,
    refuted: Sequence[str] = (),
) -> PairAnswer:
    """Return what may be said of a pair; refuted: names of its statements that fail."""
    x, y = learned
    each = np.array(
        [
            _figures(px, py, rows.weights * (rows.answer & half), pair)
            for px, py, half in zip(x.each, y.each, rows.halves, strict=True)
        ]
    )
    weights, (_, figure, *_), errors = rows.weights, each.mean(axis=0), each.std(axis=0, ddof=1)
    ends = each.mean(axis=0) + MARGIN * np.array([-1, 0, 1, -1, 1])[:, None, None] * errors
    least, _, most, plain_least, plain_most = np.clip(ends, 0.0, 1.0)
    least, most = np.maximum(least, plain_least), np.minimum(most, plain_most)
    for cell in pair.stated.never:
        least[cell] = most[cell] = 0.0
    together = plan.together(pair)
    persons = effective_rows(plan.weights[together]) if together.any() else 0.0
    low = high = shown = None
    verdict: PairVerdict = "open"
    if persons >= MIN_TOGETHER:
        both = together[rows.at]
        codes = [plan.cells.values[j][rows.at[both]].astype(np.int64) for j in (pair.x, pair.y)]
        over = _Overlap(codes, x.unseen[both], y.unseen[both], weights[both], rows.units[both])
        figure, low, high, counts = over.corrected(figure, errors[1], persons)
        few, stated = counts < MIN_PERSONS, pair.stated
        fails = {"impossible cell": any(not few[cell] for cell in stated.never)}
        signs = [
            *(high[c] < least[c] for c in stated.above),
            *(low[c] > most[c] for c in stated.below),
        ]
        fails["sign"] = any(signs)
        if any(fails.values()):
            refuted = [name for name, has_failed in fails.items() if has_failed]
            return _answer(plan, replace(pair, stated=Stated()), learned, rows, rng, refuted)
        if pair.independent and over.depends(rng) < LEVEL:
            refuted = [*refuted, "independence"]
        verdict = "contradicted" if refuted else "measured"
        told = ~few
        if few.any() and counts[few].sum() < MIN_PERSONS:
            # All shares make 1, so what few gave would follow from the others.
            told[np.unravel_index(np.argmin(np.where(few, np.inf, counts)), told.shape)] = False
        figure = np.where(told, figure, np.nan)
        low, high = (np.where(told | few, end, np.nan) for end in (low, high))
    elif pair.independent:
        verdict = "assumed"
        low, high = figure - REACH * errors[1], figure + REACH * errors[1]
    if low is not None and high is not None:
        low, high = (np.clip(end, least, most) for end in (low, high))
        shown = np.clip(figure, low, high)
    return PairAnswer(
        first=plan.cells.codecs[pair.x].name,
        second=plan.cells.codecs[pair.y].name,
        verdict=verdict,
        text=_text(verdict, persons, refuted, independent=pair.independent),
        together=None if 0 < together.sum() < MIN_PERSONS else round(persons, 1),
        through=[plan.cells.codecs[k].name for k in pair.through],
        width=round(float((most - least).mean()), DIGITS),
        plain=round(float((plain_most - plain_least).mean()), DIGITS),
        cells=list(_cells(plan, pair, figure=shown, low=low, high=high, least=least, most=most)),
    )


def _cells(plan: PairPlan, pair: AskedPair, **ends: Floats | None) -> Iterator[PairCell]:
    """Yield the cells; what is not there, or NaN, is null."""
    for a, x in enumerate(plan.cells.codecs[pair.x].levels):
        for b, y in enumerate(plan.cells.codecs[pair.y].levels):
            found = {name: None if of is None else float(of[a, b]) for name, of in ends.items()}
            said = {
                name: None if value is None or np.isnan(value) else round(value, DIGITS)
                for name, value in found.items()
            }
            yield PairCell.model_validate({"first": x, "second": y, **said})


def _figures(px: Floats, py: Floats, weights: Floats, pair: AskedPair) -> Floats:
    """Return shares, float64 [5, x, y].

    The least, that under independence and the largest, then least and largest of bounds that know
    no common column. weights: float64 [n], 0 for rows that are left out.
    """
    taken = weights > 0
    px, py = px[taken], py[taken]
    w = weights[taken] / weights.sum()
    independent = np.einsum("n,nx,ny->xy", w, px, py)
    least, most = (np.tensordot(w, of, 1) for of in bounds(px, py, pair.stated))
    alone = bounds(w[None] @ px, w[None] @ py, Stated())
    return np.stack([least, independent, most, *(of[0] for of in alone)])


@dataclass(frozen=True)
class _Overlap:
    """Respondents who answered both, and probabilities from models that did not see them.

    Attributes:
        codes: places of their answers to x and y, int64 [k] each.
        px, py: float64 [k, levels].
        weights: float64 [k].
        units: persons or clusters, int64 [k].
    """

    codes: Sequence[Indices]
    px: Floats
    py: Floats
    weights: Floats
    units: Indices

    def corrected(
        self, figure: Floats, error: Floats, persons: float
    ) -> tuple[Floats, Floats, Floats, Floats]:
        """Return figure, ends of its interval, and the persons of each cell, [x, y] each.

        The figure under independence, of all rows, is corrected by what these respondents show
        beyond it (Robins, Rotnitzky & Zhao, 1994). Where fewer than five gave both answers, the
        interval is what it would be if all its cells had five, so it tells no count.
        """
        a, b = self.codes
        seen = np.zeros((a.size, self.px.shape[1], self.py.shape[1]))
        seen[np.arange(a.size), a, b] = 1.0
        counts = seen.sum(axis=0)
        few = counts < MIN_PERSONS
        w = self.weights / self.weights.sum()
        beyond = seen - self.px[:, :, None] * self.py[:, None, :]
        shift = np.tensordot(w, beyond, 1)
        _, unit = np.unique(self.units, return_inverse=True)
        moves = np.zeros((int(unit.max()) + 1, *figure.shape))
        np.add.at(moves, unit.reshape(-1), w[:, None, None] * (beyond - shift))
        clusters = len(moves)
        variance = (moves**2).sum(axis=0) * clusters / (clusters - 1)
        reach = float(stdtrit(clusters - 1, 0.975))
        half = reach * np.sqrt(variance + error**2 + 0.25 / persons**2)
        five = MIN_PERSONS / a.size
        rare = reach * np.sqrt(five * (1 - five) / persons + error**2 + 0.25 / persons**2)
        figure = figure + shift
        low, high = np.where(few, 0.0, figure - half), np.where(few, five + rare, figure + half)
        return figure, low, high, counts

    def depends(self, rng: np.random.Generator) -> float:
        """Return the probability of so much dependence given z if there is none.

        Answers less their probabilities are multiplied cell by cell (the generalized covariance
        measure; Shah & Peters, 2020), and pairs drawn from the model say what chance makes of it.
        Counts compared with expected ones reject for errors of either model alone.
        """
        found = self._dependence(*self.codes)
        drawn = [self._dependence(_drawn(self.px, rng), _drawn(self.py, rng)) for _ in range(DRAWS)]
        return (1 + sum(one >= found for one in drawn)) / (DRAWS + 1)

    def _dependence(self, a: Indices, b: Indices) -> float:
        x, y = np.eye(self.px.shape[1])[a] - self.px, np.eye(self.py.shape[1])[b] - self.py
        x = x * self.weights[:, None]
        total, square = x.T @ y, (x**2).T @ y**2
        _, unit = np.unique(self.units, return_inverse=True)
        if int(unit.max()) + 1 < a.size:
            moves = np.zeros((int(unit.max()) + 1, *total.shape))
            np.add.at(moves, unit.reshape(-1), x[:, :, None] * y[:, None, :])
            square = (moves**2).sum(axis=0)
        return float(np.sum(total**2 / np.maximum(square, 1e-12)))


def _drawn(shares: Floats, rng: np.random.Generator) -> Indices:
    """Return a level for each row of probabilities, int64 [n]."""
    ends = np.cumsum(shares, axis=1)
    u = rng.random(len(shares)) * ends[:, -1]
    return np.minimum((u[:, None] > ends).sum(axis=1), shares.shape[1] - 1)


def _text(
    verdict: PairVerdict, persons: float, refuted: Sequence[str], *, independent: bool
) -> str:
    """Return what the verdict rests on, in words."""
    both = f"{persons:,.0f} respondents answered both"
    match verdict:
        case "measured":
            held = " They do not contradict the stated independence." if independent else ""
            return f"Measured: {both}; the models of all rows correct their share.{held}"
        case "contradicted":
            why = ", and they go together beyond the common columns" * ("independence" in refuted)
            fails = "fails" if len(refuted) == 1 else "fail"
            return (
                f"Contradicted: {both}{why}. The stated {' and '.join(refuted)} {fails}; the"
                " measured figures stand."
            )
        case "assumed":
            return (
                "Assumed: you stated that nothing but the common columns connects the two. Without"
                " that, only the bounds hold. Completed rows carry this assumption."
            )
        case "open":
            return (
                "Open: nobody knows more than the bounds. Completed rows show the two as"
                " independent given the common columns; do not tabulate them together."
            )
