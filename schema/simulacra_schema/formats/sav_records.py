"""Records of the dictionary of an SPSS system file (.sav), as bytes.

Layout: https://www.gnu.org/software/pspp/pspp-dev/html_node/System-File-Format.html
"""

import re
import struct
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from simulacra_schema.formats.file_labels import AnswerSet, Code, Declared

MISSING = -sys.float_info.max
LOWEST = struct.unpack("<d", bytes.fromhex("feffffffffffefff"))[0]
"""Above the missing value; SPSS writes LO of a missing range so."""
MAX_TEXT = 255
"""Bytes of a text; longer ones need several variables."""
MAX_LABEL = 120
"""Bytes of a value label."""
MAX_VARIABLE_LABEL = 255
_PRODUCT = b"@(#) SPSS DATA FILE Simulacra"
_FORMATS = {
    "A": 1, "AHEX": 2, "COMMA": 3, "DOLLAR": 4, "F": 5, "IB": 6, "PIBHEX": 7, "P": 8, "PIB": 9,
    "PK": 10, "RB": 11, "RBHEX": 12, "Z": 15, "N": 16, "E": 17, "DATE": 20, "TIME": 21,
    "DATETIME": 22, "ADATE": 23, "JDATE": 24, "DTIME": 25, "WKDAY": 26, "MONTH": 27, "MOYR": 28,
    "QYR": 29, "WKYR": 30, "PCT": 31, "DOT": 32, "CCA": 33, "CCB": 34, "CCC": 35, "CCD": 36,
    "CCE": 37, "EDATE": 38, "SDATE": 39, "MTIME": 85, "YMDHMS": 86,
}  # fmt: skip
_MEASURES = {"nominal": 1, "ordinal": 2, "scale": 3}
_ALIGNMENTS = {"left": 0, "right": 1, "center": 2}
_ODD = re.compile(r"[^\w.@#$]+")
_FORMAT = re.compile(r"([A-Z]+)(\d+)(?:\.(\d+))?")


