"""The task fit: a model of the dataset, by one worker or a group of them.

Its checkpoints are encrypted artifacts, from which the next pod resumes it.
"""

import json
import logging
import time
from collections.abc import Callable
from pathlib import Path

from simulacra_crds.kinds.base import Artifact
from simulacra_crds.tasks import (
    CHECKPOINT_PREFIX,
    DATASET,
    DESCRIPTION,
    EARLIER,
    GRAPH,
    MODEL_PREFIX,
    REPORT,
    REPORT_PAGE,
    REQUEST,
    SCHEMA,
    SUMMARY,
    FitRequest,
    TaskResult,
)
from simulacra_custody.errors import CustodyError
from simulacra_schema.description import UNNAMED
from simulacra_schema.table import TableSchema
from simulacra_schema.wave_summary import WaveSummary
from simulacra_trainer.pipeline.fit import fit_as_follower, fit_model, fit_steps
from simulacra_trainer.pipeline.fit_context import FitContext, join_workers
from simulacra_trainer.progress import ProgressMeter
from simulacra_trainer.tasks.artifacts import Artifacts
from simulacra_trainer.tasks.context import TaskContext
from simulacra_trainer.trained_model import MODEL, ModelHeader, read_clean, read_header, save_model
from simulacra_trainer.workers import workers_of

DOCUMENTS = (GRAPH, REPORT, REPORT_PAGE, SUMMARY)
"""Files of a fitted model that its customer reads."""
SHARE = 0.1
"""Largest share of the time that storing checkpoints may take."""
_SEPARATOR = "--"
log = logging.getLogger(__name__)


def fit(context: TaskContext) -> TaskResult | None:
    """Fit a model and store it with its graph and report. Safe to repeat.

    model.json is stored last and marks the model as complete. In a group the leader does all
    this; followers lend their processors, store nothing and return None.
    """
    own = context.own
    checkpoints = StoredCheckpoints(own, context.directory / "checkpoints")
    workers = workers_of(context.env, context.shard, context.spec.shards)
    if own.exists(MODEL_PREFIX + MODEL):  # an earlier pod finished
        checkpoints.erase()
        return _fitted_before(context) if context.shard == 0 else None
    request = own.load(REQUEST, FitRequest)
    schema = context.dataset.load(SCHEMA, TableSchema)
    table = read_clean(context.dataset.download(DATASET, context.directory / DATASET), schema)
    with join_workers(workers, request) as group:
        checkpoints.restore()
        name = _name_of(context)
        earlier = context.dataset.find(EARLIER, WaveSummary)
        fit_context = FitContext(checkpoints.directory, checkpoints.store, group, name, earlier)
        if context.shard > 0:
            fit_as_follower(table, schema, request, fit_context)
            return None
        meter = ProgressMeter(fit_steps(request, schema), context.report_progress)
        trained = fit_model(table, schema, request, meter, fit_context)
        directory = context.directory / "model"
        save_model(trained, directory)
        files = sorted(directory.iterdir(), key=lambda path: (path.name == MODEL, path.name))
        stored = [own.upload(name, directory / name) for name in DOCUMENTS]
        stored += [own.upload(MODEL_PREFIX + path.name, path) for path in files]
        checkpoints.erase()
    return _fitted(stored, read_header(directory), schema)


def _name_of(context: TaskContext) -> str | None:
    """Return what the table is called; None without a name, or read by an earlier release."""
    if not context.dataset.exists(DESCRIPTION):
        return None
    name = json.loads(context.dataset.read(DESCRIPTION)).get("name")
    return None if name == UNNAMED else name


def _fitted_before(context: TaskContext) -> TaskResult:
    """Return the result of a finished fit from its stored artifacts."""
    own = context.own
    documents = [name for name in DOCUMENTS if own.exists(name)]
    names = [*documents, *sorted(own.names(MODEL_PREFIX))]
    header = own.load(MODEL_PREFIX + MODEL, ModelHeader)
    schema = context.dataset.load(SCHEMA, TableSchema)
    return _fitted([own.describe(name) for name in names], header, schema)


def _fitted(stored: list[Artifact], header: ModelHeader, schema: TableSchema) -> TaskResult:
    return TaskResult(
        outcome="Succeeded",
        reason="Fitted",
        artefacts=stored,
        rows=schema.rows,
        columns=len(schema.learned()),
        family=header.family,
        figures=header.figures,
    )


class StoredCheckpoints:
    """Mirrors a directory of checkpoints in the object store.

    directory: of the fit's checkpoints; created if missing.
    """

    def __init__(
        self, own: Artifacts, directory: Path, clock: Callable[[], float] = time.monotonic
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self._own = own
        self._clock = clock
        self._stored: dict[str, tuple[int, int]] = {}
        self._pause_until = float("-inf")

    def restore(self) -> None:
        """Download the checkpoints of an earlier pod. Raises `CustodyError`."""
        names = self._own.names(CHECKPOINT_PREFIX)
        if names:
            log.info("interrupted fit resumed files=%d", len(names))
        for name in names:
            path = self.directory / name.removeprefix(CHECKPOINT_PREFIX).replace(_SEPARATOR, "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            self._own.download(name, path)
            self._stored[name] = _mark(path)

    def store(self) -> None:
        """Store changed files and erase removed ones, unless the last call was too recent.

        An error of the store does not end the fit; the next call tries again.
        """
        began = self._clock()
        if began < self._pause_until:
            return
        try:
            self._mirror()
        except CustodyError as error:
            log.warning("checkpoints not stored error=%s", type(error).__name__)
        now = self._clock()
        self._pause_until = now + (now - began) / SHARE

    def erase(self) -> None:
        """Erase all stored checkpoints. Raises `CustodyError`."""
        for name in self._own.names(CHECKPOINT_PREFIX):
            self._own.erase(name)
        self._stored.clear()

    def _mirror(self) -> None:
        paths = filter(_is_complete, sorted(self.directory.rglob("*")))
        present = {self._name(path): path for path in paths}
        for name, path in present.items():  # "best" before "last", which refers to it
            mark = _mark(path)
            if self._stored.get(name) != mark:
                self._own.upload(name, path)
                self._stored[name] = mark
        for name in self._stored.keys() - present.keys():
            self._own.erase(name)
            del self._stored[name]

    def _name(self, path: Path) -> str:
        relative = path.relative_to(self.directory).as_posix()
        return CHECKPOINT_PREFIX + relative.replace("/", _SEPARATOR)


def _is_complete(path: Path) -> bool:
    return path.is_file() and path.suffix in (".ckpt", ".json")


def _mark(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_mtime_ns, status.st_size
