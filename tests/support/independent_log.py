"""An independent check of a stored audit log, pruned or not: it imports nothing of the product.

It follows the specifications alone: RFC 6962, C2SP signed-note and tlog-checkpoint, and what
docs/explanation/security.md says of segments and cuts.
"""

import base64
import hashlib
import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def open_note(note: bytes, verifier_key: str) -> str:
    """Return the text of a signed note; InvalidSignature if this key did not sign it."""
    name, _, public = verifier_key.split("+", 2)
    text, _, signature = note.decode().rpartition("\n\n")
    signed = base64.b64decode(signature.removeprefix(f"\N{EM DASH} {name} "))
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public)[1:])
    key.verify(signed[4:], (text + "\n").encode())
    return text + "\n"


class Hashes:
    """The tree hash of RFC 6962 by its recursive definition, with some parts given."""

    def __init__(self, given: dict[tuple[int, int], bytes]) -> None:
        self.given = given

    def of(self, start: int, end: int) -> bytes:
        if (start, end) not in self.given:
            split = 1
            while split * 2 < end - start:
                split *= 2
            middle = start + split
            assert start < middle < end, f"leaf {start} is neither there nor under a peak"
            parts = self.of(start, middle) + self.of(middle, end)
            self.given[start, end] = sha256(b"\x01" + parts)
        return self.given[start, end]


def check(objects: Mapping[str, bytes], verifier_key: str, least_days: int = 30) -> int:
    """Return the number of pruned records of a log that verifies; AssertionError if it does not.

    Args:
        objects: every object of the store by its key.
        verifier_key: that of the log, as published.
        least_days: for how long records must be kept.
    """
    cuts = sorted(key for key in objects if key.startswith("cuts/"))
    cut: dict[str, Any] = json.loads(open_note(objects[cuts[-1]], verifier_key)) if cuts else {}
    given, start = {}, 0
    for peak in cut.get("peaks", ()):
        width = 1
        while start + width * 2 <= cut["size"]:
            width *= 2
        given[start, start + width] = bytes.fromhex(peak)
        start += width
    size = pruned = cut.get("size", 0)
    assert start == pruned
    number, previous = cut.get("segment", 0), cut.get("digest", sha256(b"").hex())
    sizes, records = {size}, {}
    for key in sorted(key for key in objects if key.startswith("segments/")):
        if int(key[-18:-6]) <= number and int(key[-18:-6]) <= cut.get("segment", 0):
            continue  # it is declared and not yet deleted
        number += 1
        assert int(key[-18:-6]) == number, f"segment {number} is missing"
        header, *lines = objects[key].splitlines()
        stated = json.loads(header)
        assert (stated["segment"], stated["previous"]) == (number, previous)
        for line in lines:
            records[size] = json.loads(line)
            given[size, size + 1] = sha256(b"\x00" + line)
            size += 1
        assert stated["size"] == size
        previous = sha256(objects[key]).hex()
        sizes.add(size)
    hashes = Hashes(given)
    checkpoints = [key for key in sorted(objects) if key.startswith("checkpoints/")]
    for count, key in enumerate(checkpoints, start=1):
        assert int(key[-12:]) == count, f"checkpoint {count} is missing"
        _, stated_size, root, segment = open_note(objects[key], verifier_key).splitlines()
        if int(stated_size) >= pruned:
            assert int(stated_size) in sizes, (
                f"checkpoint {count} counts records that are not there"
            )
            assert base64.b64decode(root) == hashes.of(0, int(stated_size))
        if count == cut.get("checkpoint"):
            assert (int(stated_size), segment) == (pruned, f"segment {cut['segment']}")
    if cut:
        assert len(checkpoints) > cut["checkpoint"]
        assert cut["days"] >= least_days
        kept, of_cut = records[cut["size"]], records[cut["record"]]
        at, until = (datetime.fromisoformat(cut[name]) for name in ("at", "until"))
        assert until == datetime.fromisoformat(kept["time"])
        assert until <= at - timedelta(days=cut["days"]), "younger records were deleted"
        assert of_cut["type"] == "dev.simulacra.audit.pruned"
        assert datetime.fromisoformat(of_cut["time"]) == at
        assert of_cut["data"]["sha256"] == hashes.of(0, pruned).hex()
    return int(pruned)
