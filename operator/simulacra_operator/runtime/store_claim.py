"""Claim to the object store: nothing is started, swept or erased in another installation's store.

A ConfigMap records the claim, so that after a restart an empty directory or bucket in the place of
the store is not claimed as a new one: erasure would find nothing there, and certify it.

The uid of the namespace `kube-system` names the installation. It lives as long as the cluster,
which has one installation (ADR 0019), and only the cluster's own resources tell which objects are
orphans. So the name survives upgrades, reinstallations and lost Secrets, and a cluster that is
rebuilt from a backup is another installation.
"""

import asyncio
import logging
from typing import Never

from simulacra_crds.kube.client import CONFIGMAPS, NAMESPACES, Cluster, ClusterError
from simulacra_crds.names import STORE_CLAIM, system_namespace
from simulacra_custody.errors import CustodyError, StoreForeign
from simulacra_operator import metrics
from simulacra_operator.runtime import configmap
from simulacra_operator.runtime.custody_client import CustodyClient

log = logging.getLogger(__name__)
CLUSTER_NAMESPACE = "kube-system"
CONFIRM_S = 60.0
ANSWER_S = 40.0
"""After this time, a store that does not answer no longer blocks the start."""
WAIT_S = 10.0


class StoreClaim:
    """The claim as one process sees it."""

    def __init__(self, cluster: Cluster, custody: CustodyClient, take_over: str | None) -> None:
        self._cluster = cluster
        self._custody = custody
        self._take_over = take_over
        self._installation: str | None = None
        self._recorded = False
        self.refused: str | None = "The owner of the store is not known yet."
        """Why nothing may be done, None while it may."""

    async def acquire(self) -> None:
        """Return once the store is ours, or does not answer: destructive steps ask again."""
        while True:
            try:
                async with asyncio.timeout(ANSWER_S):
                    await self._claim()
            except StoreForeign as error:
                self._refuse(str(error))
            except ClusterError as error:
                what = "cluster id or claim not read or recorded"
                log.warning(what, extra={"status": error.status})
            except (CustodyError, TimeoutError) as error:
                log.warning("store owner not read", extra={"error": type(error).__name__})
                break
            else:
                break
            await asyncio.sleep(WAIT_S)
        self.refused = None
        metrics.STORE_FOREIGN.set(0)

    async def hold(self) -> Never:
        """Confirm the claim every minute until cancelled.

        Raises:
            StoreForeign: another installation took over the store, or it lost its mark.
        """
        while True:
            try:
                await self._claim()
            except StoreForeign:
                raise
            except (CustodyError, ClusterError) as error:
                log.warning("store owner not read", extra={"error": type(error).__name__})
            await asyncio.sleep(CONFIRM_S)

    async def _claim(self) -> None:
        if self._installation is None:
            namespace = await self._cluster.get(NAMESPACES, CLUSTER_NAMESPACE)
            self._installation = namespace["metadata"]["uid"]
            if self._installation == self._take_over:
                log.warning("an empty store counts as new: takeOver is this installation")
        if not self._recorded:  # another replica may have done it since
            found = await self._cluster.find(CONFIGMAPS, STORE_CLAIM, system_namespace()) or {}
            self._recorded = (found.get("data") or {}).get("installation") == self._installation
        await self._custody.claim_store(self._installation, self._take_over, self._recorded)
        if not self._recorded:
            record = {"installation": self._installation}
            await configmap.save(self._cluster, STORE_CLAIM, record)
            self._recorded = True

    def _refuse(self, why: str) -> None:
        if self.refused != why:
            log.error("store claim refused", extra={"detail": why})
        self.refused = why
        metrics.STORE_FOREIGN.set(1)
