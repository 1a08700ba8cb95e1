"""Compiled kernels of the order search: qNML scores and cached grow-shrink trees.

The score of a column given its parents is the quotient normalized maximum likelihood (Silander,
Leppa-aho, Jaasaari & Roos, Quotient Normalized Maximum Likelihood Criterion for Learning Bayesian
Network Structures, AISTATS 2018). Equivalent graphs score equally, and there is no equivalent
sample size to choose, on which BDeu depends.

The grow-shrink tree of a column answers: which parents does it choose among these predecessors?
(Andrews et al., Fast Scalable and Accurate Discovery of DAGs Using the Best Order Score Search,
NeurIPS 2023). A node is a parent set; its children are the single additions that improve the score,
best first. To choose parents, follow the first child whose added column is a predecessor until
there is none (grow), then drop parents while that improves the score (shrink). Children are found
once over all candidates, so every order and restart reuses them. The trees of all columns lie in
one pool of flat arrays; nodes 0..p-1 are the roots. All kernels release the GIL and use no
randomness.
"""

import math
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

Codes = npt.NDArray[np.uint8]
Levels = npt.NDArray[np.int64]
Columns = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Trees = tuple[npt.NDArray[Any], ...]
"""column, added, up, first, count (-1: not expanded), grown score, shrunk score; [used]."""

MAX_CELLS_PER_ROW = 20.0
"""Maximum cells per row of a column's table; larger parent sets are not considered."""
_MAX_CONFIGURATIONS = 1e12
_NATS = np.array([0.0, *(count * math.log(count) for count in range(1, 1024))])
"""count * log(count) of small counts, which are nearly all."""
DENSE = 2
"""Cells per row from which on only the occupied cells of a table are read."""
_IMPROVEMENT = 1e-9
POOL_FULL = -1

_compiled = numba.njit(nogil=True, cache=True, no_cfunc_wrapper=True)
_helper = numba.njit(nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)
"""Compiles what only kernels call, without the wrappers, which take as long as a small function."""


@_helper
def _log_regret(rows: float, cells: float) -> float:
    """Return the log maximum-likelihood normalizer (Szpankowski & Weinberger, 2012)."""
    if cells <= 1.0 or rows <= 0.0:
        return 0.0
    share = cells / rows
    c = 0.5 + 0.5 * math.sqrt(1.0 + 4.0 / share)
    return rows * (math.log(share) + (share + 2.0) * math.log(c) - 1.0 / c) - 0.5 * math.log(
        c + 2.0 / share
    )


@_helper
def _penalized(nats: float, rows: float, levels: int, nominal: float) -> float:
    """Return the score of a likelihood: less the regret of a column of `levels`."""
    return nats - _log_regret(rows, nominal * levels) + _log_regret(rows, nominal)


@_helper
def _configurations(codes: Codes, cards: Levels, parents: Columns) -> tuple[Columns, int, float]:
    """Return each row's parent configuration, int32 [n], and the observed and nominal counts."""
    n = codes.shape[1]
    ids = np.zeros(n, np.int32)
    occurring, nominal = 1, 1.0
    for parent in parents:
        levels = cards[parent]
        nominal = min(nominal * levels, _MAX_CONFIGURATIONS)
        seen = np.full(occurring * levels, -1, np.int32)
        occurring = 0
        z = codes[parent]
        for i in range(n):
            key = ids[i] * levels + z[i]
            if seen[key] < 0:
                seen[key] = occurring
                occurring += 1
            ids[i] = seen[key]
    return ids, occurring, nominal


@_helper
def _nats(count: int) -> float:
    return _NATS[count] if count < _NATS.shape[0] else count * math.log(count)


@_helper
def _table_nats(table: Columns, rows: int, levels: int) -> float:
    """Return the log likelihood of a flat table of counts [rows, levels]."""
    nats = 0.0
    for j in range(rows):
        total = 0
        for k in range(levels):
            count = table[j * levels + k]
            if count > 0:
                total += count
                nats += _nats(count)
        if total > 0:
            nats -= _nats(total)
    return nats


