"""Messages that webhooks still have to get, computed from resources alone.

A job is a Dataset with its Model, a GenerationJob or an EffectEstimate. An annotation of the
resource lists the notified webhooks, so restarts and missed events make no difference.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from simulacra_crds.contract.names import job_id, model_name
from simulacra_crds.contract.webhook import DISABLED, NOTIFIED, EventName, created_of, id_of
from simulacra_crds.kinds.base import ANNOTATION_CANCELLED, LABEL_DATASET, Phase
from simulacra_crds.kube.client import Object
from simulacra_operator.work.custom_resource import CustomResource

_EVENTS: dict[str | None, EventName] = {
    Phase.READY: "job.ready",
    Phase.PARTIAL: "job.partial",
    Phase.FAILED: "job.failed",
}
_IDS = {"GenerationJob": "generation_id", "EffectEstimate": "effect_id"}


@dataclass(frozen=True)
class JobEnd:
    """End of a job: its resource, the event, and when it ended."""

    resource: CustomResource
    event: EventName
    at: datetime

    @property
    def notified(self) -> list[str]:
        """Ids of the notified webhooks."""
        return self.resource.meta.annotations.get(NOTIFIED, "").split()


@dataclass(frozen=True)
class Message:
    """One message to one webhook; `id` is the same in each attempt, for receivers."""

    end: JobEnd
    webhook: Object

    @property
    def id(self) -> str:
        """The message's id."""
        text = f"{id_of(self.webhook)}\x1f{self.end.resource.meta.uid}\x1f{self.end.event}"
        return f"msg_{hashlib.sha256(text.encode()).hexdigest()[:32]}"

    @property
    def body(self) -> bytes:
        """The message: ids and a status, never data."""
        resource, event = self.end.resource, self.end.event
        name, field = resource.meta.name, _IDS.get(resource.kind)
        data = {"job_id": job_id(name), "status": event.removeprefix("job.")}
        data["dataset_id"] = resource.meta.labels.get(LABEL_DATASET, "") if field else name
        if field:
            data[field] = name
        message = {"type": event, "timestamp": self.end.at.isoformat(), "data": data}
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


def pending(ends: Iterable[JobEnd], webhooks: Iterable[Object]) -> Iterator[Message]:
    """Yield the messages to webhooks that subscribed before the end and were not notified."""
    active = [one for one in webhooks if not _is_disabled(one)]
    subscribed = [(one, json.loads(one["data"]["events"])) for one in active]
    for end in ends:
        for webhook, events in subscribed:
            notified = id_of(webhook) in end.notified
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
