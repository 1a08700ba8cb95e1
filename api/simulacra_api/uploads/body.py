"""The body of an upload request: idle timeout, a piece in batches, and digests of the bytes.

Those that a client announced (RFC 9530) are compared with what arrives. On the request,
`Content-Digest` and `Repr-Digest` cover the whole body; on a form's part `file`, the file. There is
no content coding, so the two mean the same. Algorithms other than SHA-256 and SHA-512 are ignored,
as the RFC allows.
"""

import asyncio
import base64
import hashlib
import hmac
import re
import time
from collections.abc import AsyncIterator, Sequence

from starlette.requests import ClientDisconnect, Request

from simulacra_api.http.problems import Problem, invalid_field

DIGEST_FIELDS = ("content-digest", "repr-digest")
_DIGEST = re.compile(r"([a-z*][a-z0-9_.*-]*)=:([A-Za-z0-9+/]*={0,2}):")
_ALGORITHMS = {"sha-256": "sha256", "sha-512": "sha512"}


class DigestCheck:
    """Compares arriving bytes with the digests that were announced for them."""

    def __init__(self, subject: str, fields: Sequence[str] = ()) -> None:
        """Expect the digests in these digest fields; Problem 400 when one is malformed."""
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


def digest_fields(request: Request) -> list[str]:
    """Return the values of a request's digest fields."""
    return [value for name in DIGEST_FIELDS for value in request.headers.getlist(name)]


BATCH_BYTES = 1 << 20
IDLE_SECONDS = 60.0
"""How long a client may take for the next LEAST_BYTES; a slower upload ends.

Else it holds its connection and, with a byte now and then, its lease for ever.
"""
LEAST_BYTES = 16 << 10


class Stalled(Problem):
    """Too little arrived for too long."""

    def __init__(self) -> None:
        detail = (
            f"Less than {LEAST_BYTES >> 10} KiB arrived in {IDLE_SECONDS:.0f} seconds. Send it "
            "again with the same key."
        )
        super().__init__("simio_upload_timeout", detail)


async def with_idle_timeout(body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
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
    body = with_idle_timeout(request.stream())
    check = DigestCheck("piece", digest_fields(request))
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
