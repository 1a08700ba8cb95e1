"""What a fit has besides its table and request: checkpoints, worker group, the table's name."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simulacra_crds.tasks import FitRequest
from simulacra_schema.wave_summary import WaveSummary
from simulacra_trainer.trained_model import load_family
from simulacra_trainer.workers import Workers

if TYPE_CHECKING:
    from simulacra_trainer.families.neural.worker_group import WorkerGroup


@dataclass(frozen=True)
class FitContext:
    """Checkpoint directory and worker group of a fit, for the neural family, and the table's name.

    Attributes:
        checkpoints: directory from which an interrupted fit resumes; the caller removes it.
        kept: called after a file was written or removed there.
        group: the workers that train together; None for a single process.
        name: of the table, for its report; None without one.
        earlier: summary of earlier waves that the customer handed back.
    """

    checkpoints: Path | None = None
    kept: Callable[[], None] = lambda: None
    group: WorkerGroup | None = None
    name: str | None = None
    earlier: WaveSummary | None = None

    def options(self, gpu: int) -> dict[str, Any]:
        """Return the options of a family's fit; gpu: their number."""
        kept, group = self.kept, self.group
        return {"gpu": gpu, "checkpoints": self.checkpoints, "kept": kept, "group": group}


@contextlib.contextmanager
def join_workers(workers: Workers | None, request: FitRequest) -> Iterator[WorkerGroup | None]:
    """Join the worker group of a fit, if there is one, and leave it at the end.

    Raises:
        PeerLost: if another worker does not join or ends early.
    """
    if workers is None:
        yield None
        return
    load_family(request.family, request.gpu)  # raises a clear error if torch is missing
    from simulacra_trainer.families.neural.worker_group import joined

    with joined(workers, on_gpu=request.gpu > 0) as group:
        yield group
