"""The usual order of a survey's columns, read from words and waves; it is asked, and never stated.

Background comes first, then the circumstances of people, then prices, exposures and attitudes, then
what came of it; all of an earlier wave comes before all of a later one. Nothing rests on it until a
person confirms it as blocks. Until then an answer that uses it is of the kind `usual order`.
"""

import re
from collections.abc import Iterator
from functools import cache

from pydantic import Field

from simulacra_schema.background import propose_background
from simulacra_schema.base import ColumnName, KubeModel
from simulacra_schema.lexicon import in_languages, words_in
from simulacra_schema.table import ColumnSchema, TableSchema

Rank = tuple[int, int]
CLASSES = ("background", "circumstances", "exposures", "outcomes")
"""From the first to the last; sections of `order` in the files of words."""
NAMES = (
    "background",
    "circumstances",
    "a price, an exposure or an attitude",
    "an outcome",
)
MIDDLE = CLASSES.index("exposures")
"""Where a column stands in its wave if no word says it."""
READ_FIRST = (3, 0, 2, 1)
"""Of several classes the first: 'satisfaction with the price' is an outcome."""
ANYWHERE = 6
"""Letters from which a Latin, Greek or Cyrillic word may stand within another (compounds)."""
ENDING = 2
"""Letters that a shorter word may have at its end (inflections)."""
_WORD = re.compile(r"[^\W\d_]+")
_CASE = re.compile(r"(?<=[a-z])(?=[A-Z])")
_DENSE = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
"""Letters of languages that write words together."""
_WAVE = re.compile(
    r"(?:^|_|\b)(?:w|t|wave|round|welle|vague|ola|ronda|onda)_?(\d{1,2})(?=_|\b)", re.I
)
_YEAR = re.compile(r"(?:^|_|\b)((?:19|20)\d{2})(?=_|\b)")
_BORN = re.compile(r"birth|born", re.I)


class UsualOrder(KubeModel):
    """The usual order of a table. Nobody has confirmed it.

    Attributes:
        blocks: columns, earliest first, to be given as `blocks` if that is the order.
        reasons: why each column stands where it does, in words.
        unplaced: columns that no word and no wave places.
        question: to the person who knows, in words.
    """

    blocks: list[list[ColumnName]] = Field(description="Columns, the earliest first.")
    reasons: list[str] = Field(description="Why each of them stands where it does.")
    unplaced: list[ColumnName] = Field(description="Columns that no word and no wave places.")
    question: str = Field(description="What to ask the person who knows the table.")


def usual_order(schema: TableSchema) -> UsualOrder:
    """Return the usual order of the learned columns."""
    ranks = usual_ranks(schema)
    blocks = [[n for n, own in ranks.items() if own == rank] for rank in sorted({*ranks.values()})]
    unplaced = [column.name for column in schema.learned() if column.name not in ranks]
    listed = "; then ".join(", ".join(block) for block in blocks)
    if len(blocks) > 1:
        ask = f"Is this the order, {listed}? Nothing rests on it until you say so, or correct it."
    else:
        ask = "No words or waves tell an order. Which columns come first, and which last?"
    return UsualOrder(
        blocks=blocks, reasons=[*_reasons(schema, ranks)], unplaced=unplaced, question=ask
    )


def usual_ranks(schema: TableSchema) -> dict[str, Rank]:
    """Return the place of each column that words or waves place; a smaller one comes earlier."""
    proposed = {found.column for found in propose_background(schema)}
    waves = _waves(schema)
    ranks: dict[str, Rank] = {}
    for column in schema.learned():
        name, wave = column.name, waves.get(column.name)
        kind = 0 if name in proposed else _class_of(column)
        if (kind == 0 and wave is None) or name in proposed:
            ranks[name] = (-1, 0)
        elif wave is not None:
            ranks[name] = (wave, MIDDLE if kind is None else kind)
        elif kind is not None and not waves:
            ranks[name] = (0, kind)
    return ranks


def _reasons(schema: TableSchema, ranks: dict[str, Rank]) -> Iterator[str]:
    own = {found.column: found.reason for found in propose_background(schema)}
    waves = _waves(schema)
    for name, (_, kind) in ranks.items():
        if name in own:
            yield own[name]
        elif name in waves:
            yield f"'{name}': of wave or year {waves[name]}, as {NAMES[kind]}"
        else:
            yield f"'{name}': {NAMES[kind]}, by its name or label"


def _waves(schema: TableSchema) -> dict[str, int]:
    """Return the wave in the name of each column, if at least two waves have columns.

    A year counts if the same name has it with another year: 'sat_2019' and 'sat_2020'.
    """
    waves, years = {}, {}
    for column in schema.learned():
        if found := _WAVE.search(column.name):
            waves[column.name] = int(found[1])
        elif (found := _YEAR.search(column.name)) and not _BORN.search(column.name):
            years[column.name] = (column.name.replace(found[1], ""), int(found[1]))
    if not waves:
        stems = [stem for stem, _ in years.values()]
        waves = {name: year for name, (stem, year) in years.items() if stems.count(stem) > 1}
    return waves if len({*waves.values()}) > 1 else {}


def _class_of(column: ColumnSchema) -> int | None:
    """Return the class of a column by its name, or else by its label; None without a word."""
    for text in (column.name, column.label or ""):
        read = _CASE.sub(" ", text).replace("_", " ").casefold()
        said = _WORD.findall(read)
        for kind in READ_FIRST:
            if any(_has(said, read, word) for word in _words(CLASSES[kind])):
                return kind
    return None


@cache
def _words(kind: str) -> frozenset[str]:
    return frozenset(
        word.casefold() for _, texts in in_languages("order") for word in words_in(texts[kind])
    )


def _has(said: list[str], text: str, word: str) -> bool:
    """Return whether a text has a word: as a whole, as a beginning or within a compound."""
    if _DENSE.search(word) or " " in word:
        return word in text
    if len(word) >= ANYWHERE:
        return any(word in one for one in said)
    longest = len(word) + (ENDING if len(word) > ENDING + 1 else 0)
    return any(one.startswith(word) and len(one) <= longest for one in said)
