"""Tenants that this operator serves: all of the cluster, or those of the listed namespaces.

With a list, it needs no right over namespaced kinds elsewhere. The cluster's administrator then
creates namespaces, Tenants and definitions, and the operator ignores all other Tenants.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from simulacra_crds.kinds.tenant import TENANT_PATTERN
from simulacra_crds.names import tenant_namespace
from simulacra_operator.observed.custom_resource import Key, tenant_of

NAMESPACES_VARIABLE = "SIMULACRA_NAMESPACES"


@dataclass(frozen=True)
class Scope:
    """The served namespaces; an empty tuple means all."""

    namespaces: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Scope:
        """Parse a comma-separated list.

        Raises:
            ValueError: the list is malformed; the message names the variable and its form.
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
        """Names of the served tenants, None for all."""
        if self.everywhere:
            return None
        return frozenset(tenant_of(name) or "" for name in self.namespaces)

    def each(self) -> tuple[str | None, ...]:
        """Return the namespaces to list one by one; None stands for all at once."""
        return self.namespaces or (None,)

    def serves(self, key: Key) -> bool:
        """Return whether a resource belongs to this operator."""
        namespace = tenant_namespace(key.name) if key.kind == "Tenant" else key.namespace
        return self.everywhere or namespace is None or namespace in self.namespaces
