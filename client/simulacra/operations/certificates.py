"""What holds the service to its word: certificates of erasure, checkpoints, keys; and what its errors mean."""

from __future__ import annotations

from simulacra.core import Ask, Steps, ask
from simulacra.models import Document
from simulacra.operations.common import get_one, pages


def erasure_certificate(resource: str) -> Steps[Document]:
    """Return the signed certificate that a resource (by its id or uid) was erased; 404 before that is complete."""
    return get_one(f"/v1/erasure-certificates/{resource}", Document)


def erasure_certificates() -> Steps[list[Document]]:
    """List what was erased of the tenant's in the last 400 days, newest first; each has a certificate."""
    return pages("/v1/erasure-certificates", {}, Document)


def audit_checkpoint() -> Steps[str]:
    """Return the newest signed checkpoint of the audit log; one that is kept shows later whether the log was cut."""
    return (yield from ask(Ask("GET", "/.well-known/simulacra-checkpoint"))).text


def published_keys() -> Steps[Document]:
    """Return the public keys that certificates and audit checkpoints are signed with. Keep a copy."""
    return get_one("/.well-known/simulacra-keys.json", Document)


def explain(code: str) -> Steps[Document]:
    """Return what an error code means and what to do about it."""
    return get_one(f"/errors/{code}", Document)
