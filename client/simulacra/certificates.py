"""Offline check of erasure certificates against the installation's published keys."""

import hashlib
import json
from datetime import datetime
from typing import cast

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, KeySetSerialization

from simulacra.models import Json

_ALGORITHM = "Ed25519"
_CERTIFICATE = "simulacra-erasure-certificate+json"
_LIVE_KEYS = "simulacra-live-keys+json"


def verify_certificate(certificate: Json, keys: Json) -> Json:
    """Check a certificate's signature and return its statement.

    Args:
        certificate: as `Client.erasure_certificate` returns it.
        keys: as `Client.published_keys` returns it; best a copy from before the upload.

    Raises:
        ValueError: the certificate is malformed, is signed by another key, or shows a statement
            that differs from the signed one.
    """
    return _signed_statement(certificate, keys, _CERTIFICATE, "an erasure certificate")


def verify_absence(certificate: Json, keys: Json) -> Json | None:
    """Check a certificate and its absence proof; return the root's statement, None without a proof.

    The proof holds if the root was listed after the erasure, and the erased key's hash would lie
    between two leaves of its tree that are neighbors (or before the first, or after the last one).
    Source of the tree: RFC 6962, section 2.1; the number of leaves is a power of two.

    Raises:
        ValueError: the certificate or its absence proof is not valid.
    """
    erased = verify_certificate(certificate, keys)
    proof = certificate.get("absence_proof")
    if proof is None:
        return None
    try:
        root = _signed_statement(proof["root"], keys, _LIVE_KEYS, "a root of live keys")
        if root["installation"] != erased["installation"]:
            raise ValueError("its root is of another installation")
        listed = datetime.fromisoformat(root["listed_at"])
        if listed <= datetime.fromisoformat(erased["verified_absent_at"]):
            raise ValueError("its root is from before the erasure")
        _check_neighbors(root, proof["neighbors"], _leaf(root, erased))
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"The absence proof is not valid: {error}.") from None
    return root


def _signed_statement(document: Json, keys: Json, typ: str, noun: str) -> Json:
    try:
        known = KeySet.import_key_set(cast(KeySetSerialization, keys))
        signed = jws.deserialize_compact(str(document["signature"]), known, [_ALGORITHM])
        statement = dict(json.loads(signed.payload))
    except KeyError as error:
        raise ValueError(f"The file is not a certificate: it has no {error}.") from None
    except (JoseError, ValueError, TypeError) as error:
        raise ValueError(f"The signature is not valid: {error}") from None
    if signed.headers().get("typ") != typ:
        raise ValueError(f"The signed document is not {noun}.")
    if document.get("statement", statement) != statement:
        raise ValueError("The statement shown differs from the signed statement.")
    return statement


def _leaf(root: Json, erased: Json) -> bytes:
    """Return the leaf that the erased key would have: SHA-256(nonce, installation, kind, uid)."""
    identifier = f"{erased['installation']}\n{erased['kind']}\n{erased['uid']}"
    return hashlib.sha256(bytes.fromhex(root["nonce"]) + identifier.encode()).digest()


def _check_neighbors(root: Json, neighbors: list[Json], leaf: bytes) -> None:
    """Check that a leaf's place lies between neighbors of the tree. Raises ValueError."""
    size = int(root["size"])
    if size < 1 or size & (size - 1):
        raise ValueError("the number of leaves is not a power of two")
    found = []
    for one in neighbors:
        index, hashed = int(one["index"]), bytes.fromhex(one["leaf"])
        path = [bytes.fromhex(step) for step in one["path"]]
        if len(hashed) != 32 or not 0 <= index < size or len(path) != size.bit_length() - 1:
            raise ValueError("an inclusion proof is not of this tree")
        if _root_over(index, hashed, path).hex() != root["root"]:
            raise ValueError("an inclusion proof does not lead to the signed root")
        found.append((index, hashed))
    match found:
        case [(left, before), (right, after)]:
            absent = right == left + 1 and before < leaf < after
        case [(0, after)] if leaf < after:
            absent = True
        case [(last, before)]:
            absent = last == size - 1 and before < leaf
        case _:
            absent = False
    if not absent:
        raise ValueError("its neighbors do not enclose the erased key")


def _root_over(index: int, leaf: bytes, path: list[bytes]) -> bytes:
    """Return the tree's hash from a leaf, its index and its siblings."""
    node = hashlib.sha256(b"\x00" + leaf).digest()
    for height, sibling in enumerate(path):
        pair = sibling + node if index >> height & 1 else node + sibling
        node = hashlib.sha256(b"\x01" + pair).digest()
    return node
