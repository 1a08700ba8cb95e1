"""Quota usage of a tenant, computed from its resources and the tombstones of deleted ones.

There is no counter that could drift: rows of the last 24 hours, stored bytes and unfinished jobs
are sums over the resources. A process reads them at most every two seconds per tenant and adds at
once what it accepts itself, so n processes may exceed a quota by what the others accept within two
seconds.
"""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from simulacra_api.http.problems import Problem
from simulacra_crds.kinds.base import utcnow
from simulacra_crds.kinds.tenant import Quotas, Tenant
from simulacra_crds.kube import client as kube
from simulacra_crds.kube.client import ApiResource, Cluster, Object
from simulacra_crds.names import tenant_namespace
from simulacra_crds.storage_usage import ENDED, stored_bytes
from simulacra_crds.tombstone import SELECTOR, read_tombstone

FRESH_SECONDS = 2.0
QUEUED_JOBS = 100
"""Jobs of a tenant that may wait, beside those that may run."""
DAY = timedelta(hours=24)


@dataclass
class Consumption:
    """Usage of a tenant.

    Attributes:
        running: jobs that run.
        waiting: jobs that have not started.
        stored_bytes: uploads and artifacts, in plain text.
        resources: number of resources by plural.
        rows: time and row count of each generation request.
    """

    running: int = 0
    waiting: int = 0
    stored_bytes: int = 0
    resources: dict[str, int] = field(default_factory=dict)
    rows: list[tuple[datetime, int]] = field(default_factory=list)

    def rows_of_day(self, now: datetime) -> int:
        """Return the rows requested in the 24 hours before `now`."""
        return sum(count for at, count in self.rows if at > now - DAY)

    def add(self, resource: ApiResource, body: Object, sign: int = 1) -> None:
        """Count one resource; with -1, uncount it."""
        self.resources[resource.plural] = self.resources.get(resource.plural, 0) + sign
        spec = body["spec"]
        status = body.get("status", {})
        self.stored_bytes += sign * stored_bytes(body)
        unfinished = status.get("phase") not in ENDED
        if resource == kube.GENERATION_JOBS:
            created = datetime.fromisoformat(body["metadata"]["creationTimestamp"])
            rows = status.get("rows", 0) if "given" in spec else spec.get("rowCount", 0)
            self.rows.append((created, sign * rows))
        if unfinished and not body["metadata"].get("deletionTimestamp"):
            running = status.get("phase") == "Running"
            self.running += sign * running
            self.waiting += sign * (not running)

    def check_jobs(self, quotas: Quotas) -> None:
        """Refuse (429) another job while too many are unfinished."""
        limit = quotas.concurrent_jobs + QUEUED_JOBS
        if self.running + self.waiting >= limit:
            detail = (
                f"The tenant has {limit} unfinished jobs, its limit. Wait until some have ended."
            )
            raise Problem("simio_too_many_jobs", detail, headers={"Retry-After": "10"})

    def check_rows(self, quotas: Quotas, wanted: int) -> None:
        """Refuse (402) rows above the daily quota; Retry-After says when they fit."""
        now = utcnow()
        left = quotas.rows_per_day - self.rows_of_day(now)
        if wanted <= left:
            return
        detail = f"/row_count: {max(0, left)} of {quotas.rows_per_day} rows per day are left."
        headers = {}
        for at, count in sorted(self.rows):
            left += count if at > now - DAY else 0
            if wanted <= left:
                headers["Retry-After"] = str(max(1, int((at + DAY - now).total_seconds())))
                break
        raise Problem("simio_quota_exceeded", detail, headers=headers)

    def bytes_left(self, quotas: Quotas) -> int:
        """Return the bytes left of the storage quota; 402 when there are none."""
        left = quotas.stored_bytes - self.stored_bytes
        if left <= 0:
            raise storage_full(quotas)
        return left


def storage_full(quotas: Quotas) -> Problem:
    """Return the 402 of a full storage quota."""
    detail = (
        f"Storage quota of {quotas.stored_bytes} bytes is full. "
        "Delete a dataset or ask the operator for more."
    )
    return Problem("simio_quota_exceeded", detail)


class QuotaLedger:
    """Usage of each tenant, read again when it is older than two seconds."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._read: dict[str, tuple[float, Consumption]] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    async def of(self, tenant: Tenant, *, fresh: bool = False) -> Consumption:
        """Return a tenant's usage; `counting` adds to it until it is read again."""
        name = tenant.metadata.name
        async with self._locks.setdefault(name, asyncio.Lock()):  # one read for all waiters
            at, known = self._read.get(name, (float("-inf"), Consumption()))
            if fresh or time.monotonic() - at > FRESH_SECONDS:
                known = await self._count(tenant_namespace(name))
                self._read[name] = time.monotonic(), known
            return known

    @contextmanager
    def counting(self, tenant: Tenant, resource: ApiResource, body: Object) -> Iterator[None]:
        """Count a resource while the block creates it, so that concurrent requests keep quotas."""
        _, known = self._read.get(tenant.metadata.name, (0.0, Consumption()))
        made = {**body, "metadata": {"creationTimestamp": utcnow().isoformat(), **body["metadata"]}}
        known.add(resource, made)
        try:
            yield
        except BaseException:
            known.add(resource, made, -1)
            raise

    def forget(self, tenant: Tenant) -> None:
        """Read the usage again at the next request: more is stored than was counted."""
        self._read.pop(tenant.metadata.name, None)

    async def _count(self, namespace: str) -> Consumption:
        counted = Consumption()
        for resource in kube.WORK_RESOURCES:
            async for body in self._cluster.list(resource, namespace):
                counted.add(resource, body)
        async for found in self._cluster.list(kube.CONFIGMAPS, namespace, labels=SELECTOR):
            tombstone = read_tombstone(found)
            if tombstone.rows is not None:
                counted.rows.append((tombstone.created, tombstone.rows))
        return counted
