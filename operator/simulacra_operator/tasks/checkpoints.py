"""Signed checkpoints of the audit log."""

from __future__ import annotations

import logging

from simulacra_custody.errors import AuditCorrupt
from simulacra_operator import metrics
from simulacra_operator.runtime.controller import Controller

log = logging.getLogger(__name__)


async def sign(controller: Controller) -> None:
    """Sign a checkpoint if one is due, but never of a log that does not continue the last one."""
    keys = await controller.signing_keys.keys()
    try:
        signed = await controller.custody.sign_checkpoint(keys)
    except AuditCorrupt as error:
        metrics.AUDIT_CORRUPT.set(1)
        log.error("audit log found corrupt", extra={"detail": str(error)})
        return
    metrics.AUDIT_CORRUPT.set(0)
    if signed is not None:
        metrics.AUDIT_SIGNED.set(signed.size)


async def sweep_certificates(controller: Controller) -> None:
    """Erase the erasure certificates whose retention ended."""
    await controller.custody.run("sweepCertificates", controller.custody.certificates.sweep)
