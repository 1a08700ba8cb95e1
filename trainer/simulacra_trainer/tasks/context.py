"""The context of a task: specification, custody, working directory, progress, environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from simulacra_crds.tasks import MODEL_PREFIX, SHARD_ENV, KeyedRef, TaskSpec
from simulacra_custody.service import Custody
from simulacra_intake.scratch import EncryptedPath
from simulacra_trainer.progress import Sink
from simulacra_trainer.tasks.artifacts import Artifacts

if TYPE_CHECKING:  # the engine takes a second to import, and prepare does not use it
    from simulacra_trainer.trained_model import TrainedModel


@dataclass(frozen=True)
class TaskContext:
    """Inputs of a task; files of the directory are encrypted, and removed at the end."""

    spec: TaskSpec
    custody: Custody
    directory: EncryptedPath
    report_progress: Sink
    env: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def shard(self) -> int:
        """Number of the shard or worker: the completion index of an Indexed Job, else 0."""
        return int(self.env.get(SHARD_ENV) or 0)

    @property
    def own(self) -> Artifacts:
        """Artifacts of the resource that the task works for."""
        return self._of(self.spec.resource)

    @property
    def dataset(self) -> Artifacts:
        """Artifacts of the dataset."""
        return self._of(self.spec.dataset)

    @property
    def given(self) -> Artifacts:
        """Artifacts of the dataset whose rows are completed."""
        return self._of(self.spec.given)

    def load_model(self, *, linked: bool = False) -> TrainedModel:
        """Download the model and load it; linked: with its linked rows, if it has any."""
        from simulacra_trainer.trained_model import load_model

        artifacts = self._of(self.spec.model)
        directory = self.directory / "model"
        directory.mkdir()
        for name in artifacts.names(MODEL_PREFIX):
            artifacts.download(name, directory / name.removeprefix(MODEL_PREFIX))
        return load_model(directory, linked=linked)

    def _of(self, resource: KeyedRef | None) -> Artifacts:
        if resource is None:
            raise ValueError("the task specification lacks the resource")
        return Artifacts(self.custody, self.spec.tenant, resource)
