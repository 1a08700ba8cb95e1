"""Context of a training: checkpoint directory, checkpoint writer, and worker group."""

import contextlib
import hashlib
import pickle
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.plugins.io import CheckpointIO

from simulacra_trainer.families.neural.worker_group import WorkerGroup
from simulacra_trainer.workers import Workers

BEST, LAST, TRAINED = "best", "last", "trained"
"""Names of the checkpoints of a running training, and of its final weights."""


@dataclass(frozen=True)
class TrainingContext:
    """Checkpoint directory and worker group of a training.

    Attributes:
        directory: of the checkpoints. An interrupted training of the same table and plan continues
            from here with the same result; a finished one is not run again.
        on_change: called after a checkpoint was written or removed.
        group: the workers that train together; None for a single process.
    """

    directory: Path
    on_change: Callable[[], None] = lambda: None
    group: WorkerGroup | None = None

    @property
    def workers(self) -> Workers | None:
        """Rank and size of the worker group, None for a single process."""
        return None if self.group is None else self.group.workers

    @property
    def leads(self) -> bool:
        """Return whether this process writes the checkpoints."""
        return self.workers is None or self.workers.leads

    def found(self, name: str) -> Path | None:
        """Return the path of a complete checkpoint that all workers share, else None."""
        path = self.directory / f"{name}.ckpt"
        complete = _is_complete(path)
        if self.group is None:
            return path if complete else None
        digest = hashlib.sha256(path.read_bytes()).hexdigest() if complete else ""
        return path if self.group.agrees(digest) and complete else None


class CheckpointFiles(CheckpointIO):
    """Opens checkpoints through the class of their directory, which may encrypt them."""

    def __init__(self, directory: Path) -> None:
        self._path = type(directory)

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        """Write a checkpoint; one that is cut off is not complete (`_is_complete`)."""
        save(checkpoint, self._path(path))

    def load_checkpoint(
        self, path: str | Path, map_location: Any = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Read a checkpoint onto the CPU."""
        return load(self._path(path))

    def remove_checkpoint(self, path: str | Path) -> None:
        """Remove a checkpoint."""
        self._path(path).unlink(missing_ok=True)


class CheckpointWriter(ModelCheckpoint):
    """Saves the best weights and the last state after every interval; files may be moved."""

    def __init__(self, context: TrainingContext) -> None:
        super().__init__(
            dirpath=context.directory,
            filename=BEST,
            monitor="nll",
            save_last=True,
            enable_version_counter=False,
            save_on_train_epoch_end=True,
        )
        self._context = context

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save, then call `on_change` in the leader."""
        super().on_train_epoch_end(trainer, pl_module)
        if self._context.leads:
            self._context.on_change()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the state, with file paths in the present directory."""
        names = ("best_model_path", "kth_best_model_path", "last_model_path")
        here = {"dirpath": self.dirpath} | {name: self._here(state_dict[name]) for name in names}
        best = {self._here(path): score for path, score in state_dict["best_k_models"].items()}
        super().load_state_dict({**state_dict, **here, "best_k_models": best})

    def _here(self, path: str) -> str:
        return str(Path(self.dirpath or "") / Path(path).name) if path else path


@contextlib.contextmanager
def checkpoint_directory(directory: Path | None, name: str) -> Iterator[Path]:
    """Yield directory/name, which the caller removes, or a temporary directory."""
    if directory is not None:
        yield directory / name
        return
    with tempfile.TemporaryDirectory(prefix="simulacra-fit-") as fresh:
        yield Path(fresh)


def save(content: Any, path: Path) -> None:
    """Write tensors with their structure."""
    with path.open("wb") as file:
        torch.save(content, file)


def load(path: Path, device: str = "cpu") -> Any:
    """Read what `save` wrote."""
    with path.open("rb") as file:
        return torch.load(file, map_location=device, weights_only=True)


def _is_complete(checkpoint: Path) -> bool:
    """Return whether the file is a checkpoint that was written completely."""
    try:
        load(checkpoint, "meta")
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, pickle.UnpicklingError):
        return False
    return True
