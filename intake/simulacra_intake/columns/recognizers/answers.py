"""Several answers in a cell, such as "TV;Radio;Web": options, their order, and who chose which.

Questionnaires print their options in one order and export the chosen ones in it, separated by one
sign. So a column of words is read as a list where the parts of its cells are few, return in many
combinations, and keep that order; "Washington, DC" does not.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from simulacra_intake.columns.build import CleanColumn
from simulacra_intake.columns.distinct_values import Words
from simulacra_intake.columns.text_column import Proposal, Recognizer, TextColumn
from simulacra_intake.limits import MAX_NAME
from simulacra_intake.personal_data.patterns import find_personal_data, has_email
from simulacra_schema.table import NO, YES, ColumnSchema, LevelSchema, part_name

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

SEPARATORS = "┋;|,/"
"""From the surest to those that words hold too: of two that would do, the first separates."""
MIN_OPTIONS, MAX_OPTIONS = 3, 40
MIN_SEVERAL = 0.02
"""Share of the answered rows that give more than one answer."""
MAX_ALIKE = 0.98
"""Share of the answered rows that may give the same number of answers: "M/red" has always two."""
MIN_ORDERED = 0.97
MIN_REPEATS = 10
"""Pairs of answers seen again that it takes to know their order."""
MIN_PARTNERS = 2
MIN_ROWS = 5
"""Rows of an option that is no one's own words."""
MAX_OWN_WORDS = 0.05
"""Share of the answered rows that may hold own words ("Other: ...") besides the options."""
GLANCE = 2_000
"""Distinct cells that are looked at first."""
ORDER_CELLS = 20_000


@dataclass(frozen=True)
class Answers:
    """The answers of a column.

    Attributes:
        options: in the order in which cells list them.
        chosen: bool [distinct words, options].
        separator: with its spaces.
        terminated: the separator also stands after the last answer.
        exclusive: options that are never given with another, bool [options].
        dropped: rows whose own words were left out.
    """

    options: list[str]
    chosen: Bools
    separator: str
    terminated: bool
    exclusive: Bools
    dropped: int = 0


@dataclass(frozen=True)
class _Parts:
    """Parts of the distinct words: position of each option in each word, -1 without it."""

    options: list[str]
    place: npt.NDArray[np.int16]
    dropped: Bools


def _propose(column: TextColumn) -> Proposal | None:
    name, words = column.name, column.words
    found = find_answers(words) or _find_listed(name, words, column.origin.names)
    if found is None or not can_be_named(column, found.options):
        return None
    personal = any(map(has_email, found.options)) or find_personal_data(name, found.options)
    if personal or find_personal_data(name, words.levels.to_pylist()):
        return None
    return Proposal(answers_column(column, found))


def can_be_named(column: TextColumn, options: Sequence[str]) -> bool:
    """Return whether no other column has the name of an option, and none is too long."""
    names = [part_name(column.name, option) for option in options]
    return max(map(len, names)) <= MAX_NAME and column.origin.names.isdisjoint(names)


def answers_column(column: TextColumn, found: Answers) -> CleanColumn:
    """Return the column as yes/no columns of its options."""
    name, words = column.name, column.words
    names = [part_name(name, option) for option in found.options]
    answered = np.append(found.chosen.any(axis=1), False)[words.codes]
    chosen = np.vstack([found.chosen, np.zeros(len(names), np.bool_)])[words.codes]
    rows = max(int(answered.sum()), 1)
    levels = [
        LevelSchema(value=option, share=float(of.sum()) / rows, exclusive=bool(alone))
        for option, of, alone in zip(found.options, chosen.T, found.exclusive, strict=True)
    ]
    schema = ColumnSchema(
        name=name,
        kind="multi",
        storage=column.storage,
        levels=levels,
        missing_share=float(1 - answered.mean()),
        separator=found.separator,
        terminated=found.terminated,
    )
    result = CleanColumn(schema, yes_no_columns(names, chosen, answered))
    result.note("cells with several answers were read as one yes or no for each option", rows)
    if found.dropped:
        result.note("own words beside the options were left out", found.dropped)
    return result


