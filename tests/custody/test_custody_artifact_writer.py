"""The artifact writer: all or nothing, and a file object for pyarrow."""

import io
import os
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

from simulacra_custody.errors import KeyUnavailable
from simulacra_custody.refs import ArtifactRef, ResourceRef
from simulacra_custody.service import Custody


@pytest.fixture
def ref(dataset: ResourceRef) -> ArtifactRef:
    return dataset.artifact("parts/00000.parquet")


def test_commit_stores_the_artifact(custody: Custody, ref: ArtifactRef, wrapped: str) -> None:
    data = os.urandom(700_000)
    with custody.open_writer(ref, wrapped) as writer:
        assert writer.write(data[:300_000]) == 300_000
        assert writer.write(b"") == 0
        assert writer.write(data[300_000:]) == 400_000
        assert writer.tell() == 700_000
        assert not custody.exists(ref)
        receipt = writer.commit()
        assert custody.exists(ref)
    assert (receipt.name, receipt.bytes) == ("parts/00000.parquet", 700_000)
    assert b"".join(custody.read(ref, wrapped)) == data


def test_leaving_without_commit_stores_nothing(
    custody: Custody, ref: ArtifactRef, wrapped: str
) -> None:
    with custody.open_writer(ref, wrapped) as writer:
        writer.write(b"x" * 600_000)
    with pytest.raises(RuntimeError, match="boom"), custody.open_writer(ref, wrapped) as writer:  # noqa: PT012
        writer.write(b"x" * 600_000)
        raise RuntimeError("boom")
    assert not custody.exists(ref)
    assert custody.erase(ref.resource).objects == 0


def test_aborted_rewrite_keeps_the_artifact(
    custody: Custody, ref: ArtifactRef, wrapped: str
) -> None:
    custody.write(ref, wrapped, [b"first"])
    with custody.open_writer(ref, wrapped) as writer:
        writer.write(b"second")
    assert custody.read_bytes(ref, wrapped, limit=10) == b"first"


def test_closed_writer_rejects_writes(custody: Custody, ref: ArtifactRef, wrapped: str) -> None:
    with custody.open_writer(ref, wrapped) as writer:
        writer.commit()
        with pytest.raises(ValueError, match="committed"):
            writer.write(b"x" * 600_000)
        with pytest.raises(ValueError, match="committed"):
            writer.commit()
    with custody.open_writer(ref, wrapped) as writer:
        pass
    with pytest.raises(ValueError, match="abandoned"):
        writer.write(b"x")


def test_reused_buffer_is_copied(custody: Custody, ref: ArtifactRef, wrapped: str) -> None:
    buffer = bytearray(b"first")
    with custody.open_writer(ref, wrapped) as writer:
        writer.write(buffer)
        buffer[:] = b"other"
        writer.commit()
    assert custody.read_bytes(ref, wrapped, limit=10) == b"first"


def test_refused_key_begins_no_put(custody: Custody, ref: ArtifactRef) -> None:
    with pytest.raises(KeyUnavailable), custody.open_writer(ref, "local.v1.0.0"):
        pytest.fail("the writer opened")
    assert list(custody.store.list_incomplete("")) == []


def test_pyarrow_writes_parquet_csv_and_ipc(
    custody: Custody, ref: ArtifactRef, wrapped: str
) -> None:
    table = pa.table({"number": list(range(200_000)), "level": ["a", "b"] * 100_000})
    for make in (pa.parquet.ParquetWriter, pa.ipc.new_file, pa.csv.CSVWriter):
        with custody.open_writer(ref, wrapped) as writer:
            with make(writer, table.schema) as out:
                out.write_table(table)
            writer.commit()
        stored = io.BytesIO(custody.read_bytes(ref, wrapped, limit=10_000_000))
        if make is pa.parquet.ParquetWriter:
            assert pa.parquet.read_table(stored).equals(table)
        elif make is pa.ipc.new_file:
            assert pa.ipc.open_file(stored).read_all().equals(table)
        else:
            assert pa.csv.read_csv(stored).equals(table)


def test_concurrent_writers_leave_one_whole_artifact(
    custody: Custody, ref: ArtifactRef, wrapped: str
) -> None:
    versions = [bytes([number]) * 400_000 for number in range(6)]

    def work(version: bytes) -> bytes:
        custody.write(ref, wrapped, [version[:150_000], version[150_000:]])
        return custody.read_bytes(ref, wrapped, limit=400_000)

    with ThreadPoolExecutor(6) as pool:
        for seen in pool.map(work, versions * 3):
            assert seen in versions, "one whole version"
    assert list(custody.store.list_incomplete("")) == []
