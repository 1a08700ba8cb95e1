"""Columns of price questions: found by the words of names and labels, and checked."""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import cache

from simulacra_schema.faults import Fault, Wrong, no_column, no_level
from simulacra_schema.lexicon import in_languages, words_in
from simulacra_schema.prices import STEPS, PriceQuestion
from simulacra_schema.table import ColumnSchema, TableSchema

READ_FIRST = ("too_expensive", "too_cheap", "cheap", "expensive", "highest", "buys")
"""Of several words the first: 'too cheap' has 'cheap' in it, and 'inexpensive' has 'expensive'."""
LEAST_PRICES = 3
MOST_LEVELS = 11
"""Of a scale that says whether people would buy."""
_NUMBER = re.compile(r"\d+(?:[.,]\d{1,2}(?!\d))?")
_CASE = re.compile(r"(?<=[a-z])(?=[A-Z])")
_NONE_FOUND = Wrong(
    "no price question in the table",
    "No names or labels tell the columns of a price question. Name method and columns.",
)
_SEVERAL = Wrong(
    "several price questions in the table",
    "The table has several price questions. Name method and columns of one.",
)
_NO_METHOD = Wrong("columns without a method", "Say which method the columns belong to.")
_FOUR = Wrong(
    "not four columns of van Westendorp",
    "Name four columns: the prices too cheap, cheap, expensive, too expensive, in this order.",
)
_TWICE = Wrong("a column named twice", "The column is named twice; each has an answer of its own.")
_NO_NUMBER = Wrong(
    "a price column that is no number", "The column must have prices, as learned numbers."
)
_FEW = Wrong(
    "too few prices of Gabor and Granger",
    f"Name a column for each of {LEAST_PRICES} prices or more, or one with the highest price"
    " accepted.",
)
_PRICES = Wrong(
    "prices that are not one for each column",
    "Give a different price for each column; the names tell none.",
)
_NOT_ASKED = Wrong(
    "prices or answers of a column of prices",
    "The column has prices itself; leave prices and buys out.",
)
_NO_ANSWERS = Wrong(
    "a column without answers to buy",
    f"The column must be yes/no, or a scale of at most {MOST_LEVELS} answers.",
)
_UNORDERED = Wrong(
    "answers without an order", "The answers have no order. Name those that mean buying in buys."
)


def found_prices(schema: TableSchema) -> list[PriceQuestion]:
    """Return the price questions that names and labels tell; several products have several."""
    by_word: dict[str, list[tuple[str, ColumnSchema]]] = {word: [] for word in READ_FIRST}
    for column in schema.learned():
        if (said := _word_of(column)) is not None:
            by_word[said[0]].append((said[1], column))
    steps = [by_word[step.replace(" ", "_")] for step in STEPS]
    numbers = [[(rest, one) for rest, one in step if one.is_numeric] for step in steps]
    stems = dict.fromkeys(rest for rest, _ in numbers[0])
    found = [[[c.name for rest, c in step if rest == stem] for step in numbers] for stem in stems]
    if all(len(step) == 1 for step in numbers):  # numbers of questions may differ: Q5a, Q5b
        found = [[[step[0][1].name] for step in numbers]]
    asked = [
        PriceQuestion(method="van_westendorp", columns=[name for (name,) in one])
        for one in found
        if all(len(names) == 1 for names in one)
    ]
    batteries: dict[str, list[ColumnSchema]] = {}
    for rest, column in by_word["buys"]:
        if _answers_fault(column, ()) is None:
            batteries.setdefault(rest, []).append(column)
    for columns in batteries.values():
        if len(columns) >= LEAST_PRICES and (prices := _prices_of(columns)):
            names = [column.name for column in columns]
            asked.append(PriceQuestion(method="gabor_granger", columns=names, prices=prices))
    return asked + [
        PriceQuestion(method="gabor_granger", columns=[column.name])
        for _, column in by_word["highest"]
        if column.is_numeric
    ]