@_compiled
def local_score(codes: Codes, cards: Levels, v: int, parents: Columns) -> float:
    """Return the score of column v given its parents, in nats.

    codes: uint8 [columns, rows], levels 0..cards-1; cards: int64 [columns]; parents: int32 [k].
    """
    ids, occurring, nominal = _configurations(codes, cards, parents)
    levels = cards[v]
    table = np.zeros(occurring * levels, np.int32)
    y = codes[v]
    for i in range(y.shape[0]):
        table[ids[i] * levels + y[i]] += 1
    return _penalized(_table_nats(table, occurring, levels), y.shape[0], levels, nominal)


@_helper
def _count(
    z: npt.NDArray[np.uint8], inner: npt.NDArray[np.uint32], stride: int, levels: int
) -> Columns:
    """Count rows by z * stride + inner.

    Alternating tables avoid write stalls; unsigned places are not looked at for their sign.
    """
    wide = np.uint64(stride)
    table, other = np.zeros(stride * levels, np.int32), np.zeros(stride * levels, np.int32)
    pairs = z.shape[0] // 2
    for i in range(pairs):
        first, second = np.uint64(2 * i), np.uint64(2 * i + 1)
        table[z[first] * wide + inner[first]] += 1
        other[z[second] * wide + inner[second]] += 1
    for i in range(2 * pairs, z.shape[0]):
        table[z[i] * wide + inner[i]] += 1
    for cell in range(table.shape[0]):
        table[cell] += other[cell]
    return table


@_helper
def _sorted_rows(inner: npt.NDArray[np.uint32], size: int) -> npt.NDArray[np.uint32]:
    """Return the rows in the order of their cell, one of `size`."""
    begin = np.zeros(size + 1, np.uint32)
    for cell in inner:
        begin[cell + np.uint32(1)] += 1
    for cell in range(size):
        begin[cell + 1] += begin[cell]
    rows = np.empty(inner.shape[0], np.uint32)
    for i in range(inner.shape[0]):
        cell = inner[i]
        rows[begin[cell]] = i
        begin[cell] += 1
    return rows


@_helper
def _sparse_nats(
    z: npt.NDArray[np.uint8],
    rows: npt.NDArray[np.uint32],
    inner: npt.NDArray[np.uint32],
    limits: npt.NDArray[np.uint32],
    more: int,
) -> float:
    """Return `_table_nats`, summed in the same order, from occupied cells alone.

    rows: in the order of `inner`, their cells; limits: end of the cells of each row's
    configuration; more: levels of z.
    """
    begin = np.zeros(more + 1, np.uint32)
    for level in z:
        begin[np.uint64(level) + np.uint64(1)] += 1
    for level in range(more):
        begin[level + 1] += begin[level]
    placed = np.empty(z.shape[0], np.uint32)
    for row in rows:
        level = z[row]
        placed[begin[level]] = row
        begin[level] += 1
    nats, at = 0.0, np.uint64(0)
    for level in range(more):
        end = np.uint64(begin[level])
        while at < end:
            limit, begun = limits[placed[at]], at
            while at < end and inner[placed[at]] < limit:
                cell, first = inner[placed[at]], at
                while at < end and inner[placed[at]] == cell:
                    at += np.uint64(1)
                nats += _nats(np.int64(at - first))
            nats -= _nats(np.int64(at - begun))
    return nats


