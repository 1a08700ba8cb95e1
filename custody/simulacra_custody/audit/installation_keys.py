"""The Ed25519 keys of an installation: erasure certificates, audit checkpoints, wave summaries.

The first two are created once and kept in a Secret; the last follows from the first. With their
public parts anybody can verify signatures, even after the installation is deleted.
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, OKPKey

from simulacra_custody.audit.signed_note import VerifierKey, verifier_key

JWS_ALGORITHM = "Ed25519"
"""Algorithm of certificates as JSON Web Signatures (RFC 9864)."""
SUMMARY_TYPE = "simulacra-wave-summary+json"
_SUMMARY = b"simulacra wave summary"
_CERTIFICATE = "certificate.key"
_CHECKPOINT = "checkpoint.key"


@dataclass(frozen=True)
class InstallationKeys:
    """The private keys."""

    certificate: Ed25519PrivateKey
    checkpoint: Ed25519PrivateKey

    @classmethod
    def generate(cls) -> Self:
        """Return new keys."""
        return cls(Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate())

    @classmethod
    def from_data(cls, data: Mapping[str, str]) -> Self:
        """Read the keys from the ``data`` of their Secret. Raises ValueError or KeyError."""
        seeds = [
            base64.b64decode(data[name], validate=True) for name in (_CERTIFICATE, _CHECKPOINT)
        ]
        return cls(*(Ed25519PrivateKey.from_private_bytes(seed) for seed in seeds))

    def to_data(self) -> dict[str, str]:
        """Return the ``data`` of their Secret."""
        pairs = ((_CERTIFICATE, self.certificate), (_CHECKPOINT, self.checkpoint))
        return {name: base64.b64encode(key.private_bytes_raw()).decode() for name, key in pairs}

    @property
    def summary(self) -> Ed25519PrivateKey:
        """The key of wave summaries, which follows from the first, so older Secrets have it."""
        seed = self.certificate.private_bytes_raw()
        return Ed25519PrivateKey.from_private_bytes(hmac.digest(seed, _SUMMARY, "sha256"))

    @property
    def log_name(self) -> str:
        """The audit log's name and the origin in its checkpoints, unique to the installation."""
        digest = hashlib.sha256(self.checkpoint.public_key().public_bytes_raw()).hexdigest()
        return f"simulacra.dev/audit/{digest[:16]}"

    @property
    def log_key(self) -> VerifierKey:
        """The verifier key of the audit log's checkpoints."""
        return verifier_key(self.log_name, self.checkpoint)

    def public_document(self) -> dict[str, Any]:
        """Return a JSON Web Key Set (RFC 7517) with the log's verifier key as ``audit_log``."""
        public = (self.certificate.public_key(), self.summary.public_key())
        key_set = KeySet([*map(_jwk, public)]).as_dict(private=False)
        return {**key_set, "audit_log": str(self.log_key)}

    def sign_certificate(self, statement: bytes) -> str:
        """Return an erasure certificate's statement as a compact JSON Web Signature."""
        return self.sign(statement, "simulacra-erasure-certificate+json")

    def sign_summary(self, statement: bytes) -> str:
        """Return a wave summary's statement as a compact JSON Web Signature."""
        return _signed(statement, SUMMARY_TYPE, self.summary)

    def sign(self, statement: bytes, typ: str) -> str:
        """Return a statement of a type as a compact JSON Web Signature, always the same one."""
        return _signed(statement, typ, self.certificate)


def verified_summary(signed: str, keys: Mapping[str, Any]) -> bytes:
    """Return the statement of a wave summary's signature.

    keys: a document of `public_document`.

    Raises:
        ValueError: it is no such signature of this installation.
    """
    try:
        found = jws.deserialize_compact(
            signed, KeySet.import_key_set({"keys": keys["keys"]}), algorithms=[JWS_ALGORITHM]
        )
    except (JoseError, ValueError, KeyError) as error:
        raise ValueError("The signature is not of this installation.") from error
    if found.headers().get("typ") != SUMMARY_TYPE:
        raise ValueError("The signature is of another kind.")
    return found.payload


def _signed(statement: bytes, typ: str, private: Ed25519PrivateKey) -> str:
    key = _jwk(private)
    header = {"alg": JWS_ALGORITHM, "kid": key.kid, "typ": typ}
    return jws.serialize_compact(header, statement, key, algorithms=[JWS_ALGORITHM])


def _jwk(key: Ed25519PrivateKey | Ed25519PublicKey) -> OKPKey:
    jwk = OKPKey.import_key(key, {"use": "sig", "alg": JWS_ALGORITHM})
    jwk.ensure_kid()  # the thumbprint of RFC 7638
    return jwk
