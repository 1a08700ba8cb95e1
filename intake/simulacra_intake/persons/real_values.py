"""Real values that generated rows must never hold, as keyed digests.

A Bloom filter (Bloom, 1970) of keyed BLAKE2b digests (RFC 7693): it answers whether a value may be
a real one, and neither the filter nor its key gives a value back. A value that is wrongly taken for
a real one (about 1 in 1,000) is only drawn again. The key is drawn for the table, and both lie in
the encrypted clean table alone.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

METADATA = b"simulacra.real_values"
BITS_A_VALUE = 16
MAX_BYTES = 1 << 24
HASHES = 4
KEY_BYTES = 32
_DIGITS_OF_A_NUMBER = 6


@dataclass(frozen=True)
class RealValues:
    """The digests of the real values of one table."""

    key: bytes
    bits: npt.NDArray[np.uint8]

    def holds(self, values: Sequence[str]) -> npt.NDArray[np.bool_]:
        """Return whether each value may be a real one, bool [n]."""
        at = _places(self.key, values, self.bits.size * 8)
        found: npt.NDArray[np.bool_] = (self.bits[at >> 3] >> (at & 7) & 1).all(axis=1)
        return found

    def to_bytes(self) -> bytes:
        """Return the key and the filter."""
        return self.key + self.bits.tobytes()

    @classmethod
    def from_bytes(cls, stored: bytes) -> RealValues:
        """Return what `to_bytes` gave."""
        return cls(stored[:KEY_BYTES], np.frombuffer(stored[KEY_BYTES:], np.uint8))


def digest_real_values(values: Sequence[str]) -> RealValues:
    """Return the digests of the values."""
    size = max(min(BITS_A_VALUE * len(values) // 8, MAX_BYTES), 64)
    bits, key = np.zeros(size, np.uint8), secrets.token_bytes(KEY_BYTES)
    at = _places(key, values, size * 8).reshape(-1)
    np.bitwise_or.at(bits, at >> 3, (1 << (at & 7)).astype(np.uint8))
    return RealValues(key, bits)


def _places(key: bytes, values: Sequence[str], bits: int) -> npt.NDArray[np.int64]:
    """Return the bits of each value, int64 [n, HASHES]."""
    plain = _plain(pa.array(values, pa.string())).to_pylist()
    digests = b"".join(
        hashlib.blake2b(value.encode(), digest_size=8 * HASHES, key=key).digest() for value in plain
    )
    return (
        (np.frombuffer(digests, np.uint64) % np.uint64(bits)).astype(np.int64).reshape(-1, HASHES)
    )


def _plain(values: pa.Array) -> pa.Array:
    """Return values without what people write in several ways: case, spaces, units of numbers."""
    text = pc.replace_substring_regex(pc.utf8_lower(pc.utf8_trim_whitespace(values)), r"\s+", " ")
    digits = pc.replace_substring_regex(text, r"[^0-9]+", "")
    has_letters = pc.match_substring_regex(text, r"\pL")
    long = pc.greater_equal(pc.utf8_length(digits), _DIGITS_OF_A_NUMBER)
    return pc.if_else(pc.and_(long, pc.invert(has_letters)), digits, text)
