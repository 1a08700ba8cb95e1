"""Invented identifiers and personal data of generated rows.

Names come from Faker, machine addresses from ranges for documentation and tests (RFC 2544, RFC
2606, RFC 3849), all other codes from the forms of the upload, with checksums that are wrong. A
value that may be a real one of the upload is drawn again, and left empty when that fails.
"""

import unicodedata
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from simulacra_intake.personal_data.forms import LOCALES, names_of
from simulacra_intake.personal_data.numbers import has_valid_checksum
from simulacra_intake.persons.masks import (
    COUNTED,
    ROOM,
    capped,
    code_words,
    loosened,
    places,
    possible,
    widened,
)
from simulacra_intake.persons.real_values import RealValues
from simulacra_schema.table import ColumnSchema, PersonalData, TableSchema

Words = npt.NDArray[np.object_]
Ints = npt.NDArray[np.int64]
ATTEMPTS = 8
CODE = "synthetic-{}"
CODE_BYTES = 16
"""A code without a form, and its random bytes, which are written as hexadecimal digits."""
DOMAINS = ("example.org", "example.com", "example.net")
STREETS = {
    "en": "{} Street", "de": "{}straße", "fr": "rue {}", "es": "Calle {}", "it": "Via {}",
    "pt": "Rua {}", "nl": "{}straat", "sv": "{}gatan", "da": "{}vej", "no": "{}veien",
    "fi": "{}katu", "pl": "ulica {}", "cs": "{} ulice", "tr": "{} Sokak", "hu": "{} utca",
    "ro": "Strada {}",
}  # fmt: skip
CHECKED: frozenset[PersonalData | None] = frozenset({"national_id", "iban", "card"})


@dataclass(frozen=True)
class RowSpan:
    """Which rows of a table are written.

    Attributes:
        first: index of the first of them.
        total: rows of the whole table.
        seed: orders the codes, the same for all parts of one table.
    """

    first: int = 0
    total: int = 1
    seed: int = 0


WHOLE = RowSpan()


@dataclass(frozen=True)
class Names:
    """First and last names of the invented person of each row, object [rows]."""

    first: Words
    last: Words


