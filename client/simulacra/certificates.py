"""Offline check of erasure certificates against the installation's published keys."""

from __future__ import annotations

import json
from typing import cast

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, KeySetSerialization

from simulacra.models import Json

_ALGORITHM = "Ed25519"
_TYPE = "simulacra-erasure-certificate+json"


def verify_certificate(certificate: Json, keys: Json) -> Json:
    """Check a certificate's signature and return its statement.

    Args:
        certificate: as `Client.erasure_certificate` returns it.
        keys: as `Client.published_keys` returns it; best a copy from before the upload.

    Raises:
        ValueError: the certificate is malformed, is signed by another key, or shows a statement
            that differs from the signed one.
    """
    try:
        known = KeySet.import_key_set(cast(KeySetSerialization, keys))
        signed = jws.deserialize_compact(str(certificate["signature"]), known, [_ALGORITHM])
        statement = dict(json.loads(signed.payload))
    except KeyError as error:
        raise ValueError(f"The file is not a certificate: it has no {error}.") from None
    except (JoseError, ValueError, TypeError) as error:
        raise ValueError(f"The signature is not valid: {error}") from None
    if signed.headers().get("typ") != _TYPE:
        raise ValueError("The signed document is not an erasure certificate.")
    if certificate.get("statement", statement) != statement:
        raise ValueError("The statement shown differs from the signed statement.")
    return statement
