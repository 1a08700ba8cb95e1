"""Messages that webhooks still have to get, computed from resources alone.

A job is a Dataset with its Model, a GenerationJob or an estimate. A rotated secret has a
notice. An annotation of the resource or notice lists the notified webhooks, so restarts and missed
events make no difference.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from simulacra_crds import rotation_notice
from simulacra_crds.kinds.base import ANNOTATION_CANCELLED, LABEL_DATASET, Phase
from simulacra_crds.kube.client import CONFIGMAPS, CUSTOM, ApiResource, Object
from simulacra_crds.names import job_id, model_name
from simulacra_crds.registry import BY_KIND
from simulacra_crds.webhook import DISABLED, NOTIFIED, EventName, created_of, id_of
from simulacra_operator.observed.custom_resource import CustomResource

_EVENTS: dict[str | None, EventName] = {
    Phase.READY: "job.ready",
    Phase.PARTIAL: "job.partial",
    Phase.FAILED: "job.failed",
}


@dataclass(frozen=True)
class NotedObject:
    """The object whose annotation `noted` lists the notified webhooks."""

    api: ApiResource
    name: str
    namespace: str | None
    uid: str
    noted: str


@dataclass(frozen=True)
class JobEnd:
    """End of a job: its resource, the event, and when it ended."""

    resource: CustomResource
    event: EventName
    at: datetime

    @property
    def object(self) -> NotedObject:
        """The resource."""
        key, uid = self.resource.key, self.resource.meta.uid
        noted = self.resource.meta.annotations.get(NOTIFIED, "")
        return NotedObject(CUSTOM[self.resource.kind], key.name, key.namespace, uid, noted)

    @property
    def data(self) -> dict[str, str]:
        """The ids and the status of the job."""
        name, kind = self.resource.meta.name, self.resource.kind
        field = BY_KIND[kind].id_field if BY_KIND[kind].is_result else ""
        data = {"job_id": job_id(name, kind), "status": self.event.removeprefix("job.")}
        data["dataset_id"] = self.resource.meta.labels.get(LABEL_DATASET, "") if field else name
        return data | ({field: name} if field else {})


@dataclass(frozen=True)
class SecretRotated:
    """A claim gave a client a new secret; `notice` is the API's ConfigMap."""

    notice: Object
    event: EventName = rotation_notice.EVENT

    @property
    def at(self) -> datetime:
        """When it happened."""
        return created_of(self.notice)

    @property
    def object(self) -> NotedObject:
        """The notice."""
        meta = self.notice["metadata"]
        noted = (meta.get("annotations") or {}).get(NOTIFIED, "")
        return NotedObject(CONFIGMAPS, meta["name"], meta["namespace"], meta["uid"], noted)

    @property
    def data(self) -> dict[str, str]:
        """The ids of client and rotation."""
        return rotation_notice.content_of(self.notice)


@dataclass(frozen=True)
class Message:
    """One message to one webhook; `id` is the same in each attempt, for receivers."""

    end: JobEnd | SecretRotated
    webhook: Object

    @property
    def id(self) -> str:
        """The message's id."""
        text = f"{id_of(self.webhook)}\x1f{self.end.object.uid}\x1f{self.end.event}"
        return f"msg_{hashlib.sha256(text.encode()).hexdigest()[:32]}"

    @property
    def body(self) -> bytes:
        """The message: ids and a status, never data."""
        end = self.end
        message = {"type": end.event, "timestamp": end.at.isoformat(), "data": end.data}
        return json.dumps(message, separators=(",", ":")).encode()


def job_ends(resources: Iterable[CustomResource]) -> Iterator[JobEnd]:
    """Yield the ended jobs of all resources of a namespace."""
    everything = list(resources)
    models = {one.meta.name: one for one in everything if one.kind == "Model"}
    for one in everything:
        if one.kind == "Model" or one.deleting:
            continue
        last = one
        if one.kind == "Dataset" and one.status.phase == Phase.READY:
            model = models.get(model_name(one.meta.name))
            if model is None:
                continue  # not created yet, or deleted by itself
            last = model
        event = _EVENTS.get(last.status.phase)
        if any(ANNOTATION_CANCELLED in each.meta.annotations for each in (one, last)):
            event = "job.failed"  # cancelled by the customer
        if event is not None:
            at = last.status.finished_at or _cancelled_at(one, last) or one.created
            yield JobEnd(one, event, at)


def pending(
    ends: Iterable[JobEnd | SecretRotated], webhooks: Iterable[Object]
) -> Iterator[Message]:
    """Yield the messages to webhooks that subscribed before the end and were not notified."""
    active = [one for one in webhooks if not _is_disabled(one)]
    subscribed = [(one, json.loads(one["data"]["events"])) for one in active]
    for end in ends:
        for webhook, events in subscribed:
            notified = id_of(webhook) in end.object.noted.split()
            if not notified and end.event in events and end.at >= created_of(webhook):
                yield Message(end, webhook)


def _is_disabled(webhook: Object) -> bool:
    return DISABLED in (webhook["metadata"].get("annotations") or {})


def _cancelled_at(*resources: CustomResource) -> datetime | None:
    for one in resources:
        try:
            return datetime.fromisoformat(one.meta.annotations[ANNOTATION_CANCELLED])
        except (KeyError, ValueError):
            continue
    return None