@_compiled
def addition_scores(
    codes: Codes, cards: Levels, v: int, parents: Columns, candidates: Columns
) -> Floats:
    """Return the score of v given parents plus each candidate, -inf if the table is too large."""
    ids, occurring, nominal = _configurations(codes, cards, parents)
    levels, n = cards[v], codes.shape[1]
    y = codes[v]
    inner = np.empty(n, np.uint32)
    for i in range(n):
        inner[i] = ids[i] * levels + y[i]
    stride = np.uint32(occurring * levels)
    scores = np.full(candidates.shape[0], -np.inf)
    rows, limits = inner[:0], inner[:0]
    for c in range(candidates.shape[0]):
        more = cards[candidates[c]]
        if nominal * more * levels > MAX_CELLS_PER_ROW * n:
            continue
        z = codes[candidates[c]]
        if stride * more > DENSE * n:
            if rows.shape[0] == 0:
                rows = _sorted_rows(inner, stride)
                limits = ((ids + 1) * levels).astype(np.uint32)
            nats = _sparse_nats(z, rows, inner, limits, more)
        else:
            nats = _table_nats(_count(z, inner, stride, more), occurring * more, levels)
        scores[c] = _penalized(nats, n, levels, nominal * more)
    return scores


@_helper
def _parents_of(trees: Trees, required: Flags, node: int) -> tuple[Columns, int]:
    """Return a node's parents, required ones first, and the number of required ones."""
    column, added, up = trees[0], trees[1], trees[2]
    v = column[node]
    parents = [np.int32(z) for z in range(required.shape[0]) if required[z, v]]
    fixed = len(parents)
    while up[node] >= 0:
        parents.append(added[node])
        node = up[node]
    return np.array(parents, dtype=np.int32), fixed


@_helper
def _summary(codes: Codes, cards: Levels, v: int, parents: Columns) -> tuple[Codes, Columns]:
    """Return the parents' levels, uint8 [k, m], and counts of v, int32 [m, levels].

    There are m observed configurations, far fewer than rows, so they replace the rows.
    """
    ids, occurring, _ = _configurations(codes, cards, parents)
    levels_of = np.empty((parents.shape[0], occurring), np.uint8)
    counts = np.zeros((occurring, cards[v]), np.int32)
    seen = np.zeros(occurring, np.bool_)
    y = codes[v]
    for i in range(y.shape[0]):
        counts[ids[i], y[i]] += 1
        if not seen[ids[i]]:
            seen[ids[i]] = True
            for k in range(parents.shape[0]):
                levels_of[k, ids[i]] = codes[parents[k], i]
    return levels_of, counts


@_helper
def _score_without(levels_of: Codes, cards: Levels, counts: Columns, dropped: int) -> float:
    """Return the score of a summary without one of its k parents; cards int64 [k]."""
    kept = np.array([i for i in range(cards.shape[0]) if i != dropped], dtype=np.int32)
    ids, occurring, nominal = _configurations(levels_of, cards, kept)
    levels, rows = counts.shape[1], 0
    table = np.zeros(occurring * levels, np.int32)
    for j in range(counts.shape[0]):
        for k in range(levels):
            table[ids[j] * levels + k] += counts[j, k]
            rows += counts[j, k]
    return _penalized(_table_nats(table, occurring, levels), rows, levels, nominal)


@_helper
def _shrink(
    codes: Codes, cards: Levels, v: int, parents: Columns, fixed: int, score: float
) -> tuple[float, Columns]:
    """Drop parents after the first `fixed` while that improves the score; return both."""
    while parents.shape[0] > fixed:
        levels_of, counts = _summary(codes, cards, v, parents)
        best, worst = score + _IMPROVEMENT, -1
        for i in range(fixed, parents.shape[0]):
            without = _score_without(levels_of, cards[parents], counts, i)
            if without > best:
                best, worst = without, i
        if worst < 0:
            break
        score = best
        parents = np.concatenate((parents[:worst], parents[worst + 1 :]))
    return score, parents


