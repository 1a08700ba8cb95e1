"""Everything that a reconciler knows about one resource, and how it is read.

Each pass reads the resource and its Job from the API server. What many resources share (Tenant,
Dataset, Model) may be half a second old, but never older than its last event.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from simulacra_crds.kinds.base import (
    ANNOTATION_KEY_LOST,
    LABEL_DATASET,
    LABEL_GIVEN,
    LABEL_UID,
)
from simulacra_crds.kinds.tenant import TenantSpec
from simulacra_crds.kube import client as kube
from simulacra_crds.kube.client import Cluster, Object
from simulacra_crds.names import child_name
from simulacra_crds.reasons import Reason
from simulacra_crds.registry import BY_KIND
from simulacra_crds.storage_usage import stored_bytes
from simulacra_custody.refs import ResourceRef
from simulacra_operator.observed.custom_resource import CustomResource, Key, parse, tenant_of
from simulacra_operator.observed.ended_jobs import EndedJobs
from simulacra_operator.observed.placement import LABEL_WORKERS
from simulacra_operator.observed.pod_refusal import refusal
from simulacra_operator.observed.read_cache import ReadCache
from simulacra_operator.observed.schema_check import SchemaCheck
from simulacra_operator.observed.stored_results import ResultReader, fetch_results
from simulacra_operator.settings import Settings

_BEFORE_JOB = {
    Reason.AWAITING_UPLOAD,
    Reason.AWAITING_TENANT,
    Reason.AWAITING_DATASET,
    Reason.AWAITING_GIVEN_ROWS,
    Reason.AWAITING_MODEL,
    Reason.AWAITING_QUOTA,
}
"""Reasons of a resource that waits without a Job."""


_MISSING_KEY = (
    "The tenant's key is on record, and no key provider has it. Mount the keyring or restore the "
    f"provider; if the key is lost for good, annotate the Tenant with {ANNOTATION_KEY_LOST}=true."
)


class Fault(Enum):
    """The dependency whose call failed in the last pass."""

    STORE = "object store"
    KEYS = "key provider"
    MISSING_KEY = "keyring"
    AUDIT = "audit log"
    CLUSTER = "Kubernetes API"
    INTERNAL = "operator"

    @property
    def failed(self) -> str:
        """What a condition says about it."""
        if self is Fault.MISSING_KEY:
            return _MISSING_KEY
        return f"The call to the {self.value} failed."

    @property
    def of_custody(self) -> bool:
        """Whether SimulacraCustodyErrors says it."""
        return self in (Fault.STORE, Fault.KEYS, Fault.AUDIT)


@dataclass(frozen=True)
class Observed:
    """The state of one resource and of all it depends on, read for one pass.

    Attributes:
        tenant: the Tenant that owns the namespace, if there is one.
        dataset: the Dataset of a Model; of a result, that of its Model in deletion; of a
            completion, that of its Model.
        model: the Model of a generation or an estimate.
        given: the Dataset whose rows a generation completes, unless they are its Model's own.
        pods: the pods of its Job, including those that outlived it.
        service: the headless Service of a Job with several workers.
        dependants: resources to delete first; read only during a deletion.
        stored_bytes: the tenant's stored bytes; read only before a Dataset is read from an object.
        slot: whether it has a quota slot for its Job; meaningless unless it would start one.
        fault: the dependency that failed in the last pass, None when none did.
        refusal: what the API server or Kueue says about a Job without a pod.
        misfit: why the spec cannot fit the schema of its Dataset; looked at before its Job.
        vanished: whether a pod of its Job was deleted before its end, since the last pass.
    """

    now: datetime
    resource: CustomResource
    settings: Settings
    tenant: CustomResource | None = None
    dataset: CustomResource | None = None
    model: CustomResource | None = None
    given: CustomResource | None = None
    job: Object | None = None
    pods: tuple[Object, ...] = ()
    service: Object | None = None
    dependants: tuple[CustomResource, ...] = ()
    stored_bytes: int = 0
    slot: bool = True
    fault: Fault | None = None
    refusal: str = ""
    misfit: str = ""
    vanished: bool = False

    @property
    def tenant_name(self) -> str | None:
        """Name of the tenant that owns the namespace."""
        return tenant_of(self.resource.meta.namespace)

    @property
    def tenant_spec(self) -> TenantSpec:
        """The tenant's spec, or the defaults when it is missing or invalid."""
        spec = self.tenant.spec if self.tenant else None
        return spec if isinstance(spec, TenantSpec) else TenantSpec()

    @property
    def job_name(self) -> str:
        """Name of its Job, whether that exists or not."""
        meta = self.resource.meta
        return child_name(meta.name, meta.uid, BY_KIND[self.resource.kind].task)

    @property
    def own_job(self) -> Object | None:
        """Its Job; None when that belongs to another resource."""
        labels = self.job["metadata"].get("labels", {}) if self.job else {}
        return self.job if labels.get(LABEL_UID) == self.resource.meta.uid else None

    @property
    def suspended(self) -> bool:
        """Whether the resource or its tenant is suspended."""
        spec = self.resource.spec
        return bool(spec and spec.suspend) or self.tenant_spec.suspend