def yes_no_columns(names: list[str], chosen: Bools, answered: Bools) -> pa.StructArray:
    """Return a field of no and yes for each option [rows, options], null where not answered."""
    levels, missing = pa.array([NO, YES]), ~answered
    parts = [
        pa.DictionaryArray.from_arrays(pa.array(of.astype(np.int32), mask=missing), levels)
        for of in chosen.T
    ]
    return pa.StructArray.from_arrays(parts, names)


def find_answers(words: Words) -> Answers | None:
    """Return the answers in the cells, None if the cells are no lists of options."""
    for sign in SEPARATORS:
        parts = _split(words, sign)
        if parts is not None and (found := _answers(words, sign, parts)) is not None:
            return found
    return None


def _find_listed(name: str, words: Words, taken: Collection[str]) -> Answers | None:
    """Return answers separated by spaces whose options have columns of their own.

    So ODK and KoboToolbox export a question of several answers: "tap river" in `source`, beside
    `source/tap` and `source/river`.
    """
    several = words.share(pc.match_substring(words.levels, " "))
    if several < MIN_SEVERAL or not any(
        each.startswith((f"{name}/", f"{name}.")) for each in taken
    ):
        return None
    options = pc.unique(pc.split_pattern(words.levels, " ").flatten()).to_pylist()
    own = all(f"{name}/{option}" in taken or f"{name}.{option}" in taken for option in options)
    parts = _split(words, " ") if own else None
    return None if parts is None else _answers(words, " ", parts, proven=True)


def _split(words: Words, sign: str) -> _Parts | None:
    """Return the parts of the words, None where they are too many or hardly ever several."""
    levels = words.levels
    with_sign = pc.match_substring(pc.utf8_rtrim(levels, sign + " "), sign)
    if words.share(with_sign) < MIN_SEVERAL:
        return None
    if len(levels) > GLANCE:
        some = pc.split_pattern(levels.take(_spread(len(levels))), sign).flatten()
        if pc.count_distinct(pc.utf8_trim_whitespace(some)).as_py() > 10 * MAX_OPTIONS:
            return None
    lists = pc.split_pattern(levels, sign)
    parts = pc.utf8_trim_whitespace(lists.flatten()).dictionary_encode()
    cell = pc.list_parent_indices(lists).to_numpy(zero_copy_only=False).astype(np.int64)
    option = parts.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    names = parts.dictionary.to_pylist()
    named = np.array([bool(each) and each.isprintable() for each in names], np.bool_)
    rows = np.bincount(option, words.counts[cell], len(names))
    kept = named & (rows > 0)
    dropped = np.zeros(len(levels), np.bool_)
    if kept.sum() > MAX_OPTIONS:
        kept &= rows >= MIN_ROWS
        own = np.unique(cell[named[option] & ~kept[option]])
        dropped[own] = True
    if not MIN_OPTIONS <= kept.sum() <= MAX_OPTIONS:
        return None
    if words.counts[dropped].sum() > MAX_OWN_WORDS * words.present:
        return None
    place = np.full((len(levels), len(names)), -1, np.int16)
    order = np.arange(len(cell)) - np.searchsorted(cell, cell)
    # Backwards, so that the first of two equal parts counts.
    place[cell[::-1], option[::-1]] = np.minimum(order[::-1], np.iinfo(np.int16).max)
    return _Parts([n for n, keep in zip(names, kept, strict=True) if keep], place[:, kept], dropped)


