"""The form of an upload request, parsed while it arrives."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request

from simulacra_api.http.problems import Problem, invalid_field
from simulacra_api.uploads.body import (
    BATCH_BYTES,
    DIGEST_FIELDS,
    DigestCheck,
    digest_fields,
    with_idle_timeout,
)
from simulacra_schema.description import MAX_DESCRIPTION_BYTES
from simulacra_schema.wave_summary import MAX_SUMMARY_BYTES

FILE_FIELD = "file"
MAX_FIELD_BYTES = 64 << 10
LARGE_FIELDS = {"description": MAX_DESCRIPTION_BYTES, "earlier": 2 * MAX_SUMMARY_BYTES}
"""Fields that may have more bytes, and how many."""
MAX_FIELDS = 16


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
        self._body = with_idle_timeout(body)
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
        return cls(content_type, request.stream(), digest_fields(request))

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
        elif name in DIGEST_FIELDS:
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
