"""Guard of the audit log: signs its checkpoints, checks and prunes it, and stops at a mismatch.

The verdict stands until an administrator accepts the log, also after a restart, and whatever the
log looks like meanwhile. It is kept with the progress of the check in a ConfigMap, as a note that
the checkpoint key signed.
"""

import asyncio
import logging
import time

from simulacra_crds.kinds.base import GROUP
from simulacra_crds.kube.client import CONFIGMAPS, Cluster, Object
from simulacra_crds.names import AUDIT_CHECK, system_namespace
from simulacra_custody.audit.check import CheckState, LogCheck
from simulacra_custody.audit.checkpoints import CheckpointSigner
from simulacra_custody.audit.cuts import DEFAULT_DAYS
from simulacra_custody.audit.event import EventType
from simulacra_custody.audit.installation_keys import InstallationKeys
from simulacra_custody.audit.pruning import Pruner
from simulacra_custody.errors import AuditCorrupt
from simulacra_operator import metrics
from simulacra_operator.runtime import configmap
from simulacra_operator.runtime.custody_client import CustodyClient
from simulacra_operator.runtime.signing_keys import SigningKeys

log = logging.getLogger(__name__)
ACCEPT = f"{GROUP}/accept-audit-log"
"""Annotation of the ConfigMap with which an administrator accepts the log as it is now."""
SEGMENTS_A_SECOND = 50
SAVE_S = 60.0
PRUNE_S = 3600.0


class AuditGuard:
    """Signs, checks and prunes one audit log. Create it inside its event loop."""

    def __init__(
        self,
        cluster: Cluster,
        custody: CustodyClient,
        keys: SigningKeys,
        days: int = DEFAULT_DAYS,
    ) -> None:
        self._cluster = cluster
        self._custody = custody
        self._signing_keys = keys
        self._days = days
        self._lock = asyncio.Lock()
        self._opened: tuple[InstallationKeys, CheckpointSigner, LogCheck] | None = None
        self._saved_at = 0.0

    async def sign(self) -> None:
        """Sign a checkpoint if one is due, but never of a log that does not verify."""
        async with self._lock:
            keys, signer, check = await self._open()
            if check.state.corrupt is not None:
                await self._stand(keys, check)
                return
            try:
                signed = await self._custody.run("checkpoint", signer.step, check.state.signed)
            except AuditCorrupt as error:
                await self._condemn(keys, check, error)
                return
            if signer.number > check.state.signed:
                check.note_signed(signer.number)
                await self._save(keys, check)
            if signed is not None:
                metrics.AUDIT_SIGNED.set(signed.size)

    async def check(self) -> float:
        """Verify the next segments of the whole log; return the pause before the next step."""
        began = time.monotonic()
        async with self._lock:
            keys, _, check = await self._open()
            if check.state.corrupt is not None:
                return 1.0
            try:
                read = await self._custody.run("checkLog", check.step, SEGMENTS_A_SECOND)
            except AuditCorrupt as error:
                await self._condemn(keys, check, error)
                return 1.0
            metrics.AUDIT_CHECKED.inc(read)
            ended = not check.state.running
            if read and (ended or time.monotonic() - self._saved_at > SAVE_S):
                await self._save(keys, check)
        return max(0.0, 1.0 - (time.monotonic() - began))

    async def prune(self) -> float:
        """Prune what is older than the retention; return the pause before the next step."""
        async with self._lock:
            keys, _, check = await self._open()
            if check.state.corrupt is not None:
                return PRUNE_S
            audit, days = self._custody.audit, self._days
            pruner = Pruner(audit, keys.log_name, keys.checkpoint, days)
            try:
                cut = await self._custody.run("pruneLog", pruner.step)
            except AuditCorrupt as error:
                await self._condemn(keys, check, error)
                return PRUNE_S
        if cut is None:
            return PRUNE_S
        log.info("audit log pruned", extra={"events": cut.size, "days": days})
        return 1.0

    async def _open(self) -> tuple[InstallationKeys, CheckpointSigner, LogCheck]:
        """Return the keys, the signer and the check, which continues where it was saved."""
        if self._opened is None:
            keys = await self._signing_keys.keys()
            state = _saved_state(await self._find(), keys)
            store = self._custody.audit_store
            signer = CheckpointSigner(store, keys.log_name, keys.checkpoint)
            self._opened = keys, signer, LogCheck(store, keys.log_key, state)
            metrics.AUDIT_CORRUPT.set(int(state.corrupt is not None))
        return self._opened

    async def _condemn(self, keys: InstallationKeys, check: LogCheck, error: AuditCorrupt) -> None:
        metrics.AUDIT_CORRUPT.set(1)
        log.error("audit log found corrupt", extra={"detail": str(error)})
        check.condemn(str(error))
        await self._save(keys, check)

    async def _stand(self, keys: InstallationKeys, check: LogCheck) -> None:
        """Keep the verdict on record until an administrator accepts the log."""
        found = await self._find()
        if found is not None and ACCEPT in (found["metadata"].get("annotations") or {}):
            await self._custody.record(EventType.AUDIT_ACCEPTED)
            log.warning("audit log accepted by an administrator")
            await self._cluster.delete(CONFIGMAPS, AUDIT_CHECK, system_namespace())
            self._opened = None
        elif _saved_state(found, keys) != check.state:
            await self._save(keys, check)

    async def _save(self, keys: InstallationKeys, check: LogCheck) -> None:
        data = {"check": check.state.seal(keys.log_name, keys.checkpoint)}
        await configmap.save(self._cluster, AUDIT_CHECK, data)
        self._saved_at = time.monotonic()

    async def _find(self) -> Object | None:
        return await self._cluster.find(CONFIGMAPS, AUDIT_CHECK, system_namespace())


def _saved_state(found: Object | None, keys: InstallationKeys) -> CheckState:
    """Return the saved state; the initial one if there is none or we did not sign it."""
    if found is None:
        return CheckState()
    try:
        return CheckState.open((found.get("data") or {}).get("check", ""), keys.log_key)
    except ValueError:
        log.warning("audit check restarted: its record is not signed by this installation")
        return CheckState()
