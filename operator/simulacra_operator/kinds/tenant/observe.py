"""Everything that the reconciler knows about one tenant, and how it is read."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime

from simulacra_crds import rotation_notice, tombstone, webhook
from simulacra_crds.kinds.base import LABEL_KIND, LABEL_TENANT
from simulacra_crds.kinds.tenant import POD_SECRET, TENANT_PATTERN, Encryption
from simulacra_crds.kube import client as kube
from simulacra_crds.kube.client import ApiResource, Cluster, Object
from simulacra_crds.names import system_namespace, tenant_namespace
from simulacra_operator.kinds.tenant import manifests
from simulacra_operator.observed.custom_resource import CustomResource, Key, parse
from simulacra_operator.observed.observe import Fault
from simulacra_operator.pod_access import PodAccess

_CONFIG = f"{LABEL_KIND} in ({webhook.KIND},{tombstone.KIND},{rotation_notice.KIND})"


@dataclass(frozen=True)
class KeyCheck:
    """Result of the last key check in this process; `failed_step` is None when it passed."""

    at: datetime
    failed_step: str | None
    encryption: Encryption = field(default_factory=Encryption)


@dataclass(frozen=True)
class TenantObserved:
    """The state of one tenant, read for one pass.

    Attributes:
        prepared: whether the cluster's administrator creates namespaces; then the operator, not
            kopf, keeps the finalizer.
        objects: the guard rails that exist.
        access: how pods reach the store and the keys.
        environment: data for the copy of the pods' Secret, base64; None: there is no copy to keep.
        check: the last key check.
        dependants: every custom resource in the namespace; read only during a deletion.
        left: objects created in a prepared namespace; read only once the dependants are gone.
        fault: the dependency that failed in the last pass.
    """

    now: datetime
    resource: CustomResource
    namespace: Object | None = None
    prepared: bool = False
    objects: tuple[Object, ...] = field(default=(), repr=False)
    access: PodAccess = field(default_factory=PodAccess)
    environment: dict[str, str] | None = field(default=None, repr=False)
    check: KeyCheck | None = None
    dependants: tuple[CustomResource, ...] = ()
    left: tuple[tuple[ApiResource, Object], ...] = field(default=(), repr=False)
    fault: Fault | None = None

    @property
    def namespace_name(self) -> str:
        """Name of the namespace, whether it exists or not."""
        return tenant_namespace(self.resource.meta.name)

    @property
    def valid_name(self) -> bool:
        """Whether a namespace can have the name; Tenants older than this rule may be longer."""
        return re.fullmatch(TENANT_PATTERN, self.resource.meta.name) is not None

    @property
    def missing_labels(self) -> dict[str, str]:
        """Labels that the administrator's namespace needs and lacks."""
        restricted = {"pod-security.kubernetes.io/enforce": "restricted"}
        wanted = {LABEL_TENANT: self.resource.meta.name, **restricted}
        labels = self.namespace["metadata"].get("labels", {}) if self.namespace else {}
        return {name: value for name, value in wanted.items() if labels.get(name) != value}

    @property
    def owns_namespace(self) -> bool:
        """Whether the namespace was created for this Tenant, or prepared for its name."""
        if self.namespace is None:
            return False
        if self.prepared:
            return not self.missing_labels
        return manifests.is_made_for(self.resource, self.namespace)

    @property
    def lacks_secret(self) -> bool:
        """Whether the Secret for the pods is missing."""
        return self.access.secret is not None and self.environment is None


class TenantObserver:
    """Reads the state that the tenants' reconciler needs."""

    def __init__(self, cluster: Cluster, access: PodAccess, *, prepared: bool = False) -> None:
        self._cluster = cluster
        self._access = access
        self._prepared = prepared

    async def observe(
        self, key: Key, now: datetime, fault: Fault | None, checks: dict[str, KeyCheck]
    ) -> TenantObserved | None:
        """Return the state of a tenant, None when it is gone."""
        found = await self._cluster.find(kube.TENANTS, key.name)
        if found is None:
            return None
        tenant, name = parse({"kind": "Tenant", **found}), tenant_namespace(key.name)
        namespace = await self._cluster.find(kube.NAMESPACES, name)
        exists = namespace is not None
        kept = exists and not tenant.deleting
        ending = exists and tenant.deleting
        environment = await self._environment(name) if kept else None
        rails = [one async for one in self._rails(tenant, environment)] if kept else []
        dependants = [one async for one in self._dependants(name)] if ending else []
        last = self._prepared and ending and not dependants
        left = [one async for one in self._left(tenant)] if last else []
        return TenantObserved(
            now=now,
            resource=tenant,
            namespace=namespace,
            prepared=self._prepared,
            objects=tuple(rails),
            access=self._access,
            environment=environment,
            check=checks.get(tenant.meta.uid),
            dependants=tuple(dependants),
            left=tuple(left),
            fault=fault,
        )

    async def _environment(self, namespace: str) -> dict[str, str] | None:
        """Return the data for the tenant's copy; empty once the setting is removed."""
        if self._access.secret is not None:
            source = await self._cluster.find(kube.SECRETS, self._access.secret, system_namespace())
            return None if source is None else source.get("data") or {}
        return None if await self._cluster.find(kube.SECRETS, POD_SECRET, namespace) is None else {}

    async def _rails(
        self, tenant: CustomResource, environment: dict[str, str] | None
    ) -> AsyncIterator[Object]:
        namespace = tenant_namespace(tenant.meta.name)
        for api, manifest in manifests.guard_rails(tenant, self._access, environment):
            found = await self._cluster.find(api, manifest["metadata"]["name"], namespace)
            if found is not None:
                yield {"kind": api.kind, **found}

    async def _left(self, tenant: CustomResource) -> AsyncIterator[tuple[ApiResource, Object]]:
        """Yield what we created in a namespace that stays: guard rails, webhooks, tombstones."""
        namespace = tenant_namespace(tenant.meta.name)
        for api, manifest in manifests.guard_rails(tenant, self._access, environment={}):
            found = await self._cluster.find(api, manifest["metadata"]["name"], namespace)
            if found is not None and manifests.is_made_for(tenant, found):
                yield api, found
        async for found in self._cluster.list(kube.CONFIGMAPS, namespace, labels=_CONFIG):
            yield kube.CONFIGMAPS, found

    async def _dependants(self, namespace: str) -> AsyncIterator[CustomResource]:
        for api in kube.WORK_RESOURCES:
            async for body in self._cluster.list(api, namespace):
                yield parse(body)
