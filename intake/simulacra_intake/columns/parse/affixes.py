"""Currency, percent signs, units, factors and minus signs around the digits of a number."""

import re
from collections import Counter
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from simulacra_intake.columns.distinct_values import Words

CURRENCIES = frozenset(
    """
    $ € £ ¥ ₹ ₽ ₺ ₴ ₪ ₩ zł kč ft kr kr. sek nok dkk lei лв руб руб. tl r$ us$ a$ c$ fr. chf usd eur
    gbp jpy inr cad aud nzd pln czk huf ron bgn try brl rub uah isk euro euros dollars pounds
    원 円 元 won krw cny ¥ aed sar qar egp ils chf. s$ hk$ sgd hkd thb php idr rp rm myr ngn kes zar
    """.split()  # noqa: SIM905
)
_WHOLE_MONEY = frozenset(sign + dash for sign in ".," for dash in ("–", "—", "-", "--"))
"""Endings of whole amounts of money, also beside a currency: "500.–", "kr 500,-"."""
_UNITS = _WHOLE_MONEY | frozenset(
    """
    % ‰ kg g mg t km m cm mm mi ft in yd l ml cl dl h min s sec ms ° °c °f m² km² m³ ha kwh wh kw
    mw mb gb tb kb px pt kcal kj lb lbs oz mph km/h kmh bar hpa hz pp mq
    秒 分 分钟 分鐘 小时 小時 時間 초 분 시간 岁 歳 歲 세 살 人 名 명 次 回 번 个 個 개
    """.split()  # noqa: SIM905
)
"""Units that may stand right behind the digits; others need a space, or "101A" is a number."""
_FACTORS = {
    **dict.fromkeys(("k", "tsd", "tsd.", "tys", "tys.", "tis", "tis.", "thousand", "t€"), 1e3),
    **dict.fromkeys(("mio", "mio.", "mn", "mln", "mln.", "million", "millions", "milj."), 1e6),
    **dict.fromkeys(("mrd", "mrd.", "bn", "billion", "mld"), 1e9),
}
_NUMBER = (
    r"^(?P<open>\(?)(?P<sign>[+\-−]?)(?P<before>[^0-9+\-−.,()]*)(?P<inner>[+\-−]?) ?"
    r"(?P<digits>[0-9](?:[0-9.,'’ \x{a0}\x{202f}\x{2009}]*[0-9])?|[.,][0-9]+)"
    r"(?P<minus>[\-−]?)(?P<after>[.,]--?|[^0-9()+\-−]*)(?P<close>\)?)$"
)
_UNIT = re.compile(r"[^\W\d_]{1,12}\.?|[^\d\s()]{1,6}")
_MOST_ENDINGS = 8
PROBE = 500


@dataclass(frozen=True)
class Affixes:
    """The digits of each word, and what stands around them.

    Attributes:
        digits: string array; null where a word is not a number.
        negatives: words with a minus sign or in brackets.
        before: text before the digits.
        after: text after the digits.
        factor: of the most frequent ending, such as 1000 for "k".
        negative: how negative numbers are written.
        scales: factor of each word; None if all are 1.
        notation: what was removed, in words.
    """

    digits: pa.StringArray
    negatives: pa.BooleanArray
    before: str
    after: str
    factor: float
    negative: str
    scales: npt.NDArray[np.float64] | None
    notation: tuple[str, ...]


