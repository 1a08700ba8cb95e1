"""The entry of a Job's pod: what it is to do comes in one environment variable, what came of it
leaves as an exit code, a TaskResult in the termination message, and artifacts.

Nothing of the customer's data is logged or reported: an unexpected error is logged as its type and
where it was raised, under a support id; its text is not, because it may quote data.
"""

from __future__ import annotations

import logging
import os
import shutil
import signal
import tempfile
import traceback
import uuid
from collections.abc import Mapping
from pathlib import Path
from types import FrameType

from pydantic import ValidationError

from simulacra_crds.contract.reasons import Reason
from simulacra_crds.contract.tasks import (
    FAILURE,
    PROGRESS,
    TASK_ENV,
    TERMINATION_LIMIT,
    TERMINATION_PATH_ENV,
    ExitCode,
    Failure,
    ProgressReport,
    TaskResult,
    TaskSpec,
)
from simulacra_custody.errors import CustodyError
from simulacra_custody.service import Custody
from simulacra_custody.wiring import open_custody
from simulacra_trainer.artifacts import Artifacts
from simulacra_trainer.families.base import ModelFileError
from simulacra_trainer.object_source import SourceUnavailable
from simulacra_trainer.table.errors import InputError
from simulacra_trainer.tasks import WORK, TaskContext, shard_of
from simulacra_trainer.workers import PeerLost

TERMINATION_LOG = "/dev/termination-log"
TERMINATED = 128 + signal.SIGTERM
UNREADABLE = "The model is damaged or from a newer release. Upgrade, or upload its table again."
log = logging.getLogger("simulacra_trainer.task")


def run_task(env: Mapping[str, str] = os.environ) -> int:
    """Run the task of the environment; return its exit code (`contract.tasks.ExitCode`)."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    os.umask(0o077)
    directory = Path(tempfile.mkdtemp(prefix="simulacra-"))
    signal.signal(signal.SIGTERM, lambda _signal, _frame: _terminate(directory, _frame))
    try:
        code, result = _attempt(env, directory)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    if result is None:
        log.info("helped to the end, exit code %d", code)
        return code
    _write_result(env, result)
    log.info("%s: %s, exit code %d", result.outcome, result.reason, code)
    return code


def _attempt(env: Mapping[str, str], directory: Path) -> tuple[ExitCode, TaskResult | None]:
    try:
        spec = TaskSpec.model_validate_json(env.get(TASK_ENV, ""))
    except ValidationError as error:
        log.error("%s does not hold a task: %d errors", TASK_ENV, error.error_count())
        return ExitCode.INTERNAL, _failed(Reason.INTERNAL, f"{TASK_ENV} does not hold a task")
    log.info("task %s of %s %s", spec.task, spec.resource.kind, spec.resource.uid)
    try:
        custody = open_custody(env)
        own = Artifacts(custody, spec.tenant, spec.resource)
        context = TaskContext(
            spec, custody, directory, lambda report: _tell(own, report), shard_of(env), env
        )
        try:
            return ExitCode.OK, WORK[spec.task](context)
        except InputError as error:
            return _refused(custody, spec, error)
    except SourceUnavailable as error:
        log.error("the source cannot be read now")
        return ExitCode.CUSTODY, _failed(Reason.SOURCE_UNREADABLE, str(error))
    except CustodyError as error:
        log.error("custody failed: %s", type(error).__name__)
        return ExitCode.CUSTODY, _failed(
            Reason.CUSTODY_UNAVAILABLE, f"Custody failed: {type(error).__name__}."
        )
    except PeerLost as error:
        log.error("another worker was lost: %s", error)
        return ExitCode.PEER, _failed(
            Reason.INTERNAL, "Another worker of this fit ended before it was done."
        )
    except ModelFileError as error:
        log.error("the model cannot be read at %s", _where(error))
        return ExitCode.INTERNAL, _failed(Reason.INTERNAL, UNREADABLE)
    except MemoryError:
        return ExitCode.INTERNAL, _failed(
            Reason.OUT_OF_MEMORY, "The work does not fit the memory of the pod."
        )
    except Exception as error:  # whatever it is, its text must not leave the pod
        support_id = uuid.uuid4().hex[:12]
        log.error("support id %s: %s at %s", support_id, type(error).__name__, _where(error))
        return ExitCode.INTERNAL, _failed(
            Reason.INTERNAL, f"Internal error, support id {support_id}."
        )


def _refused(custody: Custody, spec: TaskSpec, error: InputError) -> tuple[ExitCode, TaskResult]:
    failure = Failure(reason=error.reason, detail=error.detail, pointer=error.pointer)
    Artifacts(custody, spec.tenant, spec.resource).store_model(FAILURE, failure)
    return ExitCode.USER_ERROR, _failed(error.reason, error.message)


def _failed(reason: Reason, message: str) -> TaskResult:
    return TaskResult(outcome="Failed", reason=reason, message=message[:1024])


def _tell(own: Artifacts, report: ProgressReport) -> None:
    try:
        own.store_model(PROGRESS, report)
    except CustodyError as error:  # the work matters more than the telling of it
        log.warning("progress was not stored: %s", type(error).__name__)


def _write_result(env: Mapping[str, str], result: TaskResult) -> None:
    content = result.model_dump_json(by_alias=True, exclude_none=True).encode()
    path = Path(env.get(TERMINATION_PATH_ENV) or TERMINATION_LOG)
    if len(content) > TERMINATION_LIMIT:
        log.error(
            "the result of %d bytes exceeds the termination message of %d",
            len(content),
            TERMINATION_LIMIT,
        )
    try:
        path.write_bytes(content[:TERMINATION_LIMIT])
    except OSError as error:
        log.error("the termination message was not written: %s", type(error).__name__)


def _where(error: Exception) -> str:
    """Return the frames that raised the error, innermost last, as module:line."""
    frames = traceback.extract_tb(error.__traceback__)[-6:]
    return " > ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in frames)


def _terminate(directory: Path, _frame: FrameType | None) -> None:
    """Leave at once: no handler up the stack, no thread at work is waited for."""
    shutil.rmtree(directory, ignore_errors=True)
    os._exit(TERMINATED)
