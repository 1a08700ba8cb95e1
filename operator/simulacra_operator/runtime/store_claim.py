"""Whether the store is this installation's: nothing is begun, swept or erased in one that is another's.

The installation is named by the uid of the namespace `kube-system`, which is the cluster's for as long as it lives: a
cluster has one installation (ADR 0030), and which objects are orphans only its own resources can say. So the name stays
over upgrades, reinstallations and lost Secrets, and a cluster that was made anew from a backup is another one.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Never

from simulacra_crds.kube.client import NAMESPACES, Cluster, ClusterError
from simulacra_custody.errors import CustodyError, StoreForeign
from simulacra_operator import metrics
from simulacra_operator.runtime.custody_client import Custodian

log = logging.getLogger(__name__)
CLUSTER_NAMESPACE = "kube-system"
LOOK_S = 60.0
ANSWER_S = 40.0
"""A store that does not answer within this time must not keep the operator from the rest of its work."""
WAIT_S = 10.0


class Ownership:
    """The claim to the store as one process sees it."""

    def __init__(self, cluster: Cluster, custodian: Custodian, take_over: str | None) -> None:
        self._cluster, self._custodian, self._take_over = cluster, custodian, take_over
        self._installation: str | None = None
        self.refused: str | None = "it is not known yet whose store it is"
        """Why nothing may be done, None while it may."""

    async def acquire(self) -> None:
        """Return once the store is ours, or while nobody can say: what is destructive asks again by itself."""
        while True:
            try:
                async with asyncio.timeout(ANSWER_S):
                    await self._claim()
            except StoreForeign as error:
                self._refuse(str(error))
            except ClusterError as error:
                log.warning("the cluster's id cannot be read", extra={"status": error.status})
            except (CustodyError, TimeoutError) as error:
                log.warning(
                    "the store does not say whose it is", extra={"error": type(error).__name__}
                )
                break
            else:
                break
            await asyncio.sleep(WAIT_S)
        self.refused = None
        metrics.STORE_FOREIGN.set(0)

    async def hold(self) -> Never:
        """Look every minute until cancelled.

        Raises:
            StoreForeign: another installation took the store over.
        """
        while True:
            try:
                await self._claim()
            except StoreForeign:
                raise
            except (CustodyError, ClusterError) as error:
                log.warning(
                    "the store does not say whose it is", extra={"error": type(error).__name__}
                )
            await asyncio.sleep(LOOK_S)

    async def _claim(self) -> None:
        if self._installation is None:
            self._installation = (await self._cluster.get(NAMESPACES, CLUSTER_NAMESPACE))[
                "metadata"
            ]["uid"]
        await self._custodian.own_store(self._installation, self._take_over)

    def _refuse(self, why: str) -> None:
        if self.refused != why:
            log.error("the store is another installation's; nothing is done", extra={"what": why})
        self.refused = why
        metrics.STORE_FOREIGN.set(1)
