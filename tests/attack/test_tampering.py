"""Stored objects tampered with at every frame boundary: no download gives out a wrong byte.

The attacker writes the object store as they like, keeps old versions of objects, and holds no key.
The downloads are the product's, over HTTP on loopback.
"""

from __future__ import annotations

import hashlib
import http.client
import io
import threading
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import uvicorn
from fastapi import FastAPI, Request, Response

from simulacra_api.__main__ import listen
from simulacra_api.generations.downloads import Download
from simulacra_api.http import problems
from simulacra_api.http.middleware import LOOPBACK, RequestMiddleware
from simulacra_api.metrics import Metrics
from simulacra_crds.kinds.base import Artifact
from simulacra_custody.artifact_writer import StoredArtifact
from simulacra_custody.decryption import Message
from simulacra_custody.envelope import FRAME_BYTES
from simulacra_custody.keys.keyring import LocalKeyring
from simulacra_custody.refs import ArtifactRef, ResourceRef
from simulacra_custody.service import HELD_BYTES, Custody
from simulacra_custody.stores.local import LocalStore

GENERATION = ResourceRef("acme", "generationjobs", "5f0c")
PART = GENERATION.artifact("parts/00000.parquet")
OVERHEAD = 32
Tampering = tuple[str, bytes]


def table_bytes(seed: int, frames: int) -> bytes:
    """Return a Parquet file of a little more than this number of frames."""
    values = [hashlib.sha512(f"{seed} {row}".encode()).hexdigest() for row in range(frames * 2000)]
    sink = io.BytesIO()
    options = {"compression": "none", "use_dictionary": False, "write_statistics": False}
    pq.write_table(pa.table({"x": values}), sink, **options)
    return sink.getvalue()


