"""Download links: signed for one tenant and one generation, good for 15 minutes, and useless without a bearer token."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from datetime import UTC, datetime
from urllib.parse import urlencode

from simulacra_api.http.problems import Problem
from simulacra_api.settings import LINK_SECONDS


def _signature(key: bytes, tenant: str, uid: str, expires: int) -> str:
    text = "\x1f".join(("artifact", tenant, uid, str(expires)))
    return (
        base64.urlsafe_b64encode(hmac.digest(key, text.encode(), hashlib.sha256))
        .decode()
        .rstrip("=")
    )


def make_link(
    key: bytes, path: str, *, tenant: str, uid: str, file_format: str
) -> tuple[str, datetime]:
    """Return the link to an artifact and when it expires. The format may be changed in the link, the artifact not."""
    expires = int(time.time()) + LINK_SECONDS
    query = {
        "format": file_format,
        "expires": expires,
        "signature": _signature(key, tenant, uid, expires),
    }
    return f"{path}?{urlencode(query)}", datetime.fromtimestamp(expires, UTC)


def check_link(key: bytes, *, tenant: str, uid: str, expires: int, signature: str) -> None:
    """Refuse (403) a link that has expired or was made for another tenant or artifact."""
    expected = _signature(key, tenant, uid, expires)
    if not hmac.compare_digest(expected.encode(), signature.encode()) or time.time() > expires:
        raise Problem("simio_artifact_link_invalid")
