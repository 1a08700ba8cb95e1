"""Signs checkpoints of the audit log when they are due, and forgets certificates whose retention is over."""

from __future__ import annotations

import asyncio
import logging

from simulacra_crds.kube.client import ClusterError
from simulacra_custody.errors import AuditCorrupt, CustodyError
from simulacra_operator import metrics
from simulacra_operator.runtime.controller import Engine

log = logging.getLogger(__name__)
INTERVAL_S = 5.0
SWEEP_EVERY = 720
"""Steps between two looks for old certificates: an hour."""


async def run(engine: Engine) -> None:
    """Work until cancelled. A log that does not continue its last checkpoint is said aloud and never signed."""
    step = 0
    while True:
        try:
            keys = await engine.installation.keys()
            signed = await engine.custodian.sign_checkpoint(keys)
            metrics.AUDIT_CORRUPT.set(0)
            if signed is not None:
                metrics.AUDIT_SIGNED.set(signed.size)
            if step % SWEEP_EVERY == 0:
                await engine.custodian.sweep_certificates()
        except AuditCorrupt as error:
            metrics.AUDIT_CORRUPT.set(1)
            log.error(
                "the audit log was tampered with; no checkpoint is signed",
                extra={"what": str(error)},
            )
        except (ClusterError, CustodyError) as error:
            log.warning("no checkpoint could be signed", extra={"error": type(error).__name__})
        step += 1
        await asyncio.sleep(INTERVAL_S)
