"""Noise of counts of real persons that is the same for the same persons (cell keys).

The method is that of the Australian census (Fraser & Wooton, 2005).

Each person has a secret number; the sum over the persons of a set decides the noise of its count.
Asking again, or for the same persons in other words, gives the same count, so nothing averages out,
and a set that is the difference of two others has a noise that neither tells. The secret is drawn
when the table is cleaned and lies in the encrypted clean table alone.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from simulacra_intake.arrow_values import GOLDEN, mixed_bits
from simulacra_intake.rows_of_persons import Ints, rows_a_person
from simulacra_intake.survey_weights import Floats
from simulacra_schema.table import TableSchema

METADATA = b"simulacra.cell_keys"
SECRET_BYTES = 32
NOISE = 1.0
"""Standard deviation of the noise, in persons."""
Keys = npt.NDArray[np.uint64]


def new_secret() -> bytes:
    """Return the secret of a table."""
    return secrets.token_bytes(SECRET_BYTES)


def person_keys(table: pa.Table, schema: TableSchema) -> Keys:
    """Return the secret number of each row's person, uint64 [n]; a person's rows have the same.

    It follows from the person's number or, where each row is its own person, from the answers, so
    rows keep it in samples and halves of the table. A table without a secret was cleaned by an
    older release; the digest of all its rows stands in.
    """
    subject = schema.subject()
    parts = [part.name for column in schema.learned() for part in column.parts()]
    names = [name for name in parts if name in table.column_names]
    if subject is not None and subject.name in table.column_names:
        names = [subject.name]
    secret = (table.schema.metadata or {}).get(METADATA)
    if secret is None:
        rows = np.sort(_row_numbers(table, names, b"\0"))
        secret = hashlib.blake2b(rows.tobytes(), digest_size=SECRET_BYTES).digest()
    return _row_numbers(table, names, secret)


def summed(keys: Keys, cell: npt.NDArray[np.integer], size: int) -> Keys:
    """Return the sum of the keys of each cell's persons modulo 2**64, uint64 [size].

    cell: of each row's key, 0 <= cell < size; keys that a cell has several times count once.
    """
    order = np.lexsort((keys, cell))
    keys, cell = keys[order], cell[order]
    first = np.append(True, (np.diff(cell) != 0) | (np.diff(keys) != 0))[: keys.size]
    found = np.zeros(size, np.uint64)
    np.add.at(found, cell[first], keys[first])
    return found


def mixed(*keys: Keys) -> Keys:
    """Return one key for several, which all decide it: the noise of a set known to be empty."""
    found = np.zeros_like(keys[0])
    for one in keys:
        found = _spread(found + one)
    return found


def noise_of(keys: Keys) -> Floats:
    """Return the whole noise of the counts of these sets, float64, of about NOISE persons."""
    uniform = ((_spread(keys) >> np.uint64(11)).astype(np.float64) + 0.5) / 2.0**53
    from scipy.special import ndtri  # reading a table needs no engine

    return np.rint(NOISE * ndtri(uniform))


def noisy(counts: Floats | Ints, keys: Keys, rows: int) -> Floats:
    """Return counts with the noise of their sets, float64, of at most this many rows.

    rows: of the table, which are published beside the counts.
    """
    return np.clip(counts + noise_of(keys), 0.0, rows)


def text_key(table: pa.Table, text: str) -> Keys:
    """Return a key that the table's secret and a text decide, uint64 [1].

    It is for counts of rows that a clean table no longer tells apart.
    """
    return key_of_text(text, (table.schema.metadata or {}).get(METADATA, b""))


def key_of_text(text: str, secret: bytes = b"") -> Keys:
    """Return a key that a text and perhaps a secret decide, uint64 [1]."""
    return np.array([_number(text, secret)], np.uint64)


def key_of_all(keys: Keys) -> Keys:
    """Return the key of a set of persons, uint64 [1]."""
    return summed(keys, np.zeros(keys.size, np.int64), 1)


def noisy_count(keys: Keys) -> int:
    """Return the number of rows with these keys, with the noise of their persons."""
    return max(int(keys.size + noise_of(key_of_all(keys))[0]), 0) if keys.size else 0


@dataclass(frozen=True)
class RowNoise:
    """The noise of one person in figures of some rows, in rows.

    Attributes:
        key: of all persons of the rows, uint64 [1].
        rows_a_person: rows that one person may add.
    """

    key: Keys
    rows_a_person: float

    @classmethod
    def of(cls, keys: Keys, persons: Ints | None) -> RowNoise:
        """Return the noise of rows with these keys and persons."""
        return cls(key_of_all(keys), rows_a_person(persons))

    def in_count(self) -> float:
        """Return the noise of the number of rows."""
        return float(noise_of(self.key)[0]) * self.rows_a_person

    def in_figure(self, name: str) -> float:
        """Return the noise of another count of these rows, which a text names."""
        return float(noise_of(mixed(self.key, key_of_text(name)))[0]) * self.rows_a_person


def _row_numbers(table: pa.Table, names: list[str], secret: bytes) -> Keys:
    """Return a number of each row that only the secret's owner can compute, uint64 [n]."""
    total = np.zeros(table.num_rows, np.uint64)
    for name in names:
        column = table.column(name).combine_chunks()
        if pa.types.is_dictionary(column.type):
            words = [_number(str(word), secret) for word in column.dictionary.to_pylist()]
            codes = column.indices.fill_null(len(words)).to_numpy(zero_copy_only=False)
            values = np.array([*words, 0], np.uint64)[codes]
        else:
            if pa.types.is_timestamp(column.type):
                column = column.cast(pa.int64())
            known = column.is_valid().to_numpy(zero_copy_only=False)
            numbers = column.cast(pa.float64(), safe=False).fill_null(0.0)
            bits = (numbers.to_numpy(zero_copy_only=False) + 0.0).view(np.uint64)
            values = np.where(known, bits, GOLDEN)
        total += _spread(values ^ np.uint64(_number(name, secret)))
    return _spread(total ^ np.uint64(_number("", secret)))


def _number(word: str, secret: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(word.encode(), digest_size=8, key=secret).digest(), "big")


def _spread(values: Keys) -> Keys:
    """Return splitmix64's bijection of each value."""
    return mixed_bits(values + GOLDEN)
