"""Marks of one run of the canary: a random word, and the forms in which it is looked for."""

from __future__ import annotations

import base64
import secrets
from dataclasses import dataclass

from simulacra_crds.kube.client import Object

ROWS = 240
GENERATED = 40


@dataclass(frozen=True)
class Marks:
    """The word of one run; it is in every column name, level and condition.

    Attributes:
        word: 20 random hexadecimal digits after a letter.
    """

    word: str

    @classmethod
    def new(cls) -> Marks:
        """Return the marks of a new run."""
        return cls("m" + secrets.token_hex(10))

    @property
    def column(self) -> str:
        """Name of the marked column of categories."""
        return f"group_{self.word}"

    def level(self, number: int) -> str:
        """Return a marked level."""
        return f"level {number} {self.word}"

    def table(self) -> bytes:
        """Return the upload: a CSV of three columns, two of them with marked names."""
        lines = [f"{self.column},amount_{self.word},flag"]
        for row in range(ROWS):
            lines.append(f"{self.level(row % 3)},{row * 37 % 101 + row % 3},{'ny'[row % 2]}")
        return ("\n".join(lines) + "\n").encode()

    def conditions(self) -> Object:
        """Return the conditions of the generation."""
        return {"categorical": {self.column: {self.level(0): 0.5}}}

    @property
    def needles(self) -> tuple[bytes, ...]:
        """The word as UTF-8 in both cases, as UTF-16, in hexadecimal and in base64."""
        plain, upper = self.word.encode(), self.word.upper().encode()
        # Without its last byte, the little-endian form is found in the big-endian one, too.
        wide = self.word.encode("utf-16-le")[:-1]
        shifted = (_base64_at(plain, offset) for offset in range(3))
        return (plain, upper, wide, plain.hex().encode(), plain.hex().upper().encode(), *shifted)


def _base64_at(word: bytes, offset: int) -> bytes:
    """Return the characters of the word's base64 that its neighbors do not change."""
    encoded = base64.b64encode(bytes(offset) + word)
    first = -(-offset * 8 // 6)
    return encoded[first : (offset + len(word)) * 8 // 6]


class Finder:
    """Looks for needles in a stream of bytes."""

    def __init__(self, needles: tuple[bytes, ...]) -> None:
        self._needles = needles
        self._keep = max(map(len, needles)) - 1
        self._tail = b""
        self.found = False

    def feed(self, chunk: bytes) -> None:
        """Look into the next bytes of the stream."""
        text = self._tail + chunk
        self.found = self.found or any(needle in text for needle in self._needles)
        self._tail = text[-self._keep :]
