"""Delivery of pending messages, with retries until a webhook accepts them or they are given up.

Every poll starts from the cluster's state, so a message that the operator did not deliver before it
died is delivered after its restart. Only the pauses between attempts are in memory. Each webhook
has its own task: one that hangs delays no other.
"""

import asyncio
import logging
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass

from pydantic import ValidationError

from simulacra_crds import rotation_notice
from simulacra_crds.kinds.base import utcnow
from simulacra_crds.kube.client import CONFIGMAPS, WORK_RESOURCES, Cluster, NotFound, Object
from simulacra_crds.webhook import (
    DISABLED,
    NOTIFIED,
    SELECTOR,
    WebhookTarget,
    id_of,
    is_webhook,
    sealing_purpose,
)
from simulacra_custody.keys.sealed_secrets import unseal
from simulacra_operator import metrics
from simulacra_operator.observed.custom_resource import parse, tenant_of
from simulacra_operator.runtime.custody_client import CustodyClient
from simulacra_operator.tasks.periodic import EXPECTED, Periodic, logged
from simulacra_operator.tasks.webhooks.pending import Message, SecretRotated, job_ends, pending
from simulacra_operator.tasks.webhooks.send import Forbidden, send

log = logging.getLogger(__name__)
POLL_S = 3.0
PAUSES_S = (5.0, 30.0, 120.0, 600.0, 3600.0, 3 * 3600.0, 6 * 3600.0, 12 * 3600.0)
"""Pauses between attempts; after the last one a message is given up."""
GONE = 410


@dataclass
class _Attempts:
    """Attempts of one message: their number, and the loop's time of the next one."""

    count: int = 0
    not_before: float = 0.0


class WebhookDelivery:
    """Delivers messages. Create it inside its event loop."""

    def __init__(self, cluster: Cluster, custody: CustodyClient, *, allow_private: bool) -> None:
        self._cluster = cluster
        self._custody = custody
        self._allow_private = allow_private
        self._attempts: dict[str, _Attempts] = {}
        self._busy: dict[str, asyncio.Task[None]] = {}
        self._invalid = 0

    async def run(self) -> None:
        """Poll and deliver until cancelled."""
        expected = (*EXPECTED, ValueError)
        try:
            await Periodic("webhook delivery", POLL_S, self.poll, expected).run()
        finally:
            for task in self._busy.values():
                task.cancel()

    async def poll(self) -> None:
        """Find pending messages and start their delivery, one task per webhook."""
        messages: dict[str, list[Message]] = defaultdict(list)
        notices: dict[str, list[SecretRotated]] = defaultdict(list)
        async for notice in self._cluster.list(CONFIGMAPS, labels=rotation_notice.SELECTOR):
            notices[notice["metadata"]["namespace"]].append(SecretRotated(notice))
        for namespace, webhooks in (await self._webhooks()).items():
            resources = [
                parse(body)
                for api in WORK_RESOURCES
                async for body in self._cluster.list(api, namespace)
            ]
            for message in pending([*job_ends(resources), *notices[namespace]], webhooks):
                messages[id_of(message.webhook)].append(message)
        ids = {message.id for found in messages.values() for message in found}
        self._attempts = {name: one for name, one in self._attempts.items() if name in ids}
        for webhook, found in messages.items():
            if webhook not in self._busy or self._busy[webhook].done():
                self._busy[webhook] = asyncio.create_task(self._deliver_all(found))
        self._busy = {name: task for name, task in self._busy.items() if not task.done()}

    async def _webhooks(self) -> dict[str, list[Object]]:
        """Return the webhooks by namespace; an invalid ConfigMap must not block the others."""
        found: dict[str, list[Object]] = defaultdict(list)
        invalid = 0
        async for webhook in self._cluster.list(CONFIGMAPS, labels=SELECTOR):
            namespace = webhook["metadata"]["namespace"]
            if tenant_of(namespace) and is_webhook(webhook):
                found[namespace].append(webhook)
            else:
                invalid += 1
        if invalid != self._invalid:
            self._invalid = invalid
            log.warning("invalid webhook ConfigMaps found", extra={"config_maps": invalid})
        return found

    async def _deliver_all(self, found: list[Message]) -> None:
        with logged("webhook delivery", (*EXPECTED, ValidationError)):  # the next poll finds them
            for message in found:
                await self._deliver(message)

    async def _deliver(self, message: Message) -> None:
        now = asyncio.get_running_loop().time()
        attempts = self._attempts.setdefault(message.id, _Attempts())
        if now < attempts.not_before:
            return
        status = await self._send(message)
        if 200 <= status < 300:
            outcome = "delivered"
        elif status == GONE or attempts.count >= len(PAUSES_S):
            outcome = "given up"
        else:
            outcome = "failed"
            attempts.not_before = now + PAUSES_S[attempts.count]
            attempts.count += 1
        metrics.WEBHOOKS.labels(outcome).inc()
        if outcome != "failed":
            await self._mark_notified(message)
        if status == GONE:
            await self._disable(message.webhook)
        if outcome != "delivered":
            fields = {"webhook": id_of(message.webhook), "status": status}
            log.info("webhook message not accepted", extra={**fields, "attempts": attempts.count})

    async def _send(self, message: Message) -> int:
        webhook, keys = message.webhook, self._custody.keys
        tenant = tenant_of(webhook["metadata"]["namespace"]) or ""
        purpose, sealed = sealing_purpose(id_of(webhook)), webhook["data"]["sealed"]
        opened = await self._custody.run("unseal", unseal, keys, tenant, purpose, sealed)
        target = WebhookTarget.model_validate_json(opened)
        try:
            return await send(target, message.id, message.body, allow_private=self._allow_private)
        except Forbidden:
            log.warning("webhook address forbidden", extra={"webhook": id_of(webhook)})
            return 0

    async def _mark_notified(self, message: Message) -> None:
        """Add the webhook to the annotation of the resource or notice."""
        noted = message.end.object
        with suppress(NotFound):
            found = await self._cluster.get(noted.api, noted.name, noted.namespace)
            notified = (found["metadata"].get("annotations") or {}).get(NOTIFIED, "").split()
            metadata = {
                "resourceVersion": found["metadata"]["resourceVersion"],
                "annotations": {NOTIFIED: " ".join(sorted({*notified, id_of(message.webhook)}))},
            }
            if found["metadata"]["uid"] == noted.uid:
                patch = {"metadata": metadata}
                await self._cluster.patch(noted.api, noted.name, patch, noted.namespace)

    async def _disable(self, webhook: Object) -> None:
        meta, now = webhook["metadata"], utcnow().isoformat(timespec="seconds")
        patch = {"metadata": {"annotations": {DISABLED: now}}}
        with suppress(NotFound):
            await self._cluster.patch(CONFIGMAPS, meta["name"], patch, meta["namespace"])
