"""Checks erasure certificates: offline, against the keys that the installation published."""

from __future__ import annotations

import json
from typing import Any, cast

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, KeySetSerialization

Json = dict[str, Any]
_ALGORITHM = "Ed25519"
_TYPE = "simulacra-erasure-certificate+json"


def verify_certificate(certificate: Json, keys: Json) -> Json:
    """Return what a certificate states, once its signature holds.

    Args:
        certificate: as `Client.erasure_certificate` returns it.
        keys: as `Client.published_keys` returned it, best kept since before the data was uploaded.

    Raises:
        ValueError: the certificate is malformed, signed by no key of these, or shows another statement than it signs.
    """
    try:
        signed = jws.deserialize_compact(
            str(certificate["signature"]),
            KeySet.import_key_set(cast(KeySetSerialization, keys)),
            [_ALGORITHM],
        )
        statement = dict(json.loads(signed.payload))
    except KeyError as error:
        raise ValueError(f"the file is no certificate: it has no {error}") from None
    except (JoseError, ValueError, TypeError) as error:
        raise ValueError(f"the signature does not hold: {error}") from None
    if signed.headers().get("typ") != _TYPE:
        raise ValueError("what is signed is no erasure certificate")
    if certificate.get("statement", statement) != statement:
        raise ValueError("the statement shown is not the one that is signed")
    return statement
