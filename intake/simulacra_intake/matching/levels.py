"""Levels of a question under its earlier name, as levels that it has now."""

from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from simulacra_intake.matching.questions import few_values, spelled


def joined_levels(
    now: Sequence[str], then: Sequence[str], stated: Mapping[str, Sequence[str]]
) -> dict[str, str] | None:
    """Return the level that each earlier one is now; None where that must be said first.

    Words that are spelled alike are one level. Numbers of a scale are if the scale has the same
    ones; else only those that are stated.

    then: its levels under the earlier name; stated: earlier levels, by the level now.
    """
    found = {earlier: level for level, names in stated.items() for earlier in names}
    named = {spelled(level): level for level in now if level not in stated}
    old = {spelled(level): level for level in then}
    codes = all(map(is_number, [*named, *old]))
    if codes and not stated and named.keys() != old.keys():
        return None
    if not (codes and stated):
        alike = {old[key]: named[key] for key in old if key in named}
        found = alike | found
    return {earlier: level for earlier, level in found.items() if earlier in then} or None


def with_earlier(now: pa.Array, then: pa.Array, stated: Mapping[str, Sequence[str]]) -> pa.Array:
    """Return the answers to a question with those that were given under its earlier name.

    Earlier levels that are none now stay apart. Numbers of more than a few values stay numbers.

    now, then: answers under its own and its earlier name, of which a row has one; stated: earlier
    levels, by the level now.
    """
    both = few_values(now), few_values(then)
    if not all(pa.types.is_dictionary(of.type) for of in both):
        return pc.coalesce(now.cast(pa.float64()), then.cast(pa.float64()))
    levels, old = (of.dictionary.to_pylist() for of in both)
    joined = joined_levels(levels, old, stated) or {}
    renamed = [joined.get(one, one if one not in levels else f"{one} (earlier)") for one in old]
    every = list(dict.fromkeys([*levels, *renamed]))
    place = pa.array([every.index(one) for one in renamed], pa.int32())
    codes = pc.coalesce(both[0].indices.cast(pa.int32()), place.take(both[1].indices))
    return pa.DictionaryArray.from_arrays(codes, pa.array(every, pa.string()))


def is_number(key: str) -> bool:
    """Return whether a level is a number, such as a code."""
    try:
        float(key)
    except ValueError:
        return False
    return True