@_helper
def _expand(
    codes: Codes, cards: Levels, trees: Trees, required: Flags, candidates: Columns, node: int
) -> bool:
    """Append a node's children, its improving additions; return False if the pool is full."""
    column, added, up, first, count, grown, _, used = trees
    v = np.int64(column[node])
    parents, _ = _parents_of(trees, required, node)
    score = local_score(codes, cards, v, parents)
    options = np.empty(candidates.shape[1], np.int32)
    size = 0
    for c in candidates[v]:
        if c < 0:
            break
        is_new = True
        for parent in parents:
            is_new &= parent != c
        if is_new:
            options[size] = c
            size += 1
    options = options[:size]
    scores = addition_scores(codes, cards, v, parents, options)
    improving = 0
    for gained in scores:
        improving += gained > score + _IMPROVEMENT
    start = used[0]
    if start + improving > column.shape[0]:
        return False
    for i in range(start, start + improving):  # numba's argsort takes 2 s to compile
        best = 0
        for c in range(1, size):
            if scores[c] > scores[best]:
                best = c
        column[i], added[i], up[i], count[i] = v, options[best], node, -1
        scores[best] = -np.inf
    used[0] = start + improving
    first[node], count[node], grown[node] = start, improving, score
    return True


@_compiled
def trace(
    codes: Codes,
    cards: Levels,
    trees: Trees,
    required: Flags,
    candidates: Columns,
    v: int,
    is_before: Flags,
) -> int:
    """Return the node of v's parents among the predecessors, bool [p]; or POOL_FULL."""
    added, first, count, final = trees[1], trees[3], trees[4], trees[6]
    node = v
    while True:
        if count[node] < 0 and not _expand(codes, cards, trees, required, candidates, node):
            return POOL_FULL
        step = -1
        for i in range(first[node], first[node] + count[node]):
            if is_before[added[i]]:
                step = i
                break
        if step < 0:
            break
        node = step
    if np.isnan(final[node]):
        parents, fixed = _parents_of(trees, required, node)
        final[node] = _shrink(codes, cards, v, parents, fixed, trees[5][node])[0]
    return node


@_helper
def _is_among(candidates: Columns, column: int) -> bool:
    found = False
    for candidate in candidates:
        found |= candidate == column
    return found


@_compiled
def insertion_scores(
    codes: Codes,
    cards: Levels,
    trees: Trees,
    required: Flags,
    candidates: Columns,
    others: Columns,
    v: int,
    low: int,
    high: int,
) -> Floats:
    """Score every position low..high of column v in the order `others`, int32 [p - 1].

    A column's tree is traced again only after one of its candidates moved.

    Returns:
        float64 [high - low + 1]: the part of the order's score that depends on the position; empty
        if the pool is full.
    """
    final = trees[6]
    is_before = np.zeros(cards.shape[0], np.bool_)
    for i in range(low):
        is_before[others[i]] = True
    own = np.zeros(high - low + 1)
    without, with_v = np.zeros(high - low), np.zeros(high - low)
    node = trace(codes, cards, trees, required, candidates, v, is_before)
    for i in range(high - low + 1):
        if i > 0 and _is_among(candidates[v], others[low + i - 1]):
            node = trace(codes, cards, trees, required, candidates, v, is_before)
        if node < 0:
            return own[:0]
        own[i] = final[node]
        if i == high - low:
            break
        w = np.int64(others[low + i])  # as v, so that nothing is compiled twice
        a = b = trace(codes, cards, trees, required, candidates, w, is_before)
        if _is_among(candidates[w], v):
            is_before[v] = True
            b = trace(codes, cards, trees, required, candidates, w, is_before)
            is_before[v] = False
        if a < 0 or b < 0:
            return own[:0]
        without[i], with_v[i] = final[a], final[b]
        is_before[w] = True
    before, after = 0.0, 0.0
    for score in with_v:
        after += score
    for i in range(high - low + 1):
        own[i] += before + after
        if i < high - low:
            before += without[i]
            after -= with_v[i]
    return own


@_compiled
def chosen_parents(
    codes: Codes, cards: Levels, trees: Trees, required: Flags, node: int
) -> Columns:
    """Return a node's parents after shrinking, int32 [k]."""
    parents, fixed = _parents_of(trees, required, node)
    v = np.int64(trees[0][node])
    return _shrink(codes, cards, v, parents, fixed, trees[5][node])[1]
