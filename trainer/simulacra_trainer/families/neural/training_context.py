"""Where a training runs: checkpoint directory, its keeper, and the other workers."""

from __future__ import annotations

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

from simulacra_trainer.families.neural.worker_group import WorkerGroup
from simulacra_trainer.workers import Workers

BEST, LAST, TRAINED = "best", "last", "trained"
"""Checkpoints of a training under way, and the weights that it ended with."""


@dataclass(frozen=True)
class TrainingContext:
    """Where a training runs.

    Attributes:
        directory: where checkpoints lie. One that is there of a training that was cut short, of the
            same table and plan, is continued with the same result; one that ended is not run again.
        kept: told after checkpoints were written or removed.
        group: the workers that train together; None: this process alone.
    """

    directory: Path
    kept: Callable[[], None] = lambda: None
    group: WorkerGroup | None = None

    @property
    def workers(self) -> Workers | None:
        """The place of this process among the workers; None: it is alone."""
        return None if self.group is None else self.group.workers

    @property
    def leads(self) -> bool:
        """Whether this process writes the checkpoints."""
        return self.workers is None or self.workers.leads

    def found(self, name: str) -> Path | None:
        """Return a whole checkpoint of that name, if every worker has the same."""
        path = self.directory / f"{name}.ckpt"
        whole = _is_whole(path)
        if self.group is None:
            return path if whole else None
        digest = hashlib.sha256(path.read_bytes()).hexdigest() if whole else ""
        return path if self.group.agrees(digest) and whole else None


class Keeper(ModelCheckpoint):
    """Keeps the best weights and the last state after every interval; may be moved."""

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
        """Save, and tell."""
        super().on_train_epoch_end(trainer, pl_module)
        if self._context.leads:
            self._context.kept()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what an earlier process noted, with its files where they are now."""
        here = {
            "dirpath": self.dirpath,
            "best_model_path": self._here(state_dict["best_model_path"]),
        }
        here |= {
            name: self._here(state_dict[name])
            for name in ("kth_best_model_path", "last_model_path")
        }
        best = {self._here(path): score for path, score in state_dict["best_k_models"].items()}
        super().load_state_dict({**state_dict, **here, "best_k_models": best})

    def _here(self, path: str) -> str:
        return str(Path(self.dirpath or "") / Path(path).name) if path else path


@contextlib.contextmanager
def scratch(directory: Path | None, name: str) -> Iterator[Path]:
    """Yield the checkpoint directory: a named one whose owner removes it, or a temporary."""
    if directory is not None:
        yield directory / name
        return
    with tempfile.TemporaryDirectory(prefix="simulacra-fit-") as fresh:
        yield Path(fresh)


def _is_whole(checkpoint: Path) -> bool:
    """Whether the file is a checkpoint that was written to its end; another one is of no use."""
    try:
        torch.load(checkpoint, map_location="meta", weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, pickle.UnpicklingError):
        return False
    return True
