"""Detection of the 8-bit code page of a text by the alphabets of the languages it serves.

Every 8-bit file decodes under every page; only one of them gives words. A page scores by the share
of its accented letters that belong to one language, so "Łódź" in Windows-1250 scores 1 there and 0
as "£ódŸ" in Windows-1252.
"""

import re
from collections.abc import Iterable

import numpy as np

_WESTERN = (
    "äöüß",
    "àâæçéèêëîïôœùûüÿ",
    "áéíñóúüàçèòï",
    "ãáàâçéêíóôõúü",
    "àèéìòù",
    "éèëïöüáóíê",
    "åäöéæøü",
    "áðéíóúýþæö",
)
_CENTRAL = (
    "ąćęłńóśźż",
    "áčďéěíňóřšťúůýžäĺľŕô",
    "áéíóöőúüű",
    "ăâîșțşţ",
    "čćđšž",
    "äöüß",
)
_CYRILLIC = ("абвгдежзийклмнопрстуфхцчшщъыьэюяё", "абвгґдеєжзиіїйклмнопрстуфхцчшщьюя")
_PAGES: dict[str, tuple[str, ...]] = {
    "cp1252": _WESTERN,
    "cp1250": _CENTRAL,
    "iso8859-2": _CENTRAL,
    "mac_roman": _WESTERN,
    "cp1251": _CYRILLIC,
    "koi8-r": _CYRILLIC[:1],
    "cp1253": ("αβγδεζηθικλμνξοπρστυφχψωάέήίόύώϊϋςΐΰ",),
    "cp1254": ("çğıöşüâîûi̇",),
}
NAMES = {
    "cp1252": "Windows-1252",
    "cp1250": "Windows-1250",
    "iso8859-2": "ISO 8859-2",
    "mac_roman": "Mac OS Roman",
    "cp1251": "Windows-1251",
    "koi8-r": "KOI8-R",
    "cp1253": "Windows-1253",
    "cp1254": "Windows-1254",
}
_MARGIN = 0.02
"""Lead over Windows-1252 that another page needs."""
_LEAST = 0.8
"""Least score; less means a page or a script that none of these is."""
_MOST_WORDS = 20_000
_WORD = re.compile(rb"[0-9A-Za-z\x80-\xff]{1,40}")
_HIGH = re.compile(rb"[\x80-\xff]")
_TYPOGRAPHY = frozenset("“”„‘’‚«»‹›–—…\xa0\xad·•")
_BEFORE_WORDS = frozenset("¿¡§°")
_BEHIND_WORDS = frozenset("®™")
"""Signs that may touch a word: "°C", "Nivea®"."""
_ENDS = {"²": "mM", "³": "mM", "°": "nN", "º": "nN", "ª": "mM"}
"""Signs that end a word behind these letters: "m²", "cm³", "N° client", "Mª Carmen"."""


def code_page(blocks: Iterable[bytes]) -> str | None:
    """Return the Python name of the page under which a text reads best; None if none fits.

    blocks: the text in bytes, without NULs, with at least one byte above 127.
    """
    used = np.zeros(256, dtype=np.int64)
    words: set[bytes] = set()
    for block in blocks:
        used += np.bincount(np.frombuffer(block, np.uint8), minlength=256)
        if len(words) < _MOST_WORDS:
            words.update(word for word in _WORD.findall(block) if _HIGH.search(word))
    high = bytes(np.flatnonzero(used[128:]) + 128)
    sample = sorted(words)[:_MOST_WORDS]
    scores = {
        page: max(_score([word.decode(page) for word in sample], one) for one in alphabets)
        for page, alphabets in _PAGES.items()
        if _decodes(high, page)
    }
    if not scores:
        return None
    best = max(scores, key=lambda page: scores[page])
    if scores[best] < scores.get("cp1252", -1.0) + _MARGIN:
        best = "cp1252"
    return best if scores[best] >= _LEAST else None


def _decodes(high: bytes, page: str) -> bool:
    try:
        high.decode(page)
    except UnicodeDecodeError:
        return False
    return True


def _score(words: list[str], alphabet: str) -> float:
    """Return the share of characters above 127 that one language writes where they stand."""
    latin = alphabet[0] < "\u0370"
    judged = [
        _fits(before, character, after, alphabet, latin)
        for word in words
        for before, character, after in zip(" " + word, word, word[1:] + " ", strict=False)
        if character > "\x7f"
    ]
    verdicts = [fits for fits in judged if fits is not None]
    foreign = sum(_accented(word) for word in words) if latin else 0
    return (sum(verdicts) - 3 * foreign) / len(verdicts) if verdicts else 1.0


def _fits(before: str, character: str, after: str, alphabet: str, latin: bool) -> bool | None:
    """Return whether a character stands as the language writes it; None for neutral signs."""
    if not character.isalpha() or character in "ªº":
        if character in _TYPOGRAPHY:
            return None
        if character in _BEFORE_WORDS and not before.isalpha():
            return None
        if character in _BEHIND_WORDS and not after.isalpha():
            return None
        if before in _ENDS.get(character, "") and not after.isalpha():
            return None
        return None if not (before.isalpha() or after.isalpha()) else False
    if character.lower() not in alphabet or (character.isupper() and before.islower()):
        return False
    if not latin:  # one word, one script
        return not (before + after).strip().isascii() or not any(
            c.isalpha() and c.isascii() for c in before + after
        )
    return character != "õ" or after == "e"  # Portuguese; Hungarian has "ő" in this place


def _accented(word: str) -> bool:
    """Return whether a word has accented letters only, as another script in a Latin page."""
    letters = [c for c in word if c.isalpha()]
    return len(letters) >= 3 and all(c > "\x7f" for c in letters)
