"""All facts about one resource that its reconciler decides on."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from simulacra_crds.contract.names import child_name
from simulacra_crds.kinds.tenant import TenantSpec
from simulacra_crds.kube.client import Object
from simulacra_operator.settings import Settings
from simulacra_operator.work.custom_resource import Subject, tenant_of

TASKS = {
    "Dataset": "prepare",
    "Model": "fit",
    "GenerationJob": "generate",
    "EffectEstimate": "estimate",
}
"""The one task of each kind; part of its Job's name."""


class Fault(Enum):
    """Which port refused at the last attempt."""

    CUSTODY = "object store or key provider"
    AUDIT = "audit log"
    CLUSTER = "Kubernetes API"
    INTERNAL = "operator"


@dataclass(frozen=True)
class Observed:
    """The world around one resource, read afresh for every pass.

    Attributes:
        now: time of the pass.
        subject: the resource.
        settings: what the Jobs run with.
        tenant: the Tenant that owns its namespace, None when there is none.
        dataset: the Dataset of a Model.
        model: the Model of a generation or an estimate.
        job: its Job.
        pods: the pods of its Job, also those that outlived it.
        service: the headless Service of a Job of several workers, if it has one.
        dependants: resources that must go before it goes; read only while it is being deleted.
        stored_bytes: what the tenant has stored; read only for a Dataset that is about to be read from an object.
        place: whether the tenant's quota of concurrent Jobs has a place for it; of no matter where it would not start.
        fault: what failed at the last attempt, None after a pass without failure.
    """

    now: datetime
    subject: Subject
    settings: Settings
    tenant: Subject | None = None
    dataset: Subject | None = None
    model: Subject | None = None
    job: Object | None = None
    pods: tuple[Object, ...] = ()
    service: Object | None = None
    dependants: tuple[Subject, ...] = field(default=())
    stored_bytes: int = 0
    place: bool = True
    fault: Fault | None = None

    @property
    def tenant_name(self) -> str | None:
        """Name of the tenant whose namespace it is in."""
        return tenant_of(self.subject.meta.namespace)

    @property
    def tenant_spec(self) -> TenantSpec:
        """The tenant's spec, with defaults when the Tenant is gone or unreadable."""
        spec = self.tenant.spec if self.tenant else None
        return spec if isinstance(spec, TenantSpec) else TenantSpec()

    @property
    def job_name(self) -> str:
        """The name that its Job has or would have."""
        return child_name(self.subject.meta.name, self.subject.meta.uid, TASKS[self.subject.kind])

    @property
    def suspended(self) -> bool:
        """Whether the work must not run now."""
        return bool(self.subject.spec and self.subject.spec.suspend) or self.tenant_spec.suspend
