"""Encrypted temporary files: what is read, what is on disk, and who can read it."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import numpy as np
import openpyxl
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pyreadstat
import pytest

from simulacra_intake.limits import SandboxLimits
from simulacra_intake.parquet_file import read_parquet
from simulacra_intake.raw_table import RawTable, RawTableWriter
from simulacra_intake.read import open_table
from simulacra_intake.scratch import (
    SALT_BYTES,
    EncryptedFile,
    EncryptedPath,
    buffered_writer,
    file_key,
    temporary_file,
)

MARK = b"a customer's cell, "


@pytest.fixture
def folder(tmp_path: Path) -> EncryptedPath:
    return EncryptedPath(tmp_path)


@pytest.mark.parametrize("size", [0, 1, 15, 16, 17, 4096, (1 << 20) + 1, 3_000_001])
def test_any_range_reads_as_it_was_written(folder: EncryptedPath, size: int) -> None:
    content = np.random.default_rng(size).bytes(size)
    with (folder / "file").open("wb") as file:
        for start in range(0, size, 700_001):
            file.write(content[start : start + 700_001])
    assert (folder / "file").read_bytes() == content
    rng = np.random.default_rng(1)
    with (folder / "file").open("rb") as file:
        for start in rng.integers(0, size + 20, 200).tolist():
            length = int(rng.integers(0, 100_000))
            assert file.seek(start) == start
            assert file.read(length) == content[start : start + length]
        assert file.seek(0, io.SEEK_END) == size


def test_the_disk_holds_ciphertext_only(folder: EncryptedPath, tmp_path: Path) -> None:
    (folder / "one").write_bytes(MARK * 100_000)
    (folder / "two").write_text((MARK * 100_000).decode())
    stored = [(tmp_path / name).read_bytes() for name in ("one", "two")]
    assert all(len(one) == SALT_BYTES + 100_000 * len(MARK) for one in stored)
    assert not any(MARK in one for one in stored)
    assert stored[0][SALT_BYTES:] != stored[1][SALT_BYTES:], "no keystream is used twice"


def test_no_file_below_the_directory_holds_the_key(folder: EncryptedPath, tmp_path: Path) -> None:
    (folder / "file").write_bytes(MARK)
    salt = (tmp_path / "file").read_bytes()[:SALT_BYTES]
    key = file_key(salt)
    assert not any(key in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


def test_another_process_cannot_read_the_file(folder: EncryptedPath) -> None:
    (folder / "file").write_bytes(MARK)
    program = (
        "import sys; from simulacra_intake.scratch import EncryptedPath;"
        "sys.stdout.buffer.write(EncryptedPath(sys.argv[1]).read_bytes())"
    )
    command = [sys.executable, "-c", program, str(folder / "file")]
    read = subprocess.run(command, capture_output=True, check=True).stdout
    assert len(read) == len(MARK)
    assert read != MARK


def test_a_fork_has_another_key() -> None:
    reader, writer = os.pipe()
    if (pid := os.fork()) == 0:
        os.write(writer, file_key(b"salt"))
        os._exit(0)
    os.waitpid(pid, 0)
    own = file_key(b"salt")
    assert os.read(reader, 64) not in (b"", own)
    assert file_key(b"salt") == own
    os.close(reader)
    os.close(writer)


def test_a_written_range_cannot_be_written_again(folder: EncryptedPath) -> None:
    with temporary_file() as file, pytest.raises(io.UnsupportedOperation):
        file.seek(0)
    with pytest.raises(ValueError, match="rb or wb"):
        (folder / "file").open("r+b")


def test_paths_below_the_directory_are_encrypted_too(folder: EncryptedPath) -> None:
    below = folder / "checkpoints" / "best.part"
    below.parent.mkdir()
    below.write_bytes(MARK)
    moved = below.replace(below.with_suffix(".ckpt"))
    found = next(iter(folder.rglob("*.ckpt")))
    for path in (below, moved, found, found.parent):
        assert isinstance(path, EncryptedPath)
    assert found.read_bytes() == MARK


def test_parquet_is_written_and_read_through_it(folder: EncryptedPath) -> None:
    table = pa.table({"a": range(500_000), "b": [f"level {i % 7}" for i in range(500_000)]})
    with (folder / "t").open("wb") as file:
        pq.write_table(table, file)
    with (folder / "t").open("rb") as file:
        assert pq.read_table(file, columns=["b"]).column("b").equals(table.column("b"))


def test_descriptors_are_closed(folder: EncryptedPath) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        (folder / "file").write_bytes(MARK)
        (folder / "file").read_bytes()
        with temporary_file() as file:
            file.write(MARK)
    assert len(os.listdir("/proc/self/fd")) == before


def through_a_file(*batches: pa.RecordBatch) -> RawTable:
    with temporary_file() as file:
        with buffered_writer(EncryptedFile(os.dup(file.fileno()), file.key, writable=True)) as sink:
            writer = RawTableWriter(sink, batches[0].schema)
            for batch in batches:
                writer.write(batch)
            writer.finish(sum(batch.num_rows for batch in batches))
        return RawTable(file.reopen())


def test_a_raw_table_returns_each_column_with_its_dictionaries() -> None:
    """Dictionaries of a Parquet file differ from row group to row group."""
    kind = pa.dictionary(pa.int32(), pa.string(), False)
    schema = pa.schema({"id": pa.int64(), "level": kind}, metadata={"k": "v"})
    batches = [
        pa.record_batch([range(n), pa.array(levels * (n // 2)).cast(kind)], schema=schema)
        for n, levels in ((4, ["x", "y"]), (6, ["z", "x"]), (0, []))
    ]
    raw = through_a_file(*batches)
    assert (raw.num_rows, raw.column_names, raw.num_columns) == (10, ["id", "level"], 2)
    assert raw.schema.equals(schema, check_metadata=True)
    assert raw.read_all().to_pydict() == pa.Table.from_batches(batches).to_pydict()
    assert raw.column(1).to_pylist() == ["x", "y"] * 2 + ["z", "x"] * 3


def test_a_column_that_lacks_rows_is_refused() -> None:
    """The process that wrote it may have been taken over by the upload."""
    with temporary_file() as file:
        with buffered_writer(EncryptedFile(os.dup(file.fileno()), file.key, writable=True)) as sink:
            batch = pa.record_batch({"a": [1, 2]})
            writer = RawTableWriter(sink, batch.schema)
            writer.write(batch)
            writer.finish(3)
        raw = RawTable(file.reopen())
    with pytest.raises(pa.ArrowInvalid, match="number of rows"):
        raw.column(0)


@pytest.mark.parametrize("encrypted", [False, True])
@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t.parquet", "t.arrow", "t.xlsx", "t.sav"])
def test_an_upload_is_read_from_an_encrypted_file_as_from_a_plain_one(
    tmp_path: Path, name: str, encrypted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    is_binary = name.endswith(("parquet", "arrow"))
    rows = 200_000 if is_binary else 5000  # pages above any buffer
    numbers = np.random.default_rng(1).integers(0, 2**50, rows)
    table = pa.table({"a": [f"level {i % 3}" for i in range(rows)], "b": numbers})
    plain = tmp_path / name
    if name.endswith("parquet"):
        pq.write_table(table, plain, compression="none", data_page_size=1 << 24)
    elif name.endswith("arrow"):
        with pa.ipc.new_file(plain, table.schema) as writer:
            writer.write_table(table)
    elif name.endswith("xlsx"):
        book = openpyxl.Workbook()
        for row in [table.column_names, *zip(*table.to_pydict().values(), strict=True)]:
            book.active.append(row)
        book.save(plain)
    elif name.endswith("sav"):
        pyreadstat.write_sav(table.to_pandas(), plain)
    else:
        with pa.output_stream(plain) as stream:
            pa.csv.write_csv(table, stream)
    path = plain
    if encrypted:
        path = EncryptedPath(tmp_path / "upload")
        path.write_bytes(plain.read_bytes())
    raw = open_table(path, limits=SandboxLimits())
    assert raw.num_rows == table.num_rows
    read = raw.read_all()
    assert read.column(0).cast(pa.string()).combine_chunks() == table.column(0).combine_chunks()
    assert read.column(1).cast(pa.int64()).combine_chunks() == table.column(1).combine_chunks()


def test_only_the_caller_reads_a_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread of Arrow that gives a Python object back aborts a process that is about to end."""
    path = EncryptedPath(tmp_path) / "table.parquet"
    table = pa.table({f"c{i}": list(range(5_000)) for i in range(8)})
    with path.open("wb") as file:
        pq.write_table(table, file, row_group_size=500)
    readers = set()
    readinto = EncryptedFile.readinto

    def noted(self: EncryptedFile, buffer: object) -> int:
        readers.add(threading.get_ident())
        return readinto(self, buffer)

    monkeypatch.setattr(EncryptedFile, "readinto", noted)
    assert read_parquet(path, ["c3", "c1"]).equals(table.select(["c3", "c1"]))
    assert readers == {threading.get_ident()}
    with path.open("rb") as file:
        assert pq.read_table(file).equals(table)
    assert len(readers) > 1
