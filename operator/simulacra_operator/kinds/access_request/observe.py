"""All facts about one AccessRequest that its reconciler decides on, and how they are read."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime

from simulacra_crds.kube.client import ACCESS_REQUESTS, TENANTS, Cluster
from simulacra_operator.work.custom_resource import Key, Subject, parse


@dataclass(frozen=True)
class AccessObserved:
    """The world around one AccessRequest.

    Attributes:
        now: time of the pass.
        subject: the AccessRequest.
        tenant: the Tenant of its name, None when there is none.
        external: whether an identity provider makes the clients.
        prepared: whether the cluster's administrator makes the Tenants, and not this operator.
    """

    now: datetime
    subject: Subject
    tenant: Subject | None = None
    external: bool = False
    prepared: bool = False

    @property
    def client_id(self) -> str | None:
        """The requester's client id; None while the identity provider has made none."""
        known: str | None = self.subject.status.client_id
        return known or (None if self.external else f"sim-{_digest(self.subject)[:16]}")

    @property
    def tenant_name(self) -> str:
        """The name that the request's Tenant has or would have."""
        return tenant_name(self.subject)


def tenant_name(request: Subject) -> str:
    """Return the Tenant's name: one already made, else what is legible of the company, and a digest of the uid."""
    if request.status.tenant is not None:
        return str(request.status.tenant)
    company = request.spec.company if request.spec else ""
    slug = re.sub(r"[^a-z0-9]+", "-", company.lower())[:24].strip("-")
    return f"{slug or 'tenant'}-{_digest(request)[:8]}"


async def observe(
    cluster: Cluster, key: Key, now: datetime, *, external: bool, prepared: bool
) -> AccessObserved | None:
    """Return the facts about an AccessRequest, None when it is gone."""
    found = await cluster.find(ACCESS_REQUESTS, key.name)
    if found is None:
        return None
    subject = parse({"kind": "AccessRequest", **found})
    tenant = await cluster.find(TENANTS, tenant_name(subject))
    found_tenant = parse({"kind": "Tenant", **tenant}) if tenant else None
    return AccessObserved(now, subject, found_tenant, external, prepared)


def _digest(request: Subject) -> str:
    return hashlib.sha256(request.meta.uid.encode()).hexdigest()
