"""The choice of pool rows to generate from, so that all conditions hold together and exactly.

The pool holds the conditioned columns, drawn from the model; the other columns are generated given
them. Picking pool rows at the raked frequencies is therefore the minimum-KL tilt of the whole
model, without rejection.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from simulacra_intake.errors import invalid_request
from simulacra_schema.conditions import ConditionSet
from simulacra_schema.faults import pointer
from simulacra_trainer.conditions import rounding, support
from simulacra_trainer.conditions.attainment import AttainmentDetail, ConditionOutcome
from simulacra_trainer.conditions.cells import (
    BoolArray,
    Cells,
    FloatArray,
    IntArray,
    ShareCondition,
    find_cells,
)
from simulacra_trainer.conditions.margins import (
    SLACK_TOLERANCE,
    TOLERANCE,
    Bounds,
    largest_support,
    nearest_margins,
    rake,
)
from simulacra_trainer.conditions.outcomes import quota_outcomes
from simulacra_trainer.conditions.quota_cells import QuotaCondition, quota_conditions

QUICK_SWEEPS = 200
PATIENT_SWEEPS = 5000
GREEDY_TRIES = 3


@dataclass(frozen=True)
class RowPlan:
    """Pool rows to generate from (int64 [n], shuffled) and how well they meet the conditions.

    of_row: the cell of each pool row, int64 [pool rows]; -1 where the conditions exclude it.
    """

    indices: IntArray
    attainment: AttainmentDetail
    of_row: IntArray


@dataclass(frozen=True)
class _Request:
    """Shares and quotas over all classes: bounds of the shares, named bool [classes]."""

    shares: list[ShareCondition]
    quotas: list[QuotaCondition]
    bounds: Bounds
    named: BoolArray

    @property
    def targets(self) -> FloatArray:
        """Shares of all classes, float64 [classes]; the lower end where they are open."""
        return self.bounds.low


def plan_rows(
    pool: pa.Table,
    conditions: ConditionSet,
    n: int,
    rng: np.random.Generator,
    *,
    behind: float | None = None,
    drawn_inside: str | None = None,
    weights: FloatArray | None = None,
) -> RowPlan:
    """Choose n rows of the pool that meet the conditions and otherwise follow the pool.

    pool: rows of the learned distribution, at least the conditioned columns, in clean types; if n
    is above its size, rows repeat in turn. behind: effective rows of the table that it was learned
    from, for the backing figure. drawn_inside: column whose range the whole pool lies in, for the
    error text. weights: rows of the learned distribution that each pool row stands for, float64
    [rows], equal in rows of the same quotas; None: one each. The same pool, conditions, n and seed
    give the same plan.

    Raises:
        InfeasibleError: no row of the pool meets the ranges and fixed values that the detail names.
        InputError: the shares of a column sum to more than 1, or the column has no levels.
    """
    if pool.num_rows == 0:
        raise ValueError("the pool is empty: draw rows from the model first")
    shares = [
        _share_condition(name, levels, pool) for name, levels in conditions.categorical.items()
    ]
    quotas = quota_conditions(conditions.quotas)
    classes = [s.classify(pool) for s in shares] + [q.classify(pool) for q in quotas]
    kept = _kept_rows(pool, conditions, shares, quotas, classes, drawn_inside)
    sizes = [len(s.levels) + 1 for s in shares] + [2 for _ in quotas]
    of_kept = None if weights is None else weights[kept]
    cells = find_cells([of[kept] for of in classes], sizes, len(kept), of_kept)
    request = _request(shares, quotas)
    p, bounds = _tilt(cells, request)
    table = _whole_rows(cells, p, bounds, request, n, rng)
    indices = kept[_draw(cells, table, rng)]
    outcomes = _share_outcomes(request, cells, table, n) + _range_outcomes(
        pool, conditions, indices
    )
    found = float(len(kept)) if of_kept is None else float(of_kept.sum())
    drawn = float(pool.num_rows) if weights is None else float(weights.sum())
    detail = _detail(outcomes, cells, p, n, found, drawn, behind)
    of_row = np.full(pool.num_rows, -1)
    of_row[kept] = cells.of_row
    if not quotas:
        return RowPlan(indices, detail, of_row)
    of_quotas = quota_outcomes(quotas, shares, cells, table, n)
    if behind is not None:
        learned = cells.margins(cells.weight)[-2 * len(quotas) :: 2] * found / drawn
        of_quotas = [
            one.model_copy(update={"backing": behind * float(share)})
            for one, share in zip(of_quotas, learned, strict=True)
        ]
    met = detail.status == "exact" and all(one.met for one in of_quotas)
    status = "exact" if met else "partial"
    detail = detail.model_copy(update={"quotas": of_quotas, "status": status})
    return RowPlan(indices, detail, of_row)


def _request(shares: list[ShareCondition], quotas: list[QuotaCondition]) -> _Request:
    ends = [(s.targets, s.targets) for s in shares]
    named = [np.append(s.shares > 0, False) for s in shares]
    for quota in quotas:
        least, most = quota.bounds
        ends.append((np.array([least, 1.0 - most]), np.array([most, 1.0 - least])))
        named.append(np.array([most > 0, False]))
    loose = frozenset(len(shares) + at for at, one in enumerate(quotas) if not one.is_exact)
    if not ends:
        return _Request([], [], Bounds(np.zeros(0), np.zeros(0)), np.zeros(0, dtype=np.bool_))
    low, high = (np.concatenate([one[end] for one in ends]) for end in (0, 1))
    return _Request(shares, quotas, Bounds(low, high, loose), np.concatenate(named))


def _share_condition(name: str, levels: dict[str, float], pool: pa.Table) -> ShareCondition:
    at = pointer("conditions", "categorical", name)
    kind = pool.schema.field(name).type
    if not (pa.types.is_dictionary(kind) or pa.types.is_integer(kind)):
        detail = f'"{name}" has no levels. Give a range with min and max in conditions.numeric.'
        message = "A share condition names a column without levels."
        raise invalid_request(message, detail, at)
    total = sum(levels.values())
    if total > 1 + 1e-9:
        detail = f'The shares of "{name}" sum to {total:.6g}. Lower them to at most 1.'
        message = "The shares of a column sum to more than 1."
        raise invalid_request(message, detail, at)
    return ShareCondition(name, list(levels), np.array(list(levels.values()), dtype=np.float64))


def _kept_rows(
    pool: pa.Table,
    conditions: ConditionSet,
    shares: list[ShareCondition],
    quotas: list[QuotaCondition],
    classes: list[IntArray],
    drawn_inside: str | None,
) -> IntArray:
    hard = [
        support.hard_range(name, bounds, pool, is_drawn=name == drawn_inside)
        for name, bounds in conditions.numeric.items()
    ]
    of_shares = map(support.hard_shares, shares, classes)
    of_quotas = (one.hard(of) for one, of in zip(quotas, classes[len(shares) :], strict=True))
    hard += [one for one in [*of_shares, *of_quotas] if one is not None]
    return support.rows_that_meet(hard, pool.num_rows)


def _tilt(cells: Cells, request: _Request) -> tuple[FloatArray, Bounds]:
    """Return the raked table and its bounds: the requested ones or the nearest attainable."""
    bounds = request.bounds
    p, error = rake(cells, cells.weight, bounds.low, QUICK_SWEEPS, bounds)
    if error <= TOLERANCE:
        return p, bounds
    margins, inside, slack = nearest_margins(cells, bounds.low, request.named, bounds)
    if slack > SLACK_TOLERANCE:
        is_loose = np.repeat([at in bounds.loose for at in range(len(cells.sizes))], cells.sizes)
        low = np.where(is_loose, np.minimum(bounds.low, margins), margins)
        high = np.where(is_loose, np.maximum(bounds.high, margins), margins)
        bounds = Bounds(low, high, bounds.loose)
    filled = largest_support(cells, bounds.low, inside, bounds)
    start = np.where(filled, cells.weight, 0.0)
    p, error = rake(cells, start, bounds.low, PATIENT_SWEEPS, bounds)
    return p / p.sum(), bounds


def _whole_rows(
    cells: Cells, p: FloatArray, bounds: Bounds, request: _Request, n: int, rng: np.random.Generator
) -> IntArray:
    """Round the raked table to n rows, by an integer program if the greedy pass gets stuck."""
    margins = bounds.low
    if bounds.loose:  # where raking has left them
        margins = np.where(bounds.low < bounds.high, cells.margins(p), bounds.low)
    quotas = [rounding.largest_remainder(m / m.sum(), n) for m in _split(margins, cells)]
    low, high = rounding.bounds_range(request.bounds.low, request.bounds.high, n)
    for at in bounds.loose:
        first = int(cells.sizes[:at].sum())
        inside = int(np.clip(quotas[at][0], low[first], high[first]))
        quotas[at] = np.array([inside, n - inside])
    flat = np.concatenate(quotas) if quotas else np.zeros(0, dtype=np.int64)
    relaxed = float(request.bounds.distance(margins)[request.named].sum()) * n > request.named.sum()
    for _ in range(GREEDY_TRIES):
        table, complete = rounding.round_greedily(cells, p, flat, n, rng)
        if complete and (relaxed or rounding.within(flat, low, high)[request.named].all()):
            return table
    if relaxed:  # by more than a rounding, so round to the attainable margins
        low, high = rounding.bounds_range(bounds.low, bounds.high, n)
    free = ~request.named & (request.bounds.high > 0)
    found = rounding.round_by_program(cells, p, np.where(free, 0, low), np.where(free, n, high), n)
    return found if found is not None else rounding.fill_up(table, p, n)


def _split(flat: FloatArray, cells: Cells) -> list[FloatArray]:
    return np.split(flat, np.cumsum(cells.sizes)[:-1]) if len(cells.sizes) else []


def _draw(cells: Cells, table: IntArray, rng: np.random.Generator) -> IntArray:
    """Draw table[c] rows of each cell, without replacement while they last: shuffled int64 [n]."""
    shuffled = rng.permutation(len(cells.of_row))
    key = cells.of_row[shuffled]
    if len(table) <= 1 << 16:
        key = key.astype(np.uint16)  # numpy sorts 16-bit keys by radix
    grouped = shuffled[np.argsort(key, kind="stable")]
    size = np.bincount(cells.of_row, minlength=len(table))
    start = np.cumsum(size) - size
    cell = np.repeat(np.arange(len(table)), table)
    turn = np.arange(int(table.sum())) - np.repeat(np.cumsum(table) - table, table)
    picked: IntArray = grouped[start[cell] + turn % size[cell]]
    return rng.permutation(picked)


def _share_outcomes(
    request: _Request, cells: Cells, table: IntArray, n: int
) -> list[ConditionOutcome]:
    low, high = rounding.quota_range(request.targets, n)
    counts = cells.margins(table).astype(np.int64)
    met = rounding.within(counts, low, high)
    offsets = (np.cumsum(cells.sizes) - cells.sizes)[: len(request.shares)]
    return [
        ConditionOutcome(
            column=s.column,
            level=level,
            asked=float(share),
            attained=float(counts[offset + i]) / n,
            met=bool(met[offset + i]),
        )
        for s, offset in zip(request.shares, offsets, strict=True)
        for i, (level, share) in enumerate(zip(s.levels, s.shares, strict=True))
    ]


def _range_outcomes(
    pool: pa.Table, conditions: ConditionSet, indices: IntArray
) -> list[ConditionOutcome]:
    outcomes = []
    for name, bounds in conditions.numeric.items():
        attained = float(support.hard_range(name, bounds, pool).allowed[indices].mean())
        outcomes.append(
            ConditionOutcome(
                column=name,
                minimum=bounds.min,
                maximum=bounds.max,
                earliest=bounds.earliest,
                latest=bounds.latest,
                asked=1.0,
                attained=attained,
                met=attained == 1.0,
            )
        )
    return outcomes


def _detail(
    outcomes: list[ConditionOutcome],
    cells: Cells,
    p: FloatArray,
    n: int,
    kept: float,
    drawn: float,
    behind: float | None,
) -> AttainmentDetail:
    tilt = np.divide(p, cells.weight, out=np.zeros_like(p), where=cells.weight > 0)
    kl = float(np.sum(p * np.log(np.where(p > 0, tilt, 1.0)))) + float(np.log(drawn / kept))
    effective = _kish(tilt, cells.weight * kept)
    return AttainmentDetail(
        status="exact" if all(o.met for o in outcomes) else "partial",
        rows=n,
        conditions=outcomes,
        accepted=kept / drawn,
        kl_nats=max(kl, 0.0),
        effective_sample_size=effective,
        backing=None if behind is None else behind * effective / drawn,
    )


def _kish(tilt: FloatArray, rows: FloatArray) -> float:
    """Return Kish's effective number of the rows of each cell under a tilt."""
    total = float(np.sum(rows * tilt**2))
    return float(np.sum(rows * tilt)) ** 2 / total if total > 0 else 0.0
