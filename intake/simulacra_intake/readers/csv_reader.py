"""Reader of CSV files: detects encoding and delimiter, yields batches of strings, checks rows.

pyarrow.csv parses; this module gives it a stream of known encoding and turns its errors into
messages for the customer.
"""

import io
import os
import re
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterator, Sequence
from functools import reduce

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from simulacra_intake.errors import invalid_upload, too_small
from simulacra_intake.limits import GIB, MAX_CELL_BYTES, MAX_DECODED_BYTES, MAX_ROW_BYTES, MIB
from simulacra_intake.readers.batches import Batches, long_cells, without_last
from simulacra_intake.readers.code_pages import NAMES
from simulacra_intake.readers.csv_head import HEAD_BYTES, TAIL_BYTES, read_below, read_head
from simulacra_intake.readers.east_asian import EAST_ASIAN_NAMES
from simulacra_intake.readers.names import settle_names
from simulacra_intake.readers.sniff import compression_of, encoding_of, refuse_other_formats
from simulacra_intake.readers.stated_layout import DETECT, StatedLayout, decode_all
from simulacra_intake.scratch import EncryptedFile
from simulacra_schema.formats.file_labels import Declared

_BOMS = (b"", BOM_UTF8, BOM_UTF16_LE, BOM_UTF16_BE)


class _Quotes:
    """Counts quotation marks and lines, to find a mark that is never closed; keeps the end.

    Attributes:
        repeats: whether the first line stands further below again, as in joined exports.
    """

    def __init__(self) -> None:
        self.marks = 0
        self.lines = 1
        self.tail = b""
        self.repeats = False
        self._first: list[bytes] = []

    def feed(self, block: bytes) -> bytes:
        joined = self.tail + block
        # Lines of UTF-16 and with other ends are alike; cells decide which are left out.
        lines = joined.replace(b"\0", b"").replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        if not self.tail:
            first = reduce(bytes.removeprefix, _BOMS, lines).partition(b"\n")[0]
            if first.strip():
                self._first = [b"\n" + mark + first + b"\n" for mark in _BOMS]
        self.repeats = self.repeats or any(line in lines for line in self._first)
        self.marks += block.count(b'"')
        self.lines += block.count(b"\n")
        self.tail = joined[-TAIL_BYTES:]
        return block


def open_batches(source: io.RawIOBase, stated: StatedLayout = DETECT) -> Batches:
    """Open a CSV (plain, gzip or zstd; UTF-8, UTF-16 or an 8-bit page); all columns are text.

    Raises:
        InputError: here for errors of the first lines or the encoding, later from the batches.
    """
    compression = compression_of(source.read(4) or b"")
    head = b"".join(_blocks(source, compression, HEAD_BYTES))
    refuse_other_formats(head)
    quotes = _Quotes()
    blocks = map(quotes.feed, _blocks(source, compression))
    encoding = (
        decode_all(stated.encoding, head, blocks) if stated.encoding else encoding_of(head, blocks)
    )
    found = read_head(head, encoding, stated)
    layout = found.layout
    if quotes.marks % 2 and layout.names and "\n" in layout.names[-1]:
        raise _unterminated("It opens in the line with the column names.")
    names, renamed = settle_names(layout.names)
    _refuse_values_as_names(layout.names)
    below = read_below(b"\n" + quotes.tail, encoding, found.delimiter, len(names))
    ragged = _Ragged(below.ragged)
    stream = pa.transcoding_input_stream(_stream(source, compression), encoding, "utf-8")
    try:
        reader = pacsv.open_csv(
            stream,
            read_options=pacsv.ReadOptions(
                use_threads=False,
                block_size=MAX_ROW_BYTES,
                column_names=names,
                skip_rows=found.lines,
            ),
            parse_options=pacsv.ParseOptions(
                delimiter=found.delimiter,
                newlines_in_values=True,
                invalid_row_handler=ragged.refuse,
            ),
            convert_options=pacsv.ConvertOptions(
                column_types={name: pa.string() for name in names},
                strings_can_be_null=False,
                null_values=[],
            ),
        )
    except pa.ArrowInvalid as error:
        raise _refusal(error, ragged, quotes) from None
    guessed = [] if stated.encoding else _encoding_notes(encoding)
    repeats = quotes.repeats and found.is_joinable
    again = ["the column names stand among the rows again and were left out there"] * repeats
    notes = [*guessed, *layout.notes(), *again, *renamed, *below.notes()]
    schema = pa.schema(
        [
            Declared(label=label or None, unnamed=not name).on(pa.field(own, pa.string()))
            if label or not name
            else pa.field(own, pa.string())
            for own, name, label in zip(names, layout.names, layout.labels, strict=True)
        ]
    )
    rows = _checked(reader, ragged, quotes)
    if repeats:
        rows = _without_names(rows, layout.names)
    batches = without_last(rows, below.rows)
    declared = (pa.RecordBatch.from_arrays(batch.columns, schema=schema) for batch in batches)
    header_rows = range(layout.header + 1, layout.header + layout.rows + 1)
    return Batches(schema, declared, found.delimiter, notes, encoding, header_rows)