def asked_price(asked: PriceQuestion, schema: TableSchema) -> PriceQuestion | Wrong:
    """Return the question with its columns, prices and answers that mean buying."""
    if asked.columns:
        if asked.method is None:
            return _NO_METHOD
        columns = [one for name in asked.columns if (one := schema.find(name)) is not None]
        several = asked.method == "gabor_granger" and len(asked.columns) > 1
        prices = asked.prices or (_prices_of(columns) if several else [])
        return asked.model_copy(update={"prices": prices})
    known = [one for one in schema.prices if one.columns and asked.method in (None, one.method)]
    if len(known) != 1:
        return _SEVERAL if known else _NONE_FOUND
    filled = asked_price(known[0], schema)
    given = {name: of for name in ("prices", "buys") if (of := getattr(asked, name))}
    return filled.model_copy(update=given) if isinstance(filled, PriceQuestion) else filled


def price_faults(asked: PriceQuestion, schema: TableSchema, *path: str | int) -> Iterator[Fault]:
    """Yield what the schema says against a price question, by pointers below a path."""
    full = asked_price(asked, schema)
    if isinstance(full, Wrong):
        yield full.at(*path)
        return
    is_scale = full.method == "gabor_granger" and len(full.columns) > 1
    for at, name in enumerate(full.columns):
        column, place = schema.find(name), (*path, "columns", at)
        if column is None:
            yield no_column(name, schema).at(*place)
        elif name in full.columns[:at]:
            yield _TWICE.at(*place)
        elif not is_scale and not (column.is_numeric and column.learned):
            yield _NO_NUMBER.at(*place)
        elif is_scale and (wrong := _answers_fault(column, full.buys)) is not None:
            yield wrong.at(*place)
    if full.method == "van_westendorp" and len(full.columns) != len(STEPS):
        yield _FOUR.at(*path, "columns")
    elif not is_scale and (full.prices or full.buys):
        yield _NOT_ASKED.at(*path, "prices" if full.prices else "buys")
    elif is_scale and len(full.columns) < LEAST_PRICES:
        yield _FEW.at(*path, "columns")
    elif is_scale and not len(full.columns) == len(full.prices) == len({*full.prices}):
        yield _PRICES.at(*path, "prices")


def buying(column: ColumnSchema, buys: Sequence[str]) -> list[str]:
    """Return the levels of a column that mean buying."""
    levels = [one.value for one in column.levels if not one.special]
    return list(buys) or (levels[-2:] if len(levels) >= 4 else levels[-1:])


def _answers_fault(column: ColumnSchema, buys: Sequence[str]) -> Wrong | None:
    levels = column.level_values()
    if not column.learned or column.kind == "multi" or not 2 <= len(levels) <= MOST_LEVELS:
        return _NO_ANSWERS
    if unknown := [one for one in buys if one not in levels]:
        return no_level(unknown[0], levels)
    return None if buys or column.kind != "categorical" else _UNORDERED


def _word_of(column: ColumnSchema) -> tuple[str, str] | None:
    """Return which word a name, or else a label, has, and its other letters; None without."""
    for text in (column.name, column.label or ""):
        letters = _letters(_CASE.sub(" ", text))
        for kind in READ_FIRST:
            for word in _words(kind):
                if word in letters:
                    return kind, letters.replace(word, "", 1)
    return None


def _prices_of(columns: Sequence[ColumnSchema]) -> list[float]:
    """Return the last number in each name, or else in each label; empty if two are alike."""
    for texts in ([one.name for one in columns], [one.label or "" for one in columns]):
        said = [_NUMBER.findall(text) for text in texts]
        numbers = [float(one[-1].replace(",", ".")) for one in said if one]
        counted = range(1, len(columns) + 1)  # items of a list, not prices
        if len({*numbers} - {0.0}) == len(columns) and sorted(numbers) != [*counted]:
            return numbers
    return []


@cache
def _words(kind: str) -> tuple[str, ...]:
    """Return the words of a kind in all languages, the longest first."""
    found = {
        _letters(word) for _, texts in in_languages("prices") for word in words_in(texts[kind])
    }
    return tuple(sorted(found, key=lambda word: (-len(word), word)))


def _letters(text: str) -> str:
    """Return the letters of a text in lower case, without accents, spaces and digits."""
    split = unicodedata.normalize("NFKD", text.casefold())
    return "".join(letter for letter in split if letter.isalpha())
