"""The body of an upload request: raw bytes or a form, in batches, with digests and idle timeout.

Digests (RFC 9530): on the request, `Content-Digest` and `Repr-Digest` cover the whole body; on the
form's part `file`, the file. There is no content coding, so the two mean the same. Algorithms other
than SHA-256 and SHA-512 are ignored, as the RFC allows.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import re
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect, Request

from simulacra_api.http.problems import Problem, invalid_field
from simulacra_crds.contract.description import MAX_DESCRIPTION_BYTES

FILE_FIELD = "file"
MAX_FIELD_BYTES = 64 << 10
LARGE_FIELDS = {"description": MAX_DESCRIPTION_BYTES}
"""Fields that may have more bytes, and how many."""
MAX_FIELDS = 16
BATCH_BYTES = 1 << 20
IDLE_SECONDS = 60.0
"""How long a client may take for the next LEAST_BYTES; a slower upload ends.

Else it holds its connection and, with a byte now and then, its lease for ever.
"""
LEAST_BYTES = 16 << 10
_DIGEST_FIELDS = ("content-digest", "repr-digest")
_DIGEST = re.compile(r"([a-z*][a-z0-9_.*-]*)=:([A-Za-z0-9+/]*={0,2}):")
_ALGORITHMS = {"sha-256": "sha256", "sha-512": "sha512"}


class Stalled(Problem):
    """Too little arrived for too long."""

    def __init__(self) -> None:
        detail = (
            f"Less than {LEAST_BYTES >> 10} KiB arrived in {IDLE_SECONDS:.0f} seconds. Send it "
            "again with the same key."
        )
        super().__init__("simio_upload_timeout", detail)


class DigestCheck:
    """Compares arriving bytes with the digests that were announced for them."""

    def __init__(self, subject: str, fields: Sequence[str] = ()) -> None:
        """Expect the digests in these digest fields; Problem 400 when one is malformed.

        Args:
            subject: what the digests are of, for error texts.
            fields: values of the digest fields.
        """
        self._subject = subject
        self._expected: list[tuple[str, bytes]] = []
        self._running: dict[str, hashlib._Hash] = {}
        for value in fields:
            self.expect(value)

    def __bool__(self) -> bool:
        """Return whether any digest was announced."""
        return bool(self._expected)

    def expect(self, value: str) -> None:
        """Expect the digests in a digest field; Problem 400 when it is malformed."""
        for member in value.split(","):
            found = _DIGEST.fullmatch(member.strip())
            if found is None:
                form = "must look like sha-256=:BASE64: (RFC 9530)"
                raise invalid_field("", f"The digest of the {self._subject} {form}.")
            name = _ALGORITHMS.get(found[1])
            if name is not None:
                self._expected.append((name, _decoded(found[2])))
                self._running.setdefault(name, hashlib.new(name))

    def update(self, data: bytes) -> None:
        """Hash the next bytes."""
        for running in self._running.values():
            running.update(data)

    def verify(self) -> None:
        """Refuse (400) bytes that do not match their digests."""
        for name, digest in self._expected:
            if not hmac.compare_digest(self._running[name].digest(), digest):
                detail = f"The {self._subject} does not match its digest. Send it again."
                raise Problem("simio_digest_mismatch", detail)


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:  # an empty digest matches nothing
        return b""


def _digest_fields(request: Request) -> list[str]:
    return [value for name in _DIGEST_FIELDS for value in request.headers.getlist(name)]


async def _paced(body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield the bytes of a body; Stalled when it is too slow. Only the waiting counts."""
    left, arrived = IDLE_SECONDS, 0
    while True:
        began = time.monotonic()
        try:
            async with asyncio.timeout(left):
                data = await anext(body, None)
        except TimeoutError:
            raise Stalled from None
        if data is None:
            return
        left, arrived = left - (time.monotonic() - began), arrived + len(data)
        if arrived >= LEAST_BYTES:
            left, arrived = IDLE_SECONDS, 0
        yield data


async def read_piece(request: Request) -> AsyncIterator[bytes]:
    """Yield a body in batches of about 1 MiB; when it breaks off, first all that has arrived.

    Raises:
        ClientDisconnect, Stalled: the body breaks off.
        Problem: 400 when it does not match its digests.
    """
    body = _paced(request.stream())
    check = DigestCheck("piece", _digest_fields(request))
    data = bytearray()
    broken: Exception | None = None
    while True:
        try:
            arrived = await anext(body, None)
        except (ClientDisconnect, Stalled) as error:
            broken = error
            break
        if arrived is None:
            break
        data += arrived
        if len(data) >= BATCH_BYTES:
            batch = bytes(data)
            data.clear()
            await asyncio.to_thread(check.update, batch)
            yield batch
    if data:
        check.update(bytes(data))
        yield bytes(data)
    if broken is not None:
        raise broken
    check.verify()


@dataclass
class _Part:
    """A part of a form; `content_type` is the declared one."""

    name: str = ""
    content_type: str = ""
    digests: list[str] = field(default_factory=list)
    value: bytearray = field(default_factory=bytearray)