def _encoding_notes(encoding: str) -> list[str]:
    page = NAMES.get(encoding) or EAST_ASIAN_NAMES.get(encoding)
    return [f"the text was read as {page}, which its words suggest"] if page else []


def _stream(source: io.RawIOBase, compression: str | None) -> pa.NativeFile:
    # A separate descriptor, because Arrow closes the file that it reads.
    file = pa.PythonFile(_reopened(source), mode="r")
    return pa.CompressedInputStream(file, compression) if compression else file


def _reopened(source: io.RawIOBase) -> io.RawIOBase:
    if isinstance(source, EncryptedFile):
        return source.reopen()
    source.seek(0)
    return os.fdopen(os.dup(source.fileno()), "rb", buffering=0)


def _blocks(
    source: io.RawIOBase, compression: str | None, most: int | None = None
) -> Iterator[bytes]:
    """Yield the decompressed file, or its first bytes, in blocks of 1 MiB."""
    stream = _stream(source, compression)
    seen = 0
    while block := stream.read(min(MIB, most - seen) if most else MIB):
        seen += len(block)
        if seen > MAX_DECODED_BYTES:
            raise invalid_upload(
                f"The file unpacks to more than {MAX_DECODED_BYTES // GIB} GiB of text."
            )
        yield block
        if seen == most:
            return


def _refuse_values_as_names(header: list[str]) -> None:
    """Refuse a first line of numbers only: it is a row, unless the numbers are years."""
    try:
        numbers = [float(name.replace(",", ".")) for name in header]
    except ValueError:
        return
    if not all(n.is_integer() and 1500 <= n <= 2500 for n in numbers):
        raise invalid_upload(
            "The first line of the file holds values, not column names.", "Add a line with names."
        )


class _Ragged:
    """Remembers the first row whose number of cells differs from the header's.

    Totals and notes below the table are skipped.
    """

    def __init__(self, below: Sequence[str]) -> None:
        self.detail = ""
        self._below = [re.sub(r'[\s"]', "", text) for text in below]

    def refuse(self, row: pacsv.InvalidRow) -> str:
        text = re.sub(r'[\s"]', "", row.text)
        if text in self._below:
            self._below.remove(text)
            return "skip"
        line = "" if row.number is None else f"Row {row.number} (the header is row 1) has "
        self.detail = (
            self.detail
            or f"{line}{row.actual_columns} cells where the header has {row.expected_columns}."
        )
        return "error"


def _checked(
    reader: pacsv.CSVStreamingReader, ragged: _Ragged, quotes: _Quotes
) -> Iterator[pa.RecordBatch]:
    last: pa.RecordBatch | None = None
    while True:
        try:
            batch = reader.read_next_batch()
        except StopIteration:
            break
        except pa.ArrowInvalid as error:
            raise _refusal(error, ragged, quotes) from None
        _refuse_long_cells(batch, quotes)
        yield batch
        last = batch if batch.num_rows else last
    if last is None:
        raise too_small("The table has column names but no rows.")
    if quotes.marks % 2:
        swallowed = last.column(last.num_columns - 1)[-1].as_py().count("\n")
        if swallowed:
            raise _unterminated(f"It opens near line {max(quotes.lines - swallowed, 1)}.")


def _without_names(
    batches: Iterator[pa.RecordBatch], names: Sequence[str]
) -> Iterator[pa.RecordBatch]:
    """Yield the batches without the rows whose cells are the names of all columns."""
    for batch in batches:
        same = [
            pc.equal(pc.utf8_trim(column, characters=" \t\ufeff"), name)
            for column, name in zip(batch.columns, names, strict=True)
        ]
        yield batch.filter(pc.invert(reduce(pc.and_, same)))


def _refuse_long_cells(batch: pa.RecordBatch, quotes: _Quotes) -> None:
    for field, column in zip(batch.schema, batch.columns, strict=True):
        longest = pc.max(pc.binary_length(column)).as_py() or 0
        if longest > MAX_CELL_BYTES and quotes.marks % 2:
            raise _unterminated(f"It runs over a cell of column {field.name!r}.")
        if longest > MAX_CELL_BYTES:
            raise long_cells(field.name)


def _refusal(error: pa.ArrowInvalid, ragged: _Ragged, quotes: _Quotes) -> Exception:
    """Return the error for the customer; that of pyarrow quotes the row, so it stays here."""
    text = str(error)
    if "straddl" in text:
        limit = f"A row may hold {MAX_ROW_BYTES // MIB} MiB at most"
        if quotes.marks % 2:
            return _unterminated(f"{limit}.")
        return invalid_upload(f"{limit}; the file has a longer one.")
    if ragged.detail and quotes.marks % 2:
        return _unterminated(ragged.detail)
    if ragged.detail:
        return invalid_upload(
            "Not every row has as many cells as there are column names.", ragged.detail
        )
    if "Empty CSV" in text:
        return too_small("The table has column names but no rows.")
    return invalid_upload("The file cannot be read as a CSV.")


def _unterminated(detail: str) -> Exception:
    return invalid_upload("A quotation mark in the file is never closed.", detail)
