"""Results of pods that are longer than a termination message, read from the object store."""

import hashlib
from collections.abc import Iterable
from typing import Protocol

from pydantic import ValidationError

from simulacra_crds.kube.client import Object
from simulacra_crds.tasks import TaskResult, result_name
from simulacra_custody.errors import ArtifactMissing
from simulacra_custody.refs import ArtifactRef, ResourceRef

INDEX_ANNOTATION = "batch.kubernetes.io/job-completion-index"


class ResultReader(Protocol):
    """What the observer uses of custody."""

    async def result(self, result: ArtifactRef, wrapped_key: str) -> bytes:
        """Return a stored result, given the wrapped key of its resource."""


def index_of(pod: Object) -> int:
    """Return the number of a pod's shard or worker."""
    return int(pod["metadata"].get("annotations", {}).get(INDEX_ANNOTATION, 0))


def ended_states(pod: Object) -> list[Object]:
    """Return the states of the terminated containers of a pod."""
    statuses = pod.get("status", {}).get("containerStatuses") or []
    states = [status.get("state", {}).get("terminated") for status in statuses]
    return [state for state in states if state is not None]


async def fetch_results(
    pods: Iterable[Object], resource: ResourceRef, wrapped_key: str, reader: ResultReader
) -> None:
    """Put the stored results of ended pods in the place of the messages that refer to them.

    One that is gone, or was written by another pod, stays a reference, which is no result. The
    name follows from the pod's index, not from its message. Raises `CustodyError`.
    """
    for pod in pods:
        for state in ended_states(pod):
            digest = _digest(state.get("message") or "")
            if digest is None:
                continue
            ref = resource.artifact(result_name(index_of(pod)))
            try:
                content = await reader.result(ref, wrapped_key)
            except ArtifactMissing:
                continue
            if hashlib.sha256(content).hexdigest() == digest:
                state["message"] = content.decode()


def _digest(message: str) -> str | None:
    """Return the digest of the result that a message refers to."""
    try:
        stored = TaskResult.model_validate_json(message).stored
    except ValidationError:
        return None
    return None if stored is None else stored.sha256
