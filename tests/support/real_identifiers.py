"""A table of transactions, and a search for its identifiers in the bytes of finished files.

Names and e-mails are of the kind that the product invents, so that real ones would come back by
chance if nothing refused them.
"""

from __future__ import annotations

import datetime as dt
import html
import io
import zipfile
from collections import defaultdict
from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from simulacra_intake.personal_data.forms import names_of

HIDDEN = ("order", "customer_id", "email", "name", "phone")
REQUESTS: dict[str, dict[str, object]] = {
    "plain": {},
    "conditions": {
        "conditions": {
            "categorical": {"diagnosis": {"diabetes": 0.4}, "region": {"north": 0.5}},
        }
    },
    "do()": {"interventions": {"region": "south"}},
}
"""Requests for rows and for persons alike: they name attributes of persons."""
WINDOW = 8
"""Bytes that are compared at once."""


def transactions(persons: int, rows: int, seed: int) -> pa.Table:
    """Return orders of persons with name, e-mail, phone, birth date and diagnosis beside them."""
    rng = np.random.default_rng(seed)
    who = np.concatenate([np.arange(persons), rng.integers(persons, size=rows - persons)])
    rng.shuffle(who)
    names = names_of("en_US")
    first, last = (rng.choice(part, persons) for part in (names.first, names.last))
    phone = [f"+44 7{p * 7 % 900:03d} {p * 3137 % 10**6:06d}" for p in range(persons)]
    born = [dt.date(1940, 1, 1) + dt.timedelta(int(d)) for d in rng.integers(24_000, size=persons)]
    ill = rng.choice(["none", "asthma", "diabetes", "epilepsy"], persons, p=[0.7, 0.15, 0.1, 0.05])
    region = rng.choice(["north", "south", "east", "west"], persons)
    spends = rng.lognormal(3, 0.6, persons)
    day = rng.integers(700, size=rows)
    called = rng.random(rows) < 0.3
    return pa.table(
        {
            "order": [f"T{n:06d}" for n in rng.permutation(900_000)[:rows]],
            "customer_id": [f"C{p:05d}" for p in who],
            "email": [f"{first[p]}.{last[p]}{p}@example.org".lower() for p in who],
            "name": [f"{first[p]} {last[p]}" for p in who],
            "phone": [phone[p] for p in who],
            "birth_date": [born[p] for p in who],
            "diagnosis": ill[who],
            "region": region[who],
            "date": [dt.date(2023, 1, 1) + dt.timedelta(int(d)) for d in day],
            "amount": np.round(spends[who] * rng.lognormal(0, 0.3, rows), 2),
            "goods": rng.choice(["food", "books", "toys"], rows),
            "note": [
                f"called {first[p]} {last[p]} on {phone[p]}" if c else None
                for p, c in zip(who, called, strict=True)
            ],
        }
    )  # fmt: skip


def identifiers(table: pa.Table) -> set[str]:
    """Return the identifiers of a table from `transactions`."""
    return {word for name in HIDDEN for word in table.column(name).to_pylist()}


class Search:
    """Finds whole words in bytes, whatever their case: T123456 is not in T1234567.

    A word is looked for by its first bytes, at every offset at once.
    """

    def __init__(self, words: Iterable[str]) -> None:
        self._by_head: dict[int, dict[int, set[bytes]]] = defaultdict(lambda: defaultdict(set))
        for word in words:
            encoded = word.lower().encode()
            size = min(len(encoded), WINDOW)
            head = int.from_bytes(encoded[:size].ljust(WINDOW, b"\0"), "little")
            self._by_head[size][head].add(encoded)

    def found(self, data: bytes) -> set[str]:
        """Return the words that occur in the data."""
        data = data.lower()
        padded = data + bytes(2 * WINDOW)
        hits: set[bytes] = set()
        for size, heads in self._by_head.items():
            known = np.array(sorted(heads), np.uint64)
            kept = np.uint64((1 << 8 * size) - 1)
            for shift in range(WINDOW):
                windows = np.frombuffer(padded, np.uint64, len(data) // WINDOW + 1, shift) & kept
                at = np.minimum(np.searchsorted(known, windows), known.size - 1)
                for i in np.flatnonzero(known[at] == windows).tolist():
                    begin = i * WINDOW + shift
                    words = heads[int(windows[i])]
                    hits |= {word for word in words if _is_whole(word, data, begin)}
        return {word.decode() for word in hits}


def _is_whole(word: bytes, data: bytes, begin: int) -> bool:
    end = begin + len(word)
    around = data[max(begin - 1, 0) : begin] + data[end : end + 1]
    return data.startswith(word, begin) and not any(chr(one).isalnum() for one in around)


def unpacked(data: bytes, file_format: str) -> bytes:
    """Return the content of a file without compression and escapes, its metadata included.

    Of Parquet and Arrow these are the words, apart, and all words of dictionaries.
    """
    if file_format == "xlsx":
        with zipfile.ZipFile(io.BytesIO(data)) as book:
            parts = [html.unescape(book.read(name).decode()) for name in book.namelist()]
        return "\n".join(parts).encode()
    if file_format not in ("parquet", "arrow"):
        return data
    if file_format == "parquet":
        names = pq.read_schema(io.BytesIO(data)).names
        rows = pq.read_table(io.BytesIO(data), read_dictionary=names)
    else:
        rows = pa.ipc.open_file(io.BytesIO(data)).read_all()
    words = [str(rows.schema.metadata), *(f"{f.name} {f.metadata}" for f in rows.schema)]
    for column in rows.columns:
        if pa.types.is_string(column.type):
            column = column.dictionary_encode()
        if pa.types.is_dictionary(column.type):
            words += [str(word) for chunk in column.chunks for word in chunk.dictionary.to_pylist()]
    return "\n".join(words).encode()