def strip_affixes(words: Words, candidates: npt.NDArray[np.int64], enough: float) -> Affixes | None:
    """Return the digits of a column's numbers, or None if it has too few, or mixed units.

    candidates: rows of each word that may be a number; enough: rows that must be numbers.
    """
    probe = pc.match_substring_regex(words.levels.slice(0, PROBE), _NUMBER)
    asked = candidates[:PROBE]
    if asked[probe.to_numpy(zero_copy_only=False)].sum() < 0.5 * asked.sum():
        return None
    parts = pc.extract_regex(words.levels, _NUMBER)
    matched = parts.is_valid().to_numpy(zero_copy_only=False)
    if candidates[matched].sum() < enough:
        return None
    leads, afters = (_counts(parts, name, candidates) for name in ("before", "after"))
    if len(leads) > _MOST_ENDINGS or len(afters) > _MOST_ENDINGS:
        return None
    endings = {text: _ending(text) for text in afters}
    units = {unit for unit, _ in endings.values() if unit}
    signs = {text.strip().casefold() for text in leads if text.strip()}
    if signs:
        units -= _WHOLE_MONEY
    if len(units) > 1 or len(signs) > 1 or not signs <= CURRENCIES or (signs and units):
        return None
    for unit in units:
        if not _may_be_unit(unit, afters, enough):
            return None
    before, after = leads.most_common(1)[0][0], afters.most_common(1)[0][0]
    # A word that is no number has no ending, such as "Refused" among "12 km".
    factors = np.array([endings.get(text, ("", 1.0))[1] for text in _texts(parts, "after")])
    open_, close = (pc.equal(pc.struct_field(parts, name), sign) for name, sign in _BRACKETS)
    brackets = pc.and_(open_, close)
    if not pc.all(pc.equal(open_, close)).as_py() or pc.all(brackets).as_py():
        return None  # "(1)", "(2)" are numbered answers
    trailing = pc.not_equal(pc.struct_field(parts, "minus"), "")
    first, inner = (
        pc.is_in(pc.struct_field(parts, name), pa.array(["-", "−"])) for name in ("sign", "inner")
    )
    forms = {"brackets": brackets, "after": trailing, "inner": inner if signs else None}
    negative = next((f for f, of in forms.items() if of is not None and pc.any(of).as_py()), "sign")
    return Affixes(
        digits=pc.struct_field(parts, "digits"),
        negatives=pc.or_(pc.or_(first, inner), pc.or_(trailing, brackets)).fill_null(False),
        before=before,
        after=after,
        factor=endings[after][1],
        negative=negative,
        scales=factors if (factors != 1).any() else None,
        notation=_notation(signs, units, factors, negative in ("brackets", "after")),
    )


_BRACKETS = (("open", "("), ("close", ")"))


def _texts(parts: pa.StructArray, name: str) -> list[str]:
    return [text or "" for text in pc.struct_field(parts, name).to_pylist()]


def _counts(parts: pa.StructArray, name: str, candidates: npt.NDArray[np.int64]) -> Counter[str]:
    """Return the rows of each text before or after the digits."""
    encoded = pc.struct_field(parts, name).dictionary_encode()
    codes = encoded.indices.fill_null(len(encoded.dictionary)).to_numpy(zero_copy_only=False)
    rows = np.bincount(codes, weights=candidates, minlength=len(encoded.dictionary))
    texts = encoded.dictionary.to_pylist()
    return Counter({text: int(n) for text, n in zip(texts, rows, strict=False)})


def _ending(text: str) -> tuple[str, float]:
    """Return unit and factor of the text after the digits."""
    bare = text.strip()
    first, _, rest = bare.partition(" ")
    if (factor := _FACTORS.get(first.casefold())) is not None:
        return rest.strip(), factor
    if bare[:1] in ("k", "K") and bare[1:].casefold() in CURRENCIES:
        return bare[1:], 1e3
    return bare, 1.0


def _may_be_unit(unit: str, afters: Counter[str], enough: float) -> bool:
    """Return whether a text after digits is a unit: a currency, or one word of nearly all rows."""
    known = unit.casefold() in CURRENCIES or unit.casefold() in _UNITS
    if unit.casefold() in CURRENCIES:
        return True
    rows = sum(n for text, n in afters.items() if _ending(text)[0] == unit)
    spaced = all(text[:1].isspace() for text in afters if _ending(text)[0] == unit)
    return rows >= enough and bool(_UNIT.fullmatch(unit)) and (known or spaced)


def _notation(
    signs: set[str], units: set[str], factors: npt.NDArray[np.float64], accounting: bool
) -> tuple[str, ...]:
    found = []
    if "%" in units:
        found.append("percent signs")
    if signs or any(unit.casefold() in CURRENCIES for unit in units):
        found.append("a currency sign")
    elif units - {"%"}:
        found.append("a unit")
    if (factors != 1).any():
        found.append("thousands or millions in a word")
    if accounting:
        found.append("minus signs of accounting")
    return tuple(found)
