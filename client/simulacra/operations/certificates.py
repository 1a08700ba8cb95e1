"""Proof of erasure: certificates, audit checkpoints and the published keys that sign them."""

from __future__ import annotations

from simulacra.core import Request, Steps, send
from simulacra.models import Document
from simulacra.operations.resources import get_all, get_one


def erasure_certificate(resource: str) -> Steps[Document]:
    """Return the signed certificate of an erasure, by the resource's id or uid.

    Raises:
        ApiError: 404 until the erasure is complete.
    """
    return get_one(f"/v1/erasure-certificates/{resource}", Document)


def erasure_certificates() -> Steps[list[Document]]:
    """List the tenant's erasures of the last 400 days, newest first; each has a certificate."""
    return get_all("/v1/erasure-certificates", {}, Document)


def audit_checkpoint() -> Steps[str]:
    """Return the newest signed checkpoint of the audit log.

    Keep it: it shows later whether the log was cut.
    """
    return (yield from send(Request("GET", "/.well-known/simulacra-checkpoint"))).text


def live_keys_root() -> Steps[Document]:
    """Return the newest signed root of the live data keys, under which absence proofs are made."""
    return get_one("/.well-known/simulacra-live-keys.json", Document)


def published_keys() -> Steps[Document]:
    """Return the public keys of certificates and audit checkpoints. Keep a copy."""
    return get_one("/.well-known/simulacra-keys.json", Document)


def trust_package() -> Steps[bytes]:
    """Return the trust package of the installation, a zip archive.

    It has the claims with the tests that hold them, control mappings, answers and annexes.
    """
    return (yield from send(Request("GET", "/trust/package.zip"))).content
