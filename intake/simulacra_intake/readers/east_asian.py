"""Detection of the double-byte encodings of Chinese, Japanese and Korean text.

A text is in an encoding if all of it decodes, and nearly all its characters are frequent ones of
the language. The standards sort characters by how frequent they are: the first planes of GB 2312,
JIS X 0208 and Big5, and the syllables of KS X 1001. Other encodings, read as one of these, give
many rare characters, or fail.
"""

import codecs
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

EAST_ASIAN_NAMES = {
    "cp949": "Windows-949 (Korean)",
    "euc_jp": "EUC-JP (Japanese)",
    "cp932": "Shift JIS (Japanese)",
    "big5": "Big5 (Chinese)",
    "gb18030": "GB 18030 (Chinese)",
}
_FREQUENT = {
    "cp949": range(0xB0, 0xC9),
    "euc_jp": range(0xB0, 0xD0),
    "cp932": range(0x88, 0x99),
    "big5": range(0xA4, 0xC7),
    "gb18030": range(0xB0, 0xD8),
}
"""First bytes of the frequent characters of each encoding, the surest encoding first."""
_JAPANESE = frozenset(("euc_jp", "cp932"))
_KANA = range(0x3041, 0x30FF)
_NEUTRAL = (range(0x2010, 0x2040), range(0x3000, 0x3040), range(0xFF01, 0xFF61))
"""Punctuation, and letters and digits of full width."""
LEAST_FREQUENT = 0.85
"""Share of the characters that must be frequent."""
LEAST_KANA = 0.1
"""Share of Japanese text that is kana; Korean and Chinese text, misread, has none."""
FEWEST_CHARACTERS = 10
"""Different characters that show an encoding."""
MOST_CHARACTERS = 500_000
_NOT_ASCII = re.compile(r"[^\x00-\x7f]")


@dataclass
class _Candidate:
    """One encoding: its decoder, None once bytes failed, and its characters so far."""

    decoder: codecs.IncrementalDecoder | None
    characters: Counter[str]

    def feed(self, block: bytes, *, final: bool = False) -> None:
        if self.decoder is None:
            return
        try:
            text = self.decoder.decode(block, final)
        except UnicodeDecodeError:
            self.decoder = None
            return
        if self.characters.total() < MOST_CHARACTERS:
            self.characters.update(_NOT_ASCII.findall(text))


class EastAsian:
    """Watches the blocks of a text for the encodings that decode all of them."""

    def __init__(self) -> None:
        self._candidates = {
            name: _Candidate(codecs.getincrementaldecoder(name)(), Counter())
            for name in EAST_ASIAN_NAMES
        }

    def through(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        """Yield the blocks; afterwards `best` knows them."""
        for block in blocks:
            for candidate in self._candidates.values():
                candidate.feed(block)
            yield block

    def best(self) -> str | None:
        """Return the Python name of the encoding, None if no one fits."""
        scores: dict[str, float] = {}
        for name, candidate in self._candidates.items():
            candidate.feed(b"", final=True)
            if candidate.decoder is not None and len(candidate.characters) >= FEWEST_CHARACTERS:
                scores[name] = round(_frequent(name, candidate.characters), 2)
        best = max(scores, key=lambda name: scores[name], default=None)
        return best if best is not None and scores[best] >= LEAST_FREQUENT else None


def _frequent(name: str, characters: Counter[str]) -> float:
    """Return the share of characters that are frequent in the language of an encoding."""
    judged = {
        letter: count
        for letter, count in characters.items()
        if not any(ord(letter) in one for one in _NEUTRAL)
    }
    total = sum(judged.values())
    kana = sum(count for letter, count in judged.items() if ord(letter) in _KANA)
    if not total or (name in _JAPANESE and kana < LEAST_KANA * total):
        return 0.0
    frequent = sum(
        count for letter, count in judged.items() if letter.encode(name)[0] in _FREQUENT[name]
    )
    return (frequent + (kana if name in _JAPANESE else 0)) / total
