"""What the operator serves: every tenant of the cluster, or those in the namespaces that the settings list.

With a list it needs no right over namespaced kinds anywhere else. Namespaces, Tenants and definitions are then made by
the cluster's administrator, and it touches no Tenant whose namespace is not listed.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Self

from simulacra_crds.contract.names import tenant_namespace
from simulacra_crds.kinds.tenant import TENANT_PATTERN
from simulacra_crds.kube.client import ApiResource, Object
from simulacra_operator.runtime.metered_client import CountedCluster
from simulacra_operator.work.custom_resource import Key, tenant_of

NAMESPACES_VARIABLE = "SIMULACRA_NAMESPACES"


@dataclass(frozen=True)
class Scope:
    """The namespaces that are served; none listed: all."""

    namespaces: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Scope:
        """Read a list that commas separate.

        Raises:
            ValueError: naming the variable and what it must look like.
        """
        names = tuple(sorted({part.strip() for part in text.split(",") if part.strip()}))
        if not all(re.fullmatch(TENANT_PATTERN, tenant_of(name) or "") for name in names):
            form = f"{tenant_namespace('acme')},{tenant_namespace('globex')}"
            raise ValueError(
                f"{NAMESPACES_VARIABLE} is malformed: list tenants' namespaces, for example {form}"
            )
        return cls(names)

    @property
    def everywhere(self) -> bool:
        """Whether the whole cluster is served."""
        return not self.namespaces

    @property
    def tenants(self) -> frozenset[str] | None:
        """Names of the tenants that are served, None for all."""
        return (
            None
            if self.everywhere
            else frozenset(tenant_of(name) or "" for name in self.namespaces)
        )

    def each(self) -> tuple[str | None, ...]:
        """Return the namespaces to look into one by one; None is all of them at once."""
        return self.namespaces or (None,)

    def serves(self, key: Key) -> bool:
        """Whether a resource is this operator's business."""
        namespace = tenant_namespace(key.name) if key.kind == "Tenant" else key.namespace
        return self.everywhere or namespace is None or namespace in self.namespaces


class ScopedCluster(CountedCluster):
    """The client of an operator: what it lists without a namespace is what it serves."""

    scope = Scope()

    def within(self, scope: Scope) -> Self:
        """Look no further than a scope, from now on."""
        self.scope = scope
        return self

    async def list(
        self,
        resource: ApiResource,
        namespace: str | None = None,
        *,
        labels: str | None = None,
        fields: str | None = None,
        page: int = 500,
    ) -> AsyncIterator[Object]:
        """Yield every object that is served; see `Cluster.list`."""
        for one in (namespace,) if namespace or not resource.namespaced else self.scope.each():
            async for body in super().list(resource, one, labels=labels, fields=fields, page=page):
                yield body