class Inventor:
    """Invents the codes and personal data of one span of rows; each row is one person."""

    def __init__(
        self,
        schema: TableSchema,
        rows: int,
        span: RowSpan,
        rng: np.random.Generator,
        real: RealValues | None,
    ) -> None:
        self.rows, self.span, self.rng, self.real = rows, span, rng, real
        self.real_rows = schema.rows
        self.locale = _locale(schema)

    @cached_property
    def people(self) -> Names:
        """The invented person of each row, the same in all columns."""
        names = names_of(self.locale)
        return Names(
            _objects(self.rng.choice(names.first, size=self.rows).tolist()),
            _objects(self.rng.choice(names.last, size=self.rows).tolist()),
        )

    def words(self, column: ColumnSchema, number: int, highest: int | None = None) -> Words:
        """Return the words of a column, object [rows]; None where no safe one was found.

        Args:
            column: an identifier or personal data.
            number: of the column, which orders its codes unlike those of others.
            highest: the highest number of a column of numbers, None for text.
        """
        draw = self._drawer(column, number, highest)
        out: Words = np.full(self.rows, None, dtype=object)
        left = np.arange(self.rows)
        for attempt in range(ATTEMPTS):
            if not left.size:
                break
            drawn = draw(left, attempt)
            safe = ~(self._is_real(column, drawn) | _above(drawn, highest))
            out[left[safe]] = drawn[safe]
            left = left[~safe]
        return out

    def width(self, column: ColumnSchema) -> int:
        """Return the most bytes that an invented code of a column may have.

        A file format that cuts longer ones would turn them into real codes.
        """
        if not column.masks:
            return len(CODE.format("")) + 2 * CODE_BYTES
        longest = [self._roomy(column, places(mask), None) for mask in column.masks]
        return max(sum(max(len(x.encode()) for x in place) for place in one) for one in longest)

    @property
    def _codes_needed(self) -> int:
        total = max(self.span.total, self.span.first + self.rows)
        return max(ATTEMPTS * total, ROOM * self.real_rows)

    def _roomy(self, column: ColumnSchema, letters: list[str], highest: int | None) -> list[str]:
        """Return the places of codes that are enough for every row and attempt to have its own.

        Keys stay as long as they were while their fixed digits can vary; those of personal data
        are dialing codes and countries, which stay.
        """
        if column.personal_data is None:
            letters = loosened(letters, self._codes_needed)
        if highest is not None:
            letters = capped(letters, highest)
        return widened(letters, self._codes_needed)

    def _drawer(
        self, column: ColumnSchema, number: int, highest: int | None
    ) -> Callable[[Ints, int], Words]:
        if column.masks:
            forms = [self._roomy(column, places(mask), highest) for mask in column.masks]
            return lambda rows, attempt: self._codes(column, forms, number, rows, attempt)
        match column.personal_data:
            case "name" | "first_name" | "last_name":
                return lambda rows, attempt: self._names(column, rows, attempt)
            case "email":
                return self._emails
            case "street":
                return lambda rows, _: self._streets(column, rows)
            case "url" | "ip" | "mac" as kind:
                return lambda rows, _: self._machines(kind, rows.size)
        return lambda rows, _: _objects([CODE.format(self._hex(CODE_BYTES)) for _ in rows])

    def _is_real(self, column: ColumnSchema, words: Words) -> npt.NDArray[np.bool_]:
        listed: list[str] = words.tolist()
        found = np.zeros(len(listed), np.bool_) if self.real is None else self.real.holds(listed)
        kind = column.personal_data
        if kind is not None and kind in CHECKED:
            found |= np.array([has_valid_checksum(kind, word) for word in listed], np.bool_)
        return found

    def _names(self, column: ColumnSchema, rows: Ints, attempt: int) -> Words:
        people, names = self.people, names_of(self.locale)
        if attempt:  # these names may be real ones
            people.first[rows] = self.rng.choice(names.first, size=rows.size)
            people.last[rows] = self.rng.choice(names.last, size=rows.size)
        form = column.text_format or "{first} {last}"
        pairs = zip(people.first[rows], people.last[rows], strict=True)
        return _objects([form.format(first=first, last=last) for first, last in pairs])

    def _emails(self, rows: Ints, attempt: int) -> Words:
        pairs = zip(self.people.first[rows], self.people.last[rows], strict=True)
        domain = self.rng.integers(len(DOMAINS), size=rows.size)
        serial = (self.span.first + rows) * ATTEMPTS + attempt
        return _objects(
            [
                f"{_ascii(first)}.{_ascii(last)}{n}@{DOMAINS[d]}"
                for (first, last), n, d in zip(pairs, serial, domain, strict=True)
            ]
        )

    def _streets(self, column: ColumnSchema, rows: Ints) -> Words:
        last = self.rng.choice(names_of(self.locale).last, size=rows.size)
        numbers = self.rng.integers(1, 250, size=rows.size)
        street, form = STREETS.get(self.locale[:2], STREETS["en"]), column.text_format or "{street}"
        return _objects(
            [
                form.format(street=street.format(name), number=n)
                for name, n in zip(last, numbers, strict=True)
            ]
        )

    def _machines(self, kind: str, n: int) -> Words:
        if kind == "ip":
            low = self.rng.integers(1 << 17, size=n)
            return _objects([f"198.{18 + (k >> 16)}.{k >> 8 & 255}.{k & 255}" for k in low])
        if kind == "mac":
            octets = self.rng.integers(256, size=(n, 5))
            return _objects([":".join(["02", *(f"{o:02x}" for o in row)]) for row in octets])
        return _objects([f"https://example.org/{self._hex(8)}" for _ in range(n)])

    def _codes(
        self, column: ColumnSchema, forms: list[list[str]], number: int, rows: Ints, attempt: int
    ) -> Words:
        """Return codes of the column's forms; each row and attempt counts its own code."""
        shares = np.array([mask.share for mask in column.masks])
        form = self.rng.choice(len(shares), size=rows.size, p=shares / shares.sum())
        out: Words = np.full(rows.size, None, dtype=object)
        for i, letters in enumerate(forms):
            zone = possible(letters) // ATTEMPTS
            chosen = np.flatnonzero(form == i)
            index = self.span.first + rows[chosen] + attempt * min(zone, 1 << 60)
            # Forms that become alike count in the same order, so they never give the same code.
            alike = zlib.crc32("|".join(letters).encode())
            order = np.random.default_rng([self.span.seed, number, alike])
            drawn = order if possible(letters) <= COUNTED else self.rng
            out[chosen] = code_words(letters, index, drawn)
        return out

    def _hex(self, size: int) -> str:
        return self.rng.bytes(size).hex()


def _locale(schema: TableSchema) -> str:
    """Return the locale of the table's names, or else of its streets and e-mails."""
    named = {c.personal_data: c.locale for c in reversed(schema.columns) if c.locale}
    for kind in ("name", "last_name", "first_name", "street", "email"):
        if locale := named.get(kind):
            return locale
    return LOCALES[0]


def _above(words: Words, highest: int | None) -> npt.NDArray[np.bool_]:
    """Return which words are numbers that a column cannot hold, bool [n]."""
    above = (highest is not None and abs(int(word)) > highest for word in words)
    return np.fromiter(above, np.bool_, words.size)


def _objects(words: list[str]) -> Words:
    out: Words = np.empty(len(words), dtype=object)
    out[:] = words
    return out


def _ascii(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name.replace("ß", "ss").replace("ł", "l"))
    letters = "".join(letter for letter in plain.lower() if letter.isascii() and letter.isalnum())
    return letters or "name"  # another script
