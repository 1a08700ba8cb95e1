"""Words: yes or no, periods in order, identifiers and free text, ordered scales, levels."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from simulacra_intake.columns.build import KEPT_APART, CleanColumn, level_column, unlearned
from simulacra_intake.columns.identifiers import unlearned_kind
from simulacra_intake.columns.parse.periods import order_periods
from simulacra_intake.columns.parse.scales import MAX_LEVELS, order_levels
from simulacra_intake.columns.specials import are_lone_codes, are_special
from simulacra_intake.columns.text_column import Proposal, Recognizer, TextColumn
from simulacra_schema.lexicon import scale_ranks

OTHERS = "The column has more than two values; list its categories instead."
NO_PERIODS = "The cells are no periods of one form; list the categories in order instead."


def _propose_pair(column: TextColumn) -> Proposal | None:
    if found := _pair(column):
        return Proposal(found)
    if column.asked and len(column.words.levels) <= 2:
        order = pc.array_sort_indices(column.words.levels).to_numpy().astype(np.int64)
        return Proposal(column.levels("boolean", order))
    return column.unlike(("kind", "type"), OTHERS)


def _pair(column: TextColumn) -> CleanColumn | None:
    """Return the two answers, "no" first, in their most frequent spellings."""
    words, storage = column.words, column.storage
    if not 2 <= len(words.levels) <= 8:
        return None
    lowered = [level.lower() for level in words.levels.to_pylist()]
    for ranks in scale_ranks("booleans"):
        is_yes = np.array([ranks.get(word) == 1 for word in lowered])
        if ranks.keys() >= set(lowered) and is_yes.any() and not is_yes.all():
            break
    else:
        return None
    codes = np.append(is_yes.astype(np.int32), np.int32(-1))[words.codes]
    spelled = [
        words.levels[int(np.argmax(words.counts * mask))].as_py() for mask in (~is_yes, is_yes)
    ]
    if column.origin.csv and {s.lower() for s in spelled} == {"false", "true"}:
        spelled = ["false", "true"]
        storage = "bool"
    result = level_column(column.name, "boolean", spelled, codes, storage)
    if len(words.levels) > 2:
        result.note("different spellings of the two answers were merged", len(words.levels))
    return result


def _propose_periods(column: TextColumn) -> Proposal | None:
    levels = column.words.levels.to_pylist()
    ordered = order_periods(levels)
    if ordered is None and column.asked and all(level.isdecimal() for level in levels):
        ordered = sorted(levels, key=int)  # such as years
    if ordered is None:
        return column.unlike(("kind", "type"), NO_PERIODS)
    result = column.levels("ordinal", _places(ordered, column))
    if not column.asked:
        result.note("the levels were recognized as periods in order")
    return Proposal(result)


def _propose_unlearned(column: TextColumn) -> Proposal | None:
    words = column.words
    kind = unlearned_kind(column.name, words)
    if kind is None:
        return None
    result = unlearned(column.name, kind, words.rows(words.levels), column.storage)
    result.words = words
    return Proposal(result)


def _propose_scale(column: TextColumn) -> Proposal | None:
    """Propose an ordered scale; answers such as "don't know" stand behind its levels."""
    levels = column.words.levels
    special = are_special(levels).to_numpy(zero_copy_only=False) | are_lone_codes(levels)
    answers = levels.filter(pa.array(~special)).to_pylist()
    ordered = order_levels(answers) if len(answers) <= MAX_LEVELS else None
    if ordered is None:
        return None
    by_share = _by_share(column)
    order = np.append(_places(ordered, column), by_share[special[by_share]])
    result = column.levels("ordinal", order)
    result.note("the levels were recognized as an ordered scale")
    if special.any():
        _flag(result, set(levels.filter(pa.array(special)).to_pylist()))
    return Proposal(result)


def _flag(result: CleanColumn, special: set[str]) -> None:
    levels = [
        level.model_copy(update={"special": level.value in special})
        for level in result.schema.levels
    ]
    result.update(levels=levels)
    listed = ", ".join(level.value for level in levels if level.special)
    result.note(f"{KEPT_APART}{listed}")


def _places(ordered: list[str], column: TextColumn) -> npt.NDArray[np.int64]:
    places = pc.index_in(pa.array(ordered), value_set=column.words.levels)
    found: npt.NDArray[np.int64] = places.to_numpy(zero_copy_only=False).astype(np.int64)
    return found


def _by_share(column: TextColumn) -> npt.NDArray[np.int64]:
    return np.argsort(-column.words.counts, kind="stable")


BOOLEANS = Recognizer("yes or no", _propose_pair, ("boolean",))
PERIODS = Recognizer("periods", _propose_periods, ("period", "year", "yearmonth"))
UNLEARNED = Recognizer("identifiers and free text", _propose_unlearned)
SCALES = Recognizer("scales", _propose_scale)
LEVELS = Recognizer("levels", lambda c: Proposal(c.levels("categorical", _by_share(c))))
DECLARED = Recognizer(
    "levels in the order of the file",
    lambda c: Proposal(c.levels("ordinal", np.arange(len(c.words.levels)))),
)