@dataclass(frozen=True)
class Variable:
    """One variable.

    Attributes:
        name: as in the table.
        long: name of at most 64 bytes that SPSS accepts.
        short: name of at most 8 bytes.
        width: bytes of a text; 0 for numbers.
        form: how SPSS shows the values, such as F8.2.
        declared: labels, missing codes, measure.
    """

    name: str
    long: str
    short: str
    width: int
    form: str
    declared: Declared

    @property
    def segments(self) -> int:
        """Number of 8-byte parts of a value."""
        return max(-(-self.width // 8), 1)


def dictionary(
    variables: Sequence[Variable], sets: Iterable[AnswerSet], made: datetime, rows: int
) -> bytes:
    """Return the file up to the data, which are not compressed; rows is -1 if not known yet."""
    size = sum(variable.segments for variable in variables)
    parts = [
        b"$FL2" + _PRODUCT.ljust(60),
        struct.pack("<5id", 2, size, 0, 0, rows, 100.0),
        made.strftime("%d %b %y%H:%M:%S").encode("ascii") + b" " * 64 + b"\0" * 3,
        *map(_variable, variables),
        *_labels(variables),
        _extension(3, 4, struct.pack("<8i", 1, 0, 0, -1, 1, 1, 2, 65001)),
        _extension(4, 8, struct.pack("<3d", MISSING, sys.float_info.max, LOWEST)),
        _sets(variables, sets),
        _extension(11, 4, b"".join(map(_display, variables))),
        _extension(13, 1, b"\t".join(f"{v.short}={v.long}".encode() for v in variables)),
        _extension(20, 1, b"UTF-8"),
        _text_labels(variables),
        struct.pack("<2i", 999, 0),
    ]
    return b"".join(parts)


def clipped(text: str, most: int) -> bytes:
    """Return the text in UTF-8, cut between characters to at most that many bytes."""
    return text.encode()[:most].decode(errors="ignore").encode()


def code_text(code: Code) -> str:
    """Return a code as text: whole numbers without a point."""
    if isinstance(code, float) and code.is_integer() and abs(code) < 2**53:
        return str(int(code))
    return str(code)


def _variable(variable: Variable) -> bytes:
    form = _packed_format(variable.form)
    label = clipped(variable.declared.label or "", MAX_VARIABLE_LABEL)
    count, values = _missing(variable)
    record = struct.pack("<6i", 2, variable.width, bool(label), count, form, form)
    record += variable.short.encode("ascii").ljust(8)
    if label:
        record += struct.pack("<i", len(label)) + label.ljust(-(-len(label) // 4) * 4)
    rest = struct.pack("<6i", 2, -1, 0, 0, 0, 0) + b" " * 8
    return record + values + rest * (variable.segments - 1)


def _missing(variable: Variable) -> tuple[int, bytes]:
    """Return the number of missing values as the record has it, and the values."""
    spans = variable.declared.missing
    if variable.width:
        words = [str(low) for low, high in spans if low == high][:3]
        if variable.width > 8:  # SPSS keeps these in another record, and few programs read it
            return 0, b""
        return len(words), b"".join(clipped(word, 8).ljust(8) for word in words)
    ranges = [span for span in spans if span[0] != span[1]]
    single = [low for low, high in spans if low == high]
    if ranges:
        low, high = ranges[0]
        ends = [max(float(low), LOWEST), min(float(high), sys.float_info.max)]
        chosen = [*ends, *map(float, single[:1])]
        return -len(chosen), struct.pack(f"<{len(chosen)}d", *chosen)
    chosen = [float(low) for low in single[:3]]
    return len(chosen), struct.pack(f"<{len(chosen)}d", *chosen)


def _labels(variables: Sequence[Variable]) -> Iterable[bytes]:
    """Return value labels of numbers and of texts up to 8 bytes."""
    index = 1
    for variable in variables:
        labels = variable.declared.labels
        if labels and variable.width <= 8:
            yield struct.pack("<2i", 3, len(labels))
            for code, word in labels:
                text = clipped(word, MAX_LABEL)
                yield _value(code, variable.width) + bytes([len(text)])
                yield text.ljust(-(-(len(text) + 1) // 8) * 8 - 1)
            yield struct.pack("<3i", 4, 1, index)
        index += variable.segments


def _text_labels(variables: Sequence[Variable]) -> bytes:
    """Return value labels of longer texts."""
    content = b""
    for variable in variables:
        if not variable.declared.labels or variable.width <= 8:
            continue
        name = variable.long.encode()
        content += struct.pack("<i", len(name)) + name
        content += struct.pack("<2i", variable.width, len(variable.declared.labels))
        for code, word in variable.declared.labels:
            value, text = str(code).encode().ljust(variable.width), clipped(word, MAX_LABEL)
            content += struct.pack("<i", len(value)) + value
            content += struct.pack("<i", len(text)) + text
    return _extension(21, 1, content) if content else b""


def _value(code: Code, width: int) -> bytes:
    return clipped(str(code), 8).ljust(8) if width else struct.pack("<d", float(code))


def _display(variable: Variable) -> bytes:
    declared = variable.declared
    return struct.pack(
        "<3i",
        _MEASURES.get(declared.measure or "", 0),
        8 if declared.display_width is None else declared.display_width,
        _ALIGNMENTS.get(declared.alignment or "", 0 if variable.width else 1),
    )


def _sets(variables: Sequence[Variable], sets: Iterable[AnswerSet]) -> bytes:
    """Return the multiple-response sets whose variables are all in the file."""
    first = {variable.name: variable for variable in variables}
    short = {variable.name: variable.short.lower() for variable in variables}
    lines = []
    for each in sets:
        if not set(each.columns) <= set(short):
            continue
        codes = dict(first[each.columns[0]].declared.codes)
        counted = code_text(codes.get(each.counted or "", each.counted or "1")).encode()
        kind = b"C"
        if each.kind == "dichotomies":
            kind = b"D%d %s" % (len(counted), counted)
        label = clipped(each.label, MAX_VARIABLE_LABEL)
        names = " ".join(short[name] for name in each.columns).encode()
        name = _ODD.sub("_", each.name).encode()
        lines.append(b"$%s=%s %d %s %s\n" % (name, kind, len(label), label, names))
    return _extension(7, 1, b"".join(lines)) if lines else b""


def _extension(subtype: int, size: int, content: bytes) -> bytes:
    return struct.pack("<4i", 7, subtype, size, len(content) // size) + content


def _packed_format(form: str) -> int:
    match = _FORMAT.fullmatch(form)
    if match is None or match[1] not in _FORMATS:
        return _packed_format("F8.2")
    return _FORMATS[match[1]] << 16 | min(int(match[2]), 255) << 8 | min(int(match[3] or 0), 16)
