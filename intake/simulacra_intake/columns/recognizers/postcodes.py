"""Postcodes: text that is learned by its first characters where few rows have the whole code."""

import re
from collections import Counter

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from simulacra_intake.columns.build import level_column
from simulacra_intake.columns.distinct_values import Words
from simulacra_intake.columns.identifiers import NEARLY_UNIQUE, is_named_id
from simulacra_intake.columns.text_column import Proposal, Recognizer, TextColumn
from simulacra_intake.personal_data import vocabulary

PREFIX = 2
MIN_ROWS_OF_CODE = 5
_NAMED = re.compile(
    r"(?:^|[^a-z])(?:zip|zip_?code|postal_?code|post_?code|postal code|post code|plz|postleitzahl"
    r"|code ?postal|cp|c[oó]digo ?postal|cap|cep|postnr|postnummer|postinumero|psč|psc"
    r"|kod ?pocztowy|irányítószám|irsz|posta ?kodu|cod ?po[sș]tal|pin[ _]?code"
    r"|eircode|p/code|ταχ\w*\.? ?κώδικας|τ\.?κ\.?|индекс"
    r"|郵便番号|우편번호|邮政编码|邮编)(?:$|[^a-z])",
    re.I,
)
_SHAPES = (
    r"^[0-9]{4}$", r"^[0-9]{5}$", r"^[0-9]{6}$", r"^[0-9]{3} [0-9]{2}$", r"^[0-9]{2}-[0-9]{3}$",
    r"^[0-9]{5}-[0-9]{3}$", r"^[0-9]{4}-[0-9]{3}$", r"^[0-9]{4} ?[A-Z]{2}$",
    r"^[A-Z]{1,2}[0-9][0-9A-Z]? ?[0-9][A-Z]{2}$", r"^[A-Z][0-9][A-Z] ?[0-9][A-Z][0-9]$",
    r"^[A-Z][0-9][0-9W] ?[0-9A-Z]{4}$", r"^[0-9]{5}(?:-[0-9]{4})?$", r"^[0-9]{3}-[0-9]{4}$",
)  # fmt: skip


def is_postcode_name(name: str) -> bool:
    """Return whether a column is named as a postcode."""
    return bool(_NAMED.search(name))


def _propose(column: TextColumn) -> Proposal | None:
    """Propose postcodes.

    A code with fewer than MIN_ROWS_OF_CODE rows becomes its first characters and a mask ("02###"),
    so that no rare code is learned; a generated row draws the rest.
    """
    name, words = column.name, column.words
    if not (column.asked or _are_postcodes(name, words)):
        return None
    texts = words.levels.to_pylist()
    forms = _hidden(_hidden(texts, words.counts, PREFIX), words.counts, 0)
    levels = sorted(set(forms))
    place = {level: i for i, level in enumerate(levels)}
    to_level = np.array([*(place[text] for text in forms), -1], dtype=np.int32)
    result = level_column(name, "categorical", levels, to_level[words.codes], column.storage)
    hidden = int(sum(words.counts[i] for i, text in enumerate(forms) if text != texts[i]))
    if hidden:
        result.update(prefix=PREFIX)
        result.note(f"postcodes of fewer than {MIN_ROWS_OF_CODE} rows are drawn by region", hidden)
    return Proposal(result)


def draw_codes(words: pa.Array, rng: np.random.Generator) -> pa.Array:
    """Return the codes with each # as a random digit and each @ as a random letter."""
    texts = words.cast(pa.string()).to_pylist()
    for place, text in enumerate(texts):
        if text and ("#" in text or "@" in text):
            drawn = rng.integers(0, 26, len(text))
            texts[place] = "".join(
                str(n % 10) if c == "#" else chr(65 + n) if c == "@" else c
                for c, n in zip(text, drawn, strict=True)
            )
    return pa.array(texts, pa.string())


def _are_postcodes(name: str, words: Words) -> bool:
    named = is_postcode_name(name)
    shape = next(
        (s for s in _SHAPES if words.share(pc.match_substring_regex(words.levels, s)) == 1), None
    )
    if shape is None or len(words.levels) < 2:
        return False
    if not named and len(words.levels) >= NEARLY_UNIQUE * words.present:
        return False  # running numbers with leading zeros
    zeros = pc.any(pc.starts_with(words.levels, "0")).as_py()
    of_persons = is_named_id(name) or vocabulary.name_contains(name, vocabulary.NATIONAL_ID)
    return named or (shape in _SHAPES[:3] and bool(zeros) and not of_persons)


def _hidden(texts: list[str], counts: npt.NDArray[np.int64], kept: int) -> list[str]:
    """Return the texts with those of few rows cut to their first characters and a mask."""
    rows: Counter[str] = Counter()
    for text, count in zip(texts, counts, strict=True):
        rows[text] += int(count)
    return [text if rows[text] >= MIN_ROWS_OF_CODE else masked(text, kept) for text in texts]


def masked(text: str, kept: int = 0) -> str:
    """Return a code with all but its first characters as # (a digit) and @ (a letter)."""
    rest = re.sub(r"[A-Z]", "@", re.sub(r"[0-9]", "#", text[kept:]))
    return text[:kept] + rest


NAMED_POSTCODES = Recognizer(
    "postcodes by the name of the column",
    lambda column: _propose(column) if is_postcode_name(column.name) else None,
)
POSTCODES = Recognizer("postcodes", _propose, ("postcode",))