def _answers(words: Words, sign: str, parts: _Parts, *, proven: bool = False) -> Answers | None:
    """Return the answers of the parts; unless proven, few parts in one order must show them."""
    parts = _joined(words, sign, parts)
    chosen, counts = parts.place >= 0, words.counts
    number = chosen.sum(axis=1)
    by_number = np.bincount(number, weights=counts)
    several = by_number[2:].sum()
    distinct = int((counts[number > 0] > 0).sum())
    few = MIN_OPTIONS <= len(parts.options) < distinct
    if not (few or proven) or several < MIN_SEVERAL * words.present:
        return None
    alike = by_number.max() > MAX_ALIKE * words.present and by_number.argmax() != 1
    if alike and not proven:
        return None
    before = _before(parts.place, counts)
    together = before + before.T
    repeats = np.triu(np.maximum(together - 1, 0)).sum()
    ordered = np.triu(np.maximum(np.maximum(before, before.T) - 1, 0)).sum()
    partners = (together > 0).sum(axis=1)
    one_order = repeats >= MIN_REPEATS and ordered >= MIN_ORDERED * repeats
    if not proven and (not one_order or np.median(partners) < MIN_PARTNERS):
        return None
    order = _order(before, counts @ chosen)
    separator, terminated = _written(words, sign)
    return Answers(
        [parts.options[i] for i in order],
        chosen[:, order],
        separator,
        terminated,
        (partners == 0)[order],
        int(counts[parts.dropped].sum()),
    )


def _joined(words: Words, sign: str, parts: _Parts) -> _Parts:
    """Join parts that only occur side by side: the sign is part of this option's words."""
    options, place, counts = list(parts.options), parts.place, words.counts
    rows = list(counts @ (place >= 0))
    first = 0
    while first < len(options):
        alike = [i for i in range(len(options)) if rows[i] == rows[first] >= MIN_ROWS]
        has = place[:, first] >= 0
        for second in alike:
            beside = has & (place[:, second] == place[:, first] + 1)
            if second != first and counts[beside].sum() == rows[first]:
                options[first] += f"{sign} {options[second]}"
                after = has[:, None] & (place > place[:, [second]])
                place = np.delete(place - after, second, axis=1)
                del options[second], rows[second]
                first = max(first - 1, 0) if second < first else first
                break
        else:
            first += 1
    return _Parts(options, place, parts.dropped)


def _before(place: npt.NDArray[np.int16], counts: Ints) -> Floats:
    """Return in how many rows option a stands before b, float64 [options, options]."""
    some = np.asarray(_spread(len(place), ORDER_CELLS))
    place, weight = place[some], counts[some].astype(np.float64)
    before = np.zeros((place.shape[1], place.shape[1]))
    for a in range(place.shape[1]):
        of = place[:, [a]]
        before[a] = weight @ ((of >= 0) & (place > of))
    return before


def _order(before: Floats, rows: Ints) -> Ints:
    """Return the options so that each stands before those that follow it; else the frequent one."""
    ahead = before > before.T
    left = list(np.argsort(-rows, kind="stable"))
    alone = [i for i in left if not (before[i].any() or before[:, i].any())]
    left = [i for i in left if i not in alone]
    order: list[int] = []
    while left:
        waiting = ahead[np.ix_(left, left)].sum(axis=0)
        order.append(left.pop(int(np.argmin(waiting))))
    return np.array([*order, *alone], np.int64)


def _written(words: Words, sign: str) -> tuple[str, bool]:
    """Return the separator with its spaces, and whether it stands at the end of cells too."""
    ends = words.share(pc.ends_with(words.levels, sign)) > 1 - MIN_SEVERAL
    inner = pc.utf8_rtrim(words.levels, sign + " ")
    total, after, around = (
        float(words.counts @ pc.count_substring(inner, text).to_numpy(zero_copy_only=False))
        for text in (sign, f"{sign} ", f" {sign} ")
    )
    if around > total / 2:
        return f" {sign} ", ends
    return f"{sign} " if after > total / 2 else sign, ends


def _spread(size: int, most: int = GLANCE) -> Ints:
    """Return up to `most` positions, evenly spread."""
    return np.arange(0, size, max(-(-size // most), 1), dtype=np.int64)


ANSWERS = Recognizer("several answers in a cell", _propose)
