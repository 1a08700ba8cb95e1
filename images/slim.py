"""Take out of an environment what the product never loads: `python3 slim.py FOLDER`.

FOLDER has the packages. Prints the MiB that went: tests and headers, the AWS services and the parts
of Arrow that nothing here calls, and the symbol tables of libraries, which only debuggers read.
"""

from __future__ import annotations

import shutil
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

PARTS = (
    "pyarrow/include",
    "pyarrow/src",
    "pyarrow/*.p[xy][dix]",
    "pyarrow/*flight*.so*",
    "pyarrow/*s3*.so*",
)
"""Of Arrow: what others compile against, and its own clients of Flight and S3."""
SERVICES = {"kms", "s3", "sso", "sso-oidc", "sts", "signin"}
"""AWS services that are called, by the product or by boto3's ways to log in."""
_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
"""ELF's header of 64 bits, little-endian (elf(5)); sections are fields 6, 12 and 13."""
_SEGMENT = struct.Struct("<IIQQQQQQ")


def unused(packages: Path) -> Iterator[Path]:
    """Yield folders and files that nothing imports."""
    yield from (one for one in packages.rglob("tests") if one.is_dir())
    for pattern in PARTS:
        yield from packages.glob(pattern)
    for one in packages.glob("botocore/data/*/"):
        if one.is_dir() and one.name not in SERVICES:
            yield one


def strip(library: Path) -> None:
    """Cut what follows the last segment of an ELF file: the loader reads segments only."""
    with library.open("r+b") as file:
        start = file.read(_HEADER.size)
        if start[:6] != b"\x7fELF\x02\x01":
            return
        header = list(_HEADER.unpack(start))
        at, size, count = header[5], header[9], header[10]
        file.seek(at)
        segments = [_SEGMENT.unpack_from(file.read(size)) for _ in range(count)]
        end = max(
            at + size * count, *(offset + length for _, _, offset, _, _, length, _, _ in segments)
        )
        header[6] = header[12] = header[13] = 0
        file.seek(0)
        file.write(_HEADER.pack(*header))
        file.truncate(end)


def main() -> None:
    """Slim the folder that the command names."""
    packages = Path(sys.argv[1])
    before = _size(packages)
    for one in list(unused(packages)):
        shutil.rmtree(one, ignore_errors=True) if one.is_dir() else one.unlink()
    for one in packages.rglob("*.so*"):
        if one.is_file() and not one.is_symlink():
            strip(one)
    sys.stdout.write(f"{(before - _size(packages)) >> 20} MiB taken out\n")


def _size(folder: Path) -> int:
    return sum(one.stat().st_size for one in folder.rglob("*") if one.is_file())


if __name__ == "__main__":
    main()
