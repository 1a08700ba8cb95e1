"""What a description states about the lines of a CSV, and the errors if the file is unlike it."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from simulacra_crds.reasons import Reason
from simulacra_intake.errors import InputError


@dataclass(frozen=True)
class StatedLayout:
    """Encoding, delimiter and rows with column names, from 1 without blank lines; None to detect.

    Header rows after the first hold labels.
    """

    encoding: str | None = None
    delimiter: str | None = None
    header_rows: tuple[int, ...] | None = None

    def to_json(self) -> str:
        """Return the layout as an argument of the parsing process."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> StatedLayout:
        """Return the layout of such an argument."""
        content = json.loads(text)
        rows = content.pop("header_rows")
        return cls(**content, header_rows=tuple(rows) if rows else None)


DETECT = StatedLayout()


def mismatch(pointer: str, detail: str) -> InputError:
    """Return the error for a file that is not as stated; pointer: in the resource."""
    message = "The data contradict the description in 1 place."
    return InputError(Reason.DESCRIPTION_MISMATCH, message, detail, pointer=pointer)


def decode_all(encoding: str, head: bytes, blocks: Iterable[bytes]) -> str:
    """Check that a whole file decodes; return the codec, with a byte order mark if there is one."""
    codec = "utf-8-sig" if encoding == "utf-8" and head.startswith(codecs.BOM_UTF8) else encoding
    decoder = codecs.getincrementaldecoder(codec)()
    line = 1
    try:
        for block in blocks:
            line += decoder.decode(block).count("\n")
        decoder.decode(b"", final=True)
    except UnicodeError:
        detail = f"The file is not in {encoding}: the text near line {line} does not decode."
        raise mismatch("/encoding", detail) from None
    return codec
