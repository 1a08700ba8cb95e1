"""A multipart/form-data body, parsed while it arrives: small fields first, then one file, nothing
kept.

The parser is python-multipart's callback parser; its form layer is not used, because that spools to
temporary files in plaintext.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from simulacra_api.http.problems import Problem, invalid_field
from simulacra_api.uploads.digests import FIELDS, DigestCheck

FILE_FIELD = "file"
MAX_FIELD_BYTES = 64 << 10
MAX_FIELDS = 16
BATCH_BYTES = 1 << 20
IDLE_SECONDS = 60.0
"""An upload that sends nothing for so long is given up: it would hold its key and a connection for ever."""


@dataclass
class Part:
    """A part of the form: its field name and, for a file, the content type that it was declared with."""

    name: str = ""
    content_type: str = ""
    digests: list[str] = field(default_factory=list)
    value: bytearray = field(default_factory=bytearray)


class FormStream:
    """Reads the body of an upload: `read_head` up to the file's first bytes, then `chunks` for the
    rest.

    Fields after the file are refused: by then the resource exists as the fields before it said.
    """

    def __init__(
        self, content_type: str, body: AsyncIterator[bytes], digests: Sequence[str] = ()
    ) -> None:
        """Begin.

        Args:
            content_type: of the request.
            body: of the request.
            digests: values of the request's digest fields; those of the part `file` are found in
                it.
        """
        kind, options = parse_options_header(content_type)
        boundary = options.get(b"boundary")
        if kind != b"multipart/form-data" or not boundary:
            raise Problem(
                "simio_unsupported_content_type", "Send multipart/form-data with a part named file"
            )
        self.fields: dict[str, str] = {}
        self.file_type = ""
        self._body = body
        self._whole, self._file = DigestCheck("body"), DigestCheck("file")
        for value in digests:
            self._whole.expect(value)
        self._part = Part()
        self._header = (bytearray(), bytearray())
        self._data = bytearray()
        self._file_begun = self._file_ended = self._ended = False
        self._parser = self._make_parser(boundary)

    async def read_head(self, size: int) -> bytes:
        """Return the file's first `size` bytes (fewer only if it is shorter) and leave them in
        place for `chunks`.

        Raises:
            Problem: 400 when there is no part named file or the body is no form.
        """
        while len(self._data) < size and not self._file_ended:
            if not await self._feed():
                break
        if not self._file_begun:
            raise invalid_field(
                "/file", "the form has no part named file: send the table under this name"
            )
        return bytes(self._data[:size])

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the file in chunks of about 1 MiB; ends when the form ends well.

        Raises:
            Problem: 400 when the body breaks off, goes on with another part, or is not what its
                digest says.
        """
        while True:
            while len(self._data) < BATCH_BYTES and not self._ended and await self._feed():
                pass
            if not self._data:
                break
            batch, self._data = bytes(self._data), bytearray()
            if self._file:
                await asyncio.to_thread(self._file.update, batch)
            yield batch
        if not self._ended:
            raise Problem(
                "simio_upload_invalid", "The form breaks off before its end: send the whole body"
            )
        self._file.verify()
        while self._whole and await self._feed():  # what follows the form belongs to the body
            pass
        self._whole.verify()

    async def _feed(self) -> bool:
        """Parse the next piece of the body; False at its end."""
        try:
            async with asyncio.timeout(IDLE_SECONDS):
                data = await anext(self._body, None)
        except TimeoutError:
            raise Problem(
                "simio_upload_timeout", f"No byte arrived for {IDLE_SECONDS:.0f} seconds"
            ) from None
        if data is None:
            return False
        self._whole.update(data)
        try:
            self._parser.write(data)
        except FormParserError:
            raise Problem(
                "simio_upload_invalid", "The body is not well-formed multipart/form-data"
            ) from None
        return True

    def _make_parser(self, boundary: bytes) -> MultipartParser:
        try:
            return MultipartParser(
                boundary,
                {
                    "on_part_begin": self._on_part_begin,
                    "on_header_field": self._on_header_field,
                    "on_header_value": self._on_header_value,
                    "on_header_end": self._on_header_end,
                    "on_headers_finished": self._on_headers_finished,
                    "on_part_data": self._on_part_data,
                    "on_part_end": self._on_part_end,
                    "on_end": self._on_end,
                },
            )
        except FormParserError:
            raise Problem(
                "simio_unsupported_content_type", "The boundary of the form is not valid"
            ) from None

    def _on_part_begin(self) -> None:
        if self._file_begun:
            raise invalid_field(
                "/file", "the file must be the form's last part: send other fields before it"
            )
        if len(self.fields) >= MAX_FIELDS:
            raise invalid_field("", f"the form has more than {MAX_FIELDS} fields")
        self._part = Part()

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header[0].extend(data[start:end])

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header[1].extend(data[start:end])

    def _on_header_end(self) -> None:
        name, value = bytes(self._header[0]).lower(), bytes(self._header[1])
        self._header = (bytearray(), bytearray())
        if name == b"content-disposition":
            self._part.name = (
                parse_options_header(value)[1].get(b"name", b"").decode("utf-8", "replace")
            )
        elif name == b"content-type":
            self._part.content_type = value.partition(b";")[0].strip().lower().decode("latin-1")
        elif name.decode("latin-1") in FIELDS:
            self._part.digests.append(value.decode("latin-1"))

    def _on_headers_finished(self) -> None:
        if self._part.name == FILE_FIELD:
            self._file_begun, self.file_type = True, self._part.content_type
            for value in self._part.digests:
                self._file.expect(value)

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._file_begun:
            self._data += memoryview(data)[start:end]
            return
        self._part.value += data[start:end]
        if len(self._part.value) > MAX_FIELD_BYTES:
            raise invalid_field(
                "",
                f"a form field is longer than {MAX_FIELD_BYTES} bytes; the file's field is `file`",
            )

    def _on_part_end(self) -> None:
        if self._file_begun:
            self._file_ended = True
        else:
            self.fields[self._part.name] = self._part.value.decode("utf-8", "replace")

    def _on_end(self) -> None:
        self._ended = True