class WorkObserver:
    """Reads the state that the reconcilers of the work kinds need; checks: of specs."""

    def __init__(
        self,
        cluster: Cluster,
        settings: Settings,
        cache: ReadCache,
        ended: EndedJobs,
        results: ResultReader,
    ) -> None:
        self._cluster = cluster
        self._ended = ended
        self._settings = settings
        self._cache = cache
        self._results = results
        self._schemas = SchemaCheck(results)

    async def observe(self, key: Key, now: datetime, fault: Fault | None) -> Observed | None:
        """Return the state of a resource, None when it is gone."""
        resource = await self._cache.latest(key)
        if resource is None:
            return None
        job = await self._job(resource)
        importing = job is None and _imports(resource)
        pods = await self._pods(resource, job)
        dataset, model = await self._ancestors(resource)
        tenant = Key("Tenant", None, tenant_of(key.namespace) or "")
        return Observed(
            now=now,
            resource=resource,
            settings=self._settings,
            tenant=await self._find(tenant, fresh=resource.deleting or importing),
            dataset=dataset,
            model=model,
            given=await self._given(resource),
            job=job,
            pods=pods,
            service=await self._service(job),
            dependants=tuple([one async for one in self._dependants(resource)]),
            stored_bytes=await self._stored_bytes(key.namespace) if importing else 0,
            fault=fault,
            refusal=await refusal(self._cluster, job, pods, now),
            misfit="" if job is not None else await self._misfit(resource, dataset, model),
            vanished=job is not None and self._ended.misses(job, pods),
        )

    async def _job(self, resource: CustomResource) -> Object | None:
        """Return the Job of a resource; one that waits to start has none."""
        if _unstarted(resource):
            return None
        meta = resource.meta
        name = child_name(meta.name, meta.uid, BY_KIND[resource.kind].task)
        ended = self._ended.take(meta.namespace, name)
        return ended or await self._cluster.find(kube.JOBS, name, meta.namespace)

    async def _find(self, key: Key, *, fresh: bool) -> CustomResource | None:
        return await self._cache.find(key, fresh=fresh) if key.name else None

    async def _stored_bytes(self, namespace: str | None) -> int:
        total = 0
        for api in kube.WORK_RESOURCES:
            async for body in self._cluster.list(api, namespace):
                total += stored_bytes(body)
        return total

    async def _ancestors(
        self, resource: CustomResource
    ) -> tuple[CustomResource | None, CustomResource | None]:
        """Return the Dataset of a Model, or the Model of a result.

        A Model in deletion comes with its Dataset, which says whether that is an expiry. So does
        one whose rows are the donors of a completion.
        """
        spec, namespace, fresh = resource.spec, resource.meta.namespace, resource.deleting
        if spec is None or resource.kind == "Dataset" or (resource.finished and not fresh):
            return None, None
        if resource.kind == "Model":
            own = Key("Dataset", namespace, spec.dataset_ref.name)
            return await self._find(own, fresh=fresh), None
        model = await self._find(Key("Model", namespace, spec.model_ref.name), fresh=fresh)
        if model is None or model.spec is None:
            return None, model
        if not model.deleting and not _completes(resource):
            return None, model
        dataset = Key("Dataset", namespace, model.spec.dataset_ref.name)
        return await self._find(dataset, fresh=fresh), model

    async def _given(self, resource: CustomResource) -> CustomResource | None:
        """Return the Dataset that a completion names."""
        if resource.finished and not resource.deleting:
            return None
        name = given_name(resource)
        return await self._find(
            Key("Dataset", resource.meta.namespace, name), fresh=resource.deleting
        )

    async def _misfit(
        self,
        resource: CustomResource,
        dataset: CustomResource | None,
        model: CustomResource | None,
    ) -> str:
        """Return why a spec cannot fit the Dataset that its work would be about."""
        if resource.finished or resource.deleting:
            return ""
        if model is not None and model.ready and model.spec is not None:
            own = Key("Dataset", resource.meta.namespace, model.spec.dataset_ref.name)
            dataset = await self._find(own, fresh=False)
        return await self._schemas.misfit(resource, dataset)

    async def _pods(self, resource: CustomResource, job: Object | None) -> tuple[Object, ...]:
        if job is None and not resource.deleting:
            return ()
        namespace, labels = resource.meta.namespace, f"{LABEL_UID}={resource.meta.uid}"
        pods = [pod async for pod in self._cluster.list(kube.PODS, namespace, labels=labels)]
        tenant, key = tenant_of(namespace), resource.status.wrapped_key
        if tenant is not None and key is not None and not (resource.deleting or resource.finished):
            ref = ResourceRef(tenant, resource.plural, resource.meta.uid)
            await fetch_results(pods, ref, key, self._results)
        return tuple(pods)

    async def _service(self, job: Object | None) -> Object | None:
        """Return the Service of a Job's workers, unless it belongs to an earlier Job."""
        if job is None or LABEL_WORKERS not in job["metadata"].get("labels", {}):
            return None
        meta = job["metadata"]
        found = await self._cluster.find(kube.SERVICES, meta["name"], meta["namespace"])
        owners = (found or {}).get("metadata", {}).get("ownerReferences") or ()
        return found if meta["uid"] in [one["uid"] for one in owners] else None

    async def _dependants(self, resource: CustomResource) -> AsyncIterator[CustomResource]:
        """Yield the resources that may have to go before a Dataset or a Model that is deleted.

        The results of a Dataset are found by label: the Model in between may be gone already. So
        are the completions of its rows by another Dataset's Model.
        """
        if not resource.deleting:
            return
        name, namespace = resource.meta.name, resource.meta.namespace
        if resource.kind == "Dataset":
            models = f"spec.datasetRef.name={name}"
            async for body in self._cluster.list(kube.MODELS, namespace, fields=models):
                yield parse(body)
        elif resource.kind != "Model":
            return
        labels = f"{LABEL_DATASET}={name}" if resource.kind == "Dataset" else None
        fields = f"spec.modelRef.name={name}" if resource.kind == "Model" else None
        for api in kube.RESULTS:
            async for body in self._cluster.list(api, namespace, labels=labels, fields=fields):
                yield parse(body)
        if resource.kind == "Dataset":
            given = f"{LABEL_GIVEN}={name}"
            async for body in self._cluster.list(kube.GENERATION_JOBS, namespace, labels=given):
                if body["metadata"]["labels"].get(LABEL_DATASET) != name:
                    yield parse(body)


def given_name(resource: CustomResource) -> str:
    """Return the name of the Dataset whose rows are completed, empty for the Model's own."""
    given = getattr(resource.spec, "given", None)
    return given.dataset_ref.name if given is not None and given.dataset_ref is not None else ""


def _completes(resource: CustomResource) -> bool:
    return getattr(resource.spec, "given", None) is not None


def _unstarted(resource: CustomResource) -> bool:
    """Return whether no Job was created: that follows a write of another reason to status."""
    reasons = {one.reason for one in resource.status.conditions if one.type == "Ready"}
    return not resource.deleting and reasons <= _BEFORE_JOB


def _imports(resource: CustomResource) -> bool:
    """Return whether a Dataset is yet to be read from an object.

    Its Tenant is read fresh then, because a refusal is final.
    """
    ended = resource.deleting or resource.finished
    if resource.kind != "Dataset" or resource.spec is None or ended:
        return False
    return bool(resource.spec.source.type == "Object")
