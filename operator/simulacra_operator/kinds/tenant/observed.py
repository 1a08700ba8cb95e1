"""All facts about one tenant that its reconciler decides on."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from simulacra_crds.contract.names import tenant_namespace
from simulacra_crds.kinds.base import LABEL_TENANT
from simulacra_crds.kinds.tenant import TENANT_PATTERN, Encryption
from simulacra_crds.kube.client import ApiResource, Object
from simulacra_operator.work.custom_resource import Subject
from simulacra_operator.work.observed import Fault
from simulacra_operator.work.pod_access import PodAccess

CHECK_INTERVAL = timedelta(minutes=5)
CUSTOMER_CHECK_INTERVAL = timedelta(minutes=1)
"""How often the key of a customer is checked, who may disable it at any time; new work fails at once all the same."""
RECHECK_INTERVAL = timedelta(seconds=15)
"""How soon a key that failed its check is checked again."""


@dataclass(frozen=True)
class KeyCheck:
    """The answer of the last key check in this process: when, which step failed (None: all passed), and of what."""

    at: datetime
    failed_step: str | None
    encryption: Encryption = field(default_factory=Encryption)


@dataclass(frozen=True)
class TenantObserved:
    """The world around one tenant, read afresh for every pass.

    Attributes:
        now: time of the pass.
        subject: the Tenant.
        namespace: its namespace, None when there is none.
        prepared: whether the cluster's administrator makes namespaces; then the finalizer is kept here, not by kopf.
        objects: the guard rails that are there.
        access: what pods get to reach store and keys.
        environment: what the copy of the pods' Secret is to hold, base64; None: there is no copy to be kept.
        check: the last key check.
        dependants: every custom resource in the namespace; read only while the tenant is being deleted.
        left: what was made for it in a prepared namespace; read only once the dependants of a deleted one are gone.
        fault: what failed at the last attempt.
    """

    now: datetime
    subject: Subject
    namespace: Object | None = None
    prepared: bool = False
    objects: tuple[Object, ...] = field(default=(), repr=False)
    access: PodAccess = field(default_factory=PodAccess)
    environment: dict[str, str] | None = field(default=None, repr=False)
    check: KeyCheck | None = None
    dependants: tuple[Subject, ...] = ()
    left: tuple[tuple[ApiResource, Object], ...] = field(default=(), repr=False)
    fault: Fault | None = None

    @property
    def namespace_name(self) -> str:
        """The namespace that the tenant has or would have."""
        return tenant_namespace(self.subject.meta.name)

    @property
    def nameable(self) -> bool:
        """Whether a namespace can be called so; a Tenant that was made before its definition said so may be longer."""
        return re.fullmatch(TENANT_PATTERN, self.subject.meta.name) is not None

    @property
    def lacks_labels(self) -> dict[str, str]:
        """Labels that a namespace must have which the administrator made, and that it has not."""
        wanted = {
            LABEL_TENANT: self.subject.meta.name,
            "pod-security.kubernetes.io/enforce": "restricted",
        }
        there = self.namespace["metadata"].get("labels", {}) if self.namespace else {}
        return {name: value for name, value in wanted.items() if there.get(name) != value}

    @property
    def lacks_secret(self) -> bool:
        """Whether the Secret for the pods is not there."""
        return self.access.secret is not None and self.environment is None