class ChangingStore(LocalStore):
    """A store that an attacker changes at a moment: before the nth opening of an object."""

    def __init__(self, root: Any) -> None:
        super().__init__(root)
        self.openings = 0
        self.change_at: int | None = None
        self.change: Callable[[], object] = lambda: None

    def open_range(self, key: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        self.openings += 1
        if self.openings == self.change_at:
            self.change()
        return super().open_range(key, start, end)


class Victim:
    """A served generation of one part, and the attacker's hold on its store."""

    def __init__(self, folder: Any) -> None:
        keyring = LocalKeyring(folder / "keyring.json")
        keyring.create_tenant_key("acme")
        self.store = ChangingStore(folder / "store")
        self.custody = Custody(self.store, keyring)
        self.wrapped = self.custody.new_resource_key(GENERATION)
        self.content = b""
        self.stated: list[Artifact] = []
        self.url = ""

    def write(self, content: bytes, ref: ArtifactRef = PART, wrapped: str = "") -> bytes:
        """Store the content as the product does; return the object."""
        stored = self.custody.write(ref, wrapped or self.wrapped, [content])
        if ref == PART:
            self.content = content
            self.stated = [
                Artifact(
                    name=ref.name,
                    bytes=stored.bytes,
                    sha256=stored.sha256,
                    message_id=stored.message_id,
                )
            ]
        return self.object(ref)

    def object(self, ref: ArtifactRef = PART) -> bytes:
        return b"".join(self.store.open_range(ref.key))

    def put(self, content: bytes) -> None:
        self.store.put(PART.key, [content])

    def download(self, file_format: Any) -> Download:
        status = SimpleNamespace(artefacts=self.stated, wrapped_key=self.wrapped, rows=1)
        metadata = SimpleNamespace(uid=GENERATION.uid, name="gen-1")
        repository = SimpleNamespace(
            ref=lambda _: GENERATION, services=SimpleNamespace(custody=self.custody)
        )
        generation = SimpleNamespace(status=status, metadata=metadata)
        return Download(repository, generation, file_format)  # type: ignore[arg-type]

    def get(
        self, file_format: str = "parquet", span: tuple[int, int] | None = None
    ) -> tuple[int, bytes]:
        """Return status and body. Raises `http.client.IncompleteRead` for a broken answer."""
        connection = http.client.HTTPConnection(self.url, timeout=60)
        headers = {} if span is None else {"Range": f"bytes={span[0]}-{span[1] - 1}"}
        try:
            connection.request("GET", f"/{file_format}", headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()


@pytest.fixture(scope="module")
def victim(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Victim]:
    victim = Victim(tmp_path_factory.mktemp("victim"))
    app = FastAPI()
    problems.install(app, "http://test")
    app.add_middleware(RequestMiddleware, base_url="http://test", metrics=Metrics(), hosts=LOOPBACK)

    @app.get("/{file_format}")
    async def artifact(file_format: str, request: Request) -> Response:
        return await victim.download(file_format).send(request.headers.get("range"), None)

    listener = listen("127.0.0.1", 0)
    listener.listen()  # requests wait for the server, which begins in another thread
    victim.url = f"127.0.0.1:{listener.getsockname()[1]}"
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    yield victim
    server.should_exit = True
    thread.join()


@pytest.fixture
def message(victim: Victim) -> bytes:
    """Three full frames and a last one, stored untouched."""
    victim.store.change_at = None
    return victim.write(table_bytes(1, 3))


def frames_of(victim: Victim, message: bytes) -> list[bytes]:
    """Return the header and the frames of the message."""
    full, last = divmod(len(victim.content), FRAME_BYTES)
    sizes = [FRAME_BYTES + OVERHEAD] * full + [last + OVERHEAD + 8]
    pieces, end = [], len(message)
    for size in reversed(sizes):
        pieces.append(message[end - size : end])
        end -= size
    return [message[:end], *reversed(pieces)]


def flip(content: bytes, position: int) -> bytes:
    return content[:position] + bytes([content[position] ^ 1]) + content[position + 1 :]


def flips(victim: Victim, message: bytes) -> Iterator[Tampering]:
    """A bit in each field of each frame: number, nonce, first and last byte, middle, tag."""
    at = 0
    for number, piece in enumerate(frames_of(victim, message)):
        fields = range(0, len(piece), 9) if number == 0 else (0, 3, 4, 15, 16, 20, 24, -17, -16, -1)
        for field in (*fields, len(piece) // 2):
            yield f"flip {number} {field}", flip(message, at + field % len(piece))
        at += len(piece)


def rearranged(victim: Victim, message: bytes) -> Iterator[Tampering]:
    """The message cut at and around each boundary; frames swapped, dropped, repeated, appended."""
    header, *frames = frames_of(victim, message)
    ends = [len(header) + sum(map(len, frames[:number])) for number in range(len(frames))]
    for end in (0, 1, *ends):
        for near in (-1, 0, 1, 16, FRAME_BYTES // 2):
            if 0 <= end + near < len(message):
                yield f"cut at {end}{near:+}", message[: end + near]
    for end in (*ends, len(message)):
        yield f"a byte put in at {end}", message[:end] + b"\0" + message[end:]
    for one in range(len(frames)):
        yield f"drop {one}", header + b"".join(frames[:one] + frames[one + 1 :])
        yield f"repeat {one}", header + b"".join(frames[: one + 1] + frames[one:])
        yield f"append {one}", message + frames[one]
        for two in range(one):
            swapped = list(frames)
            swapped[one], swapped[two] = frames[two], frames[one]
            yield f"swap {two} {one}", header + b"".join(swapped)
    yield "twice", message + message
    yield "zeros", bytes(len(message))


def replaced(victim: Victim, message: bytes) -> Iterator[Tampering]:
    """Another artifact's object, and frames of it and of an older version at each boundary."""
    wanted, stated = victim.content, victim.stated
    older = victim.write(table_bytes(2, 3))
    victim.content, victim.stated = wanted, stated
    sibling = victim.write(wanted, GENERATION.artifact("parts/00001.parquet"))
    other = ResourceRef("acme", "generationjobs", "77aa")
    key = victim.custody.new_resource_key(other)
    stranger = victim.write(wanted, other.artifact(PART.name), key)
    header, *frames = frames_of(victim, message)
    for name, foreign in (("older", older), ("sibling", sibling), ("stranger", stranger)):
        assert len(wanted) == len(table_bytes(2, 3))
        yield name, foreign
        pieces = frames_of(victim, foreign)
        yield f"header of the {name}", pieces[0] + b"".join(frames)
        for number in range(len(frames)):
            mixed = [*frames[:number], *pieces[1 + number :]]
            yield f"{name} from frame {number}", header + b"".join(mixed)
            mixed = [*frames[:number], pieces[1 + number], *frames[number + 1 :]]
            yield f"{name} in frame {number}", header + b"".join(mixed)


def spans(size: int) -> list[tuple[int, int]]:
    """Return ranges at, around, before, across and inside each frame boundary."""
    found = [(0, size), (0, 1), (size - 1, size), (1, size - 1)]
    for edge in range(FRAME_BYTES, size, FRAME_BYTES):
        found += [(edge - 1, edge), (edge, edge + 1), (edge - 1, edge + 1), (0, edge), (edge, size)]
        found += [(edge - FRAME_BYTES, edge), (edge - 1000, edge + 1000)]
    return found


def test_untouched_object_is_downloaded_whole_and_in_ranges(victim: Victim, message: bytes) -> None:
    assert len(frames_of(victim, message)) == 5
    assert victim.get() == (200, victim.content)
    for start, end in spans(len(victim.content)):
        assert victim.get(span=(start, end)) == (206, victim.content[start:end])
    rows = victim.get("csv")
    assert (rows[0], rows[1].count(b"\n")) == (200, 6001)


@pytest.mark.parametrize("moves", [flips, rearranged, replaced])
def test_no_tampered_object_is_answered_with_200(
    victim: Victim, message: bytes, moves: Callable[[Victim, bytes], Iterator[Tampering]]
) -> None:
    count = 0
    for name, tampered in list(moves(victim, message)):
        assert tampered != message, name
        victim.put(tampered)
        for file_format in ("parquet", "csv"):
            status, body = victim.get(file_format)
            assert (status, b"simio_artifact_corrupt" in body) == (500, True), (name, file_format)
        count += 1
    assert count >= 27


@pytest.mark.parametrize("moves", [flips, rearranged, replaced])
def test_a_range_holds_authenticated_bytes_or_none(
    victim: Victim, message: bytes, moves: Callable[[Victim, bytes], Iterator[Tampering]]
) -> None:
    """A range whose own frames are untouched may be answered, with the right bytes."""
    size, refused = len(victim.content), 0
    for name, tampered in list(moves(victim, message))[::2]:
        victim.put(tampered)
        for start, end in spans(size)[::2]:
            status, body = victim.get(span=(start, end))
            assert status in (206, 500), (name, start, end)
            if status == 206:
                assert body == victim.content[start:end], (name, start, end)
            refused += status == 500
        # The whole artifact asked for as a range is the whole artifact.
        assert victim.get(span=(0, size))[0] == 500, name
    assert refused > 100


def test_a_range_over_a_changed_frame_is_refused(victim: Victim, message: bytes) -> None:
    header, *frames = frames_of(victim, message)
    for number in range(len(frames)):
        changed = [*frames[:number], flip(frames[number], 100), *frames[number + 1 :]]
        victim.put(header + b"".join(changed))
        at = number * FRAME_BYTES
        for start, end in spans(len(victim.content)):
            touched = start < at + FRAME_BYTES and end > at
            assert victim.get(span=(start, end))[0] == (
                500 if touched or end - start == len(victim.content) else 206
            )


def test_the_same_rows_written_again_are_the_same_artifact(victim: Victim, message: bytes) -> None:
    """A retried pod may write them under another message id; their digest is still right."""
    stated = victim.stated
    again = victim.write(victim.content)
    assert again != message
    for known in (stated, [stated[0].model_copy(update={"message_id": None})]):
        victim.stated = known
        assert victim.get() == (200, victim.content)
        assert victim.get(span=(5, 300_000)) == (206, victim.content[5:300_000])


@pytest.mark.parametrize("file_format", ["parquet", "csv"])
@pytest.mark.parametrize("how", ["flip", "cut", "older", "removed"])
def test_object_changed_after_the_check_breaks_the_answer(
    victim: Victim, message: bytes, file_format: str, how: str
) -> None:
    """The stream ends early and unmistakably, after nothing but right bytes."""
    frames = HELD_BYTES // FRAME_BYTES + 3
    older = victim.write(table_bytes(2, frames))
    current = victim.write(table_bytes(1, frames))
    expected = victim.content if file_format == "parquet" else victim.get("csv")[1]
    at = len(current) // 2
    victim.store.change = {
        "flip": lambda: victim.put(flip(current, at)),
        "cut": lambda: victim.put(current[:at]),
        "older": lambda: victim.put(older),
        "removed": lambda: victim.store.delete(PART.key),
    }[how]
    # The check opens the object once, and the answer once.
    victim.store.openings, victim.store.change_at = 0, 2
    connection = http.client.HTTPConnection(victim.url, timeout=60)
    connection.request("GET", f"/{file_format}")
    answer = connection.getresponse()
    if file_format == "csv":
        # A rendered part is read as a whole before its first row.
        assert answer.status == 500
        connection.close()
        return
    assert answer.status == 200
    with pytest.raises(http.client.IncompleteRead) as broken:
        answer.read()
    connection.close()
    assert expected.startswith(broken.value.partial)
    assert len(broken.value.partial) % FRAME_BYTES == 0
    assert len(broken.value.partial) <= at


def test_a_broken_rendered_stream_has_no_end(victim: Victim, message: bytes) -> None:
    """Of two parts the second is changed after the check: the chunked body is not finished."""
    second = GENERATION.artifact("parts/00001.parquet")
    content = table_bytes(3, HELD_BYTES // FRAME_BYTES + 1)
    stored = victim.custody.write(second, victim.wrapped, [content])
    victim.write(table_bytes(1, HELD_BYTES // FRAME_BYTES + 1))
    victim.stated.append(
        Artifact(
            name=second.name,
            bytes=stored.bytes,
            sha256=stored.sha256,
            message_id=stored.message_id,
        )
    )
    whole = victim.get("csv")[1]
    changed = flip(victim.object(second), 2_000_000)
    victim.store.change = lambda: victim.store.put(second.key, [changed])
    victim.store.openings, victim.store.change_at = 0, 3
    connection = http.client.HTTPConnection(victim.url, timeout=60)
    connection.request("GET", "/csv")
    answer = connection.getresponse()
    assert (answer.status, answer.getheader("transfer-encoding")) == (200, "chunked")
    with pytest.raises(http.client.IncompleteRead) as broken:
        answer.read()
    connection.close()
    assert broken.value.partial
    assert whole.startswith(broken.value.partial)
    assert len(broken.value.partial) < len(whole)


def test_a_range_reads_its_own_frames_only(victim: Victim, message: bytes) -> None:
    asked: list[tuple[int, int]] = []
    read = victim.store.open_range

    def counting(start: int, end: int) -> Iterator[bytes]:
        asked.append((start, end))
        return read(PART.key, start, end)

    from simulacra_custody.envelope import data_keyring
    from simulacra_custody.verified import open_message

    context = GENERATION.encryption_context
    keyring = data_keyring(victim.custody.keys.unwrap("acme", victim.wrapped, context))
    opened: Message = open_message(victim.store, PART, keyring)[0]
    start = 2 * FRAME_BYTES + 7
    assert b"".join(opened.part(counting, start, start + 9)) == victim.content[start : start + 9]
    ((first, end),) = asked
    header = len(frames_of(victim, message)[0])
    assert first == header + 2 * (FRAME_BYTES + OVERHEAD)
    assert end - first <= FRAME_BYTES + OVERHEAD + 8


def test_a_read_of_another_size_is_refused(victim: Victim, message: bytes) -> None:
    stated = victim.stated[0]
    for size in (stated.bytes - 1, stated.bytes + 1, 0):
        wrong = StoredArtifact(PART.name, size, 0, stated.sha256, stated.message_id)
        with pytest.raises(Exception, match="another version"):
            victim.custody.read_verified(PART, victim.wrapped, wrong)
