"""Which webhooks are still to be told of which jobs: from facts alone, so that restarts and missed events cost nothing.

A job is a Dataset with its Model, a GenerationJob or an EffectEstimate. Who was told is an annotation on the resource.
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
from simulacra_operator.work.custom_resource import Subject

CANCELLED = ANNOTATION_CANCELLED
"""Annotation by which the API says that the customer has given a work up: it counts as failed."""
_EVENTS: dict[str | None, EventName] = {
    Phase.READY: "job.ready",
    Phase.PARTIAL: "job.partial",
    Phase.FAILED: "job.failed",
}
_IDS = {"GenerationJob": "generation_id", "EffectEstimate": "effect_id"}


@dataclass(frozen=True)
class Ending:
    """The end of a job: what is announced, of which resource, and when it came."""

    subject: Subject
    event: EventName
    at: datetime

    @property
    def notified(self) -> list[str]:
        """Ids of the webhooks that need not be told any more."""
        return self.subject.meta.annotations.get(NOTIFIED, "").split()


@dataclass(frozen=True)
class Notice:
    """One message to one webhook. `id` is the same at each try, so that a receiver can drop what it has seen."""

    ending: Ending
    webhook: Object

    @property
    def id(self) -> str:
        """The message's id."""
        text = f"{id_of(self.webhook)}\x1f{self.ending.subject.meta.uid}\x1f{self.ending.event}"
        return f"msg_{hashlib.sha256(text.encode()).hexdigest()[:32]}"

    @property
    def body(self) -> bytes:
        """The message: ids and a status, never data."""
        subject, event = self.ending.subject, self.ending.event
        name, field = subject.meta.name, _IDS.get(subject.kind)
        data = {"job_id": job_id(name), "status": event.removeprefix("job.")}
        data["dataset_id"] = subject.meta.labels.get(LABEL_DATASET, "") if field else name
        if field:
            data[field] = name
        message = {"type": event, "timestamp": self.ending.at.isoformat(), "data": data}
        return json.dumps(message, separators=(",", ":")).encode()


def endings(subjects: Iterable[Subject]) -> Iterator[Ending]:
    """Yield the jobs that have ended, of all resources of a namespace."""
    everything = list(subjects)
    models = {one.meta.name: one for one in everything if one.kind == "Model"}
    for one in everything:
        if one.kind == "Model" or one.deleting:
            continue
        last = one
        if one.kind == "Dataset" and one.status.phase == Phase.READY:
            model = models.get(model_name(one.meta.name))
            if model is None:
                continue  # not made yet, or deleted by itself, which is nobody's news
            last = model
        event = _EVENTS.get(last.status.phase)
        if CANCELLED in one.meta.annotations or CANCELLED in last.meta.annotations:
            event = "job.failed"
        if event is not None:
            yield Ending(
                one, event, last.status.finished_at or _cancelled_at(one, last) or one.created
            )


def notices(ended: Iterable[Ending], webhooks: Iterable[Object]) -> Iterator[Notice]:
    """Yield what is still to be told: to webhooks that want it, were there when it came and were not told."""
    asking = [(one, json.loads(one["data"]["events"])) for one in webhooks if not _is_disabled(one)]
    for ending in ended:
        for webhook, events in asking:
            told = id_of(webhook) in ending.notified
            if not told and ending.event in events and ending.at >= created_of(webhook):
                yield Notice(ending, webhook)


def _is_disabled(webhook: Object) -> bool:
    return DISABLED in (webhook["metadata"].get("annotations") or {})


def _cancelled_at(*subjects: Subject) -> datetime | None:
    for one in subjects:
        try:
            return datetime.fromisoformat(one.meta.annotations[CANCELLED])
        except (KeyError, ValueError):
            continue
    return None