class FormStream:
    """A multipart/form-data body, parsed while it arrives: small fields first, then one file.

    Call `read_head` for the fields and the file's first bytes, then `chunks` for the file. Fields
    after the file are refused, because the resource is created from the fields before it. Uses
    python-multipart's callback parser; its form layer would spool plaintext to temporary files.
    """

    def __init__(
        self, content_type: str, body: AsyncIterator[bytes], digests: Sequence[str] = ()
    ) -> None:
        """Prepare to read `body`; `digests` are the values of the request's digest fields."""
        kind, options = parse_options_header(content_type)
        boundary = options.get(b"boundary")
        if kind != b"multipart/form-data" or not boundary:
            detail = "Send multipart/form-data with the table as part `file`."
            raise Problem("simio_unsupported_content_type", detail)
        self.fields: dict[str, str] = {}
        self.file_type = ""
        self._body = _paced(body)
        self._body_check = DigestCheck("body", digests)
        self._file_check = DigestCheck("file")
        self._part = _Part()
        self._header_name = bytearray()
        self._header_value = bytearray()
        self._data = bytearray()
        self._file_begun = False
        self._file_ended = False
        self._ended = False
        self._parser = self._make_parser(boundary)

    @classmethod
    def of(cls, request: Request) -> FormStream:
        """Return the form in a request's body; Problem 415 when it is another content type."""
        content_type = request.headers.get("content-type", "")
        return cls(content_type, request.stream(), _digest_fields(request))

    async def read_head(self, size: int) -> bytes:
        """Return the file's first `size` bytes (fewer if it is shorter); `chunks` repeats them.

        Raises:
            Problem: 400 when there is no part named file or the body is not a form.
        """
        while len(self._data) < size and not self._file_ended:
            if not await self._feed():
                break
        if not self._file_begun:
            raise invalid_field("/file", "Missing. Send the table as a part named file.")
        return bytes(self._data[:size])

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the file in chunks of about 1 MiB.

        Raises:
            Problem: 400 when the body breaks off, has a part after the file, or does not match its
                digests.
        """
        while True:
            while len(self._data) < BATCH_BYTES and not self._ended and await self._feed():
                pass
            if not self._data:
                break
            batch = bytes(self._data)
            self._data.clear()
            if self._file_check:
                await asyncio.to_thread(self._file_check.update, batch)
            yield batch
        if not self._ended:
            detail = "The form ends before its closing boundary. Send the whole body."
            raise Problem("simio_upload_invalid", detail)
        self._file_check.verify()
        while self._body_check and await self._feed():  # the digest covers bytes after the form too
            pass
        self._body_check.verify()

    async def _feed(self) -> bool:
        """Parse the next bytes of the body; False at its end."""
        data = await anext(self._body, None)
        if data is None:
            return False
        self._body_check.update(data)
        try:
            self._parser.write(data)
        except FormParserError:
            detail = "The body is not well-formed multipart/form-data."
            raise Problem("simio_upload_invalid", detail) from None
        return True

    def _make_parser(self, boundary: bytes) -> MultipartParser:
        callbacks = {
            "on_part_begin": self._on_part_begin,
            "on_header_field": self._on_header_field,
            "on_header_value": self._on_header_value,
            "on_header_end": self._on_header_end,
            "on_headers_finished": self._on_headers_finished,
            "on_part_data": self._on_part_data,
            "on_part_end": self._on_part_end,
            "on_end": self._on_end,
        }
        try:
            return MultipartParser(boundary, callbacks)  # type: ignore[arg-type]
        except FormParserError:
            detail = "The form's boundary is not valid."
            raise Problem("simio_unsupported_content_type", detail) from None

    def _on_part_begin(self) -> None:
        if self._file_begun:
            raise invalid_field("/file", "Must be the form's last part. Send other fields first.")
        if len(self.fields) >= MAX_FIELDS:
            raise invalid_field("", f"The form has more than {MAX_FIELDS} fields.")
        self._part = _Part()

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header_name.extend(data[start:end])

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header_value.extend(data[start:end])

    def _on_header_end(self) -> None:
        name = self._header_name.lower().decode("latin-1")
        value = bytes(self._header_value)
        self._header_name.clear()
        self._header_value.clear()
        if name == "content-disposition":
            given = parse_options_header(value)[1].get(b"name", b"")
            self._part.name = given.decode("utf-8", "replace")
        elif name == "content-type":
            self._part.content_type = value.partition(b";")[0].strip().lower().decode("latin-1")
        elif name in _DIGEST_FIELDS:
            self._part.digests.append(value.decode("latin-1"))

    def _on_headers_finished(self) -> None:
        if self._part.name == FILE_FIELD:
            self._file_begun = True
            self.file_type = self._part.content_type
            for value in self._part.digests:
                self._file_check.expect(value)

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._file_begun:
            self._data += memoryview(data)[start:end]
            return
        self._part.value += data[start:end]
        limit = LARGE_FIELDS.get(self._part.name, MAX_FIELD_BYTES)
        if len(self._part.value) > limit:
            detail = f"A field has more than {limit} bytes. Send the table as part `file`."
            raise invalid_field("", detail)

    def _on_part_end(self) -> None:
        if self._file_begun:
            self._file_ended = True
        else:
            self.fields[self._part.name] = self._part.value.decode("utf-8", "replace")

    def _on_end(self) -> None:
        self._ended = True
