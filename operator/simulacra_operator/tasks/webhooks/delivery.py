"""Delivers what is due, again and again until it arrives or its tries are used up.

Every look starts from the facts in the cluster, so what was not delivered when the operator died is delivered after its
restart. Only the pauses between tries are kept in memory. Each receiver has its own turn: one that hangs delays nobody.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass

from pydantic import ValidationError

from simulacra_crds.contract.webhook import (
    DISABLED,
    NOTIFIED,
    SELECTOR,
    WebhookTarget,
    id_of,
    is_webhook,
    sealing_purpose,
)
from simulacra_crds.kinds.base import utcnow
from simulacra_crds.kube.client import CONFIGMAPS, CUSTOM, Cluster, ClusterError, NotFound, Object
from simulacra_custody.errors import CustodyError
from simulacra_operator import metrics
from simulacra_operator.kinds.tenant.observe import WORK_RESOURCES
from simulacra_operator.runtime.custody_client import Custodian
from simulacra_operator.tasks.webhooks.pending import Notice, endings, notices
from simulacra_operator.tasks.webhooks.send import Forbidden, send
from simulacra_operator.work.custom_resource import parse, tenant_of

log = logging.getLogger(__name__)
LOOK_S = 3.0
PAUSES_S = (5.0, 30.0, 120.0, 600.0, 3600.0, 3 * 3600.0, 6 * 3600.0, 12 * 3600.0)
"""Between one try and the next; after the last of them a message is given up."""
GONE = 410


@dataclass
class _Tries:
    """Tries of one message: how many, and the loop's time before which there is no other."""

    count: int = 0
    not_before: float = 0.0


class WebhookDuty:
    """Create it inside the event loop that it runs in."""

    def __init__(self, cluster: Cluster, custodian: Custodian, *, allow_private: bool) -> None:
        self._cluster, self._custodian, self._allow_private = cluster, custodian, allow_private
        self._tries: dict[str, _Tries] = {}
        self._busy: dict[str, asyncio.Task[None]] = {}
        self._strange = 0

    async def run(self) -> None:
        """Look and deliver until cancelled."""
        try:
            while True:
                try:
                    await self.look()
                except (ClusterError, ValueError) as error:
                    log.warning(
                        "webhooks were not looked at", extra={"error": type(error).__name__}
                    )
                await asyncio.sleep(LOOK_S)
        finally:
            for task in self._busy.values():
                task.cancel()

    async def look(self) -> None:
        """Find what is due and start delivering it, to each webhook in its turn."""
        due: dict[str, list[Notice]] = defaultdict(list)
        for namespace, webhooks in (await self._webhooks()).items():
            subjects = [
                parse(body)
                for resource in WORK_RESOURCES
                async for body in self._cluster.list(resource, namespace)
            ]
            for notice in notices(endings(subjects), webhooks):
                due[id_of(notice.webhook)].append(notice)
        waiting = {notice.id for found in due.values() for notice in found}
        self._tries = {name: tries for name, tries in self._tries.items() if name in waiting}
        for webhook, found in due.items():
            if webhook not in self._busy or self._busy[webhook].done():
                self._busy[webhook] = asyncio.create_task(self._deliver_all(found))
        self._busy = {name: task for name, task in self._busy.items() if not task.done()}

    async def _webhooks(self) -> dict[str, list[Object]]:
        """Return the webhooks by namespace; a ConfigMap that is none must not keep the others from being served."""
        found: dict[str, list[Object]] = defaultdict(list)
        strange = 0
        async for webhook in self._cluster.list(CONFIGMAPS, labels=SELECTOR):
            if tenant_of(webhook["metadata"]["namespace"]) and is_webhook(webhook):
                found[webhook["metadata"]["namespace"]].append(webhook)
            else:
                strange += 1
        if strange != self._strange:
            self._strange = strange
            log.warning(
                "ConfigMaps have the label of webhooks and are none", extra={"config_maps": strange}
            )
        return found

    async def _deliver_all(self, found: list[Notice]) -> None:
        for notice in found:
            try:
                await self._deliver(notice)
            except (
                ClusterError,
                CustodyError,
                ValidationError,
            ) as error:  # the next look finds it again
                log.warning("a webhook could not be served", extra={"error": type(error).__name__})
                return

    async def _deliver(self, notice: Notice) -> None:
        now, tries = asyncio.get_running_loop().time(), self._tries.setdefault(notice.id, _Tries())
        if now < tries.not_before:
            return
        status = await self._send(notice)
        if 200 <= status < 300:
            outcome = "delivered"
        elif status == GONE or tries.count >= len(PAUSES_S):
            outcome = "given up"
        else:
            outcome = "failed"
            tries.not_before = now + PAUSES_S[tries.count]
            tries.count += 1
        metrics.WEBHOOKS.labels(outcome).inc()
        if outcome != "failed":
            await self._note(notice)
        if status == GONE:
            await self._disable(notice.webhook)
        if outcome != "delivered":
            fields = {"webhook": id_of(notice.webhook), "status": status, "tries": tries.count}
            log.info("a webhook message was not taken", extra=fields)

    async def _send(self, notice: Notice) -> int:
        webhook = notice.webhook
        tenant = tenant_of(webhook["metadata"]["namespace"]) or ""
        opened = await self._custodian.unseal(
            tenant, sealing_purpose(id_of(webhook)), webhook["data"]["sealed"]
        )
        target = WebhookTarget.model_validate_json(opened)
        try:
            return await send(target, notice.id, notice.body, allow_private=self._allow_private)
        except Forbidden:
            log.warning("a webhook points to where none may", extra={"webhook": id_of(webhook)})
            return 0

    async def _note(self, notice: Notice) -> None:
        """Remember on the resource that this webhook need not be told any more."""
        subject = notice.ending.subject
        resource, key = CUSTOM[subject.kind], subject.key
        with suppress(NotFound):
            found = await self._cluster.get(resource, key.name, key.namespace)
            told = (found["metadata"].get("annotations") or {}).get(NOTIFIED, "").split()
            metadata = {
                "resourceVersion": found["metadata"]["resourceVersion"],
                "annotations": {NOTIFIED: " ".join(sorted({*told, id_of(notice.webhook)}))},
            }
            if found["metadata"]["uid"] == subject.meta.uid:
                await self._cluster.patch(resource, key.name, {"metadata": metadata}, key.namespace)

    async def _disable(self, webhook: Object) -> None:
        patch = {"metadata": {"annotations": {DISABLED: utcnow().isoformat(timespec="seconds")}}}
        with suppress(NotFound):
            await self._cluster.patch(
                CONFIGMAPS, webhook["metadata"]["name"], patch, webhook["metadata"]["namespace"]
            )
