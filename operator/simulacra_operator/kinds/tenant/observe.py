"""Reads the world around one tenant."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime

from simulacra_crds.contract import tombstone, webhook
from simulacra_crds.contract.names import system_namespace, tenant_namespace
from simulacra_crds.kinds.base import LABEL_KIND
from simulacra_crds.kube.client import (
    CONFIGMAPS,
    DATASETS,
    EFFECT_ESTIMATES,
    GENERATION_JOBS,
    MODELS,
    NAMESPACES,
    SECRETS,
    TENANTS,
    ApiResource,
    Cluster,
    Object,
)
from simulacra_operator.kinds.tenant import manifests
from simulacra_operator.kinds.tenant.observed import KeyCheck, TenantObserved
from simulacra_operator.work.custom_resource import Key, Subject, parse
from simulacra_operator.work.observed import Fault
from simulacra_operator.work.pod_access import COPY, PodAccess

WORK_RESOURCES = (DATASETS, MODELS, GENERATION_JOBS, EFFECT_ESTIMATES)
_CONFIG = f"{LABEL_KIND} in ({webhook.KIND},{tombstone.KIND})"


class TenantObserver:
    """Gathers the facts that the tenants' reconciler decides on."""

    def __init__(self, cluster: Cluster, access: PodAccess, *, prepared: bool = False) -> None:
        self._cluster, self._access, self._prepared = cluster, access, prepared

    async def observe(
        self, key: Key, now: datetime, fault: Fault | None, checks: dict[str, KeyCheck]
    ) -> TenantObserved | None:
        """Return the facts about a tenant, None when it is gone."""
        found = await self._cluster.find(TENANTS, key.name)
        if found is None:
            return None
        subject = parse({"kind": "Tenant", **found})
        namespace = await self._cluster.find(NAMESPACES, tenant_namespace(key.name))
        stays = namespace is not None and not subject.deleting
        environment = await self._environment(tenant_namespace(key.name)) if stays else None
        rails = [one async for one in self._rails(subject, environment)] if stays else []
        dependants = (
            [one async for one in self._dependants(subject)]
            if namespace and subject.deleting
            else []
        )
        last = self._prepared and namespace and subject.deleting and not dependants
        left = [one async for one in self._left(subject)] if last else []
        return TenantObserved(
            now=now,
            subject=subject,
            namespace=namespace,
            objects=tuple(rails),
            prepared=self._prepared,
            access=self._access,
            environment=environment,
            check=checks.get(subject.meta.uid),
            dependants=tuple(dependants),
            left=tuple(left),
            fault=fault,
        )

    async def _environment(self, namespace: str) -> dict[str, str] | None:
        """What the tenant's copy is to hold: what the source holds, or nothing once the setting is gone."""
        if self._access.secret is not None:
            source = await self._cluster.find(SECRETS, self._access.secret, system_namespace())
            return None if source is None else source.get("data") or {}
        return None if await self._cluster.find(SECRETS, COPY, namespace) is None else {}

    async def _rails(
        self, tenant: Subject, environment: dict[str, str] | None
    ) -> AsyncIterator[Object]:
        namespace = tenant_namespace(tenant.meta.name)
        for resource, manifest in manifests.guard_rails(tenant, self._access, environment):
            found = await self._cluster.find(resource, manifest["metadata"]["name"], namespace)
            if found is not None:
                yield {"kind": resource.kind, **found}

    async def _left(self, tenant: Subject) -> AsyncIterator[tuple[ApiResource, Object]]:
        """Yield what this product made in a namespace that stays: guard rails, webhooks, remembered keys."""
        namespace = tenant_namespace(tenant.meta.name)
        for resource, manifest in manifests.guard_rails(tenant, self._access, environment={}):
            found = await self._cluster.find(resource, manifest["metadata"]["name"], namespace)
            if found is not None and manifests.is_made_for(tenant, found):
                yield resource, found
        async for found in self._cluster.list(CONFIGMAPS, namespace, labels=_CONFIG):
            yield CONFIGMAPS, found

    async def _dependants(self, tenant: Subject) -> AsyncIterator[Subject]:
        for resource in WORK_RESOURCES:
            async for body in self._cluster.list(resource, tenant_namespace(tenant.meta.name)):
                yield parse(body)
