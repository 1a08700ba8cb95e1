"""Entry point of a Job's pod: from a TaskSpec in the environment to an exit code and a TaskResult.

The TaskResult goes into the termination message, everything else into artifacts. Logs and results
hold no customer data: of an unexpected error only the type and the location are logged, under a
support id, because its text may quote data.
"""

import errno
import importlib
import json
import logging
import os
import shutil
import signal
import tempfile
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from pydantic import ValidationError

from simulacra_crds import logs
from simulacra_crds.kinds.base import utcnow
from simulacra_crds.names import support_id
from simulacra_crds.reasons import Reason
from simulacra_crds.spec_path import spec_path
from simulacra_crds.tasks import (
    FAILURE,
    MAX_ERRORS,
    PROGRESS,
    REQUEST,
    TASK_ENV,
    TERMINATION_LIMIT,
    TERMINATION_PATH_ENV,
    ExitCode,
    Failure,
    ProgressReport,
    TaskResult,
    TaskSpec,
    result_name,
)
from simulacra_custody.errors import (
    AuditUnavailable,
    CustodyError,
    KeyUnavailable,
    StoreUnavailable,
)
from simulacra_custody.wiring import open_custody
from simulacra_intake.errors import InputError
from simulacra_intake.scratch import EncryptedPath
from simulacra_trainer.families.base import ModelFileError
from simulacra_trainer.tasks.artifacts import Artifacts
from simulacra_trainer.tasks.context import TaskContext
from simulacra_trainer.tasks.object_source import SourceUnavailable
from simulacra_trainer.workers import PeerLost

Task = Callable[[TaskContext], TaskResult | None]
MODULES = dict.fromkeys(("estimate", "boost", "sheet"), "use_model")
"""Module of a task that has not its name."""
TERMINATION_LOG = "/dev/termination-log"
UNREADABLE_MODEL = (
    "The model is damaged or from a newer release. Upgrade, or upload the table again."
)
DISK_FULL = "The disk of the pod is full. Use a smaller table, or a node with more room;"
_OUTAGES = (StoreUnavailable, KeyUnavailable, AuditUnavailable)
"""What ends by itself: a later attempt of the same work may succeed."""
log = logging.getLogger(__name__)


def run_task(env: Mapping[str, str] = os.environ) -> int:
    """Run the task in the environment; return its `ExitCode`."""
    logs.configure(env)
    os.umask(0o077)
    directory = EncryptedPath(tempfile.mkdtemp(prefix="simulacra-"))
    try:
        with _ended_by_sigterm(directory):
            code, result = _attempt(env, directory)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    if result is None:
        log.info("follower finished exit_code=%d", code)
        return code
    _write_result(env, result)
    log.info("task finished outcome=%s reason=%s exit_code=%d", result.outcome, result.reason, code)
    return code


def _attempt(
    env: Mapping[str, str], directory: EncryptedPath
) -> tuple[ExitCode, TaskResult | None]:
    try:
        spec = TaskSpec.model_validate_json(env.get(TASK_ENV, ""))
    except ValidationError as error:
        log.error("task rejected variable=%s errors=%d", TASK_ENV, error.error_count())
        return ExitCode.PERMANENT, _failed(Reason.INTERNAL, f"{TASK_ENV} holds no valid task.")
    log.info("task started task=%s tenant=%s", spec.task, spec.tenant)
    try:
        custody = open_custody(env)
        own = Artifacts(custody, spec.tenant, spec.resource)
        context = TaskContext(
            spec, custody, directory, lambda report: _store_progress(own, report), env
        )
        try:
            result = _task(spec.task)(context)
            return ExitCode.OK, None if result is None else _fitting(result, own, context.shard)
        except InputError as error:
            failure = Failure(
                reason=error.reason,
                detail=error.detail,
                pointer=error.pointer,
                errors=error.errors[:MAX_ERRORS],
            )
            own.store_model(FAILURE, failure)
            return ExitCode.USER_ERROR, _failed(error.reason, _placed(error, spec, own))
    except SourceUnavailable as error:
        log.error("source unavailable")
        return ExitCode.CUSTODY, _failed(Reason.SOURCE_UNREADABLE, str(error))
    except CustodyError as error:
        log.error("custody failed error=%s", type(error).__name__)
        message = f"Custody failed: {type(error).__name__}."
        code = ExitCode.OUTAGE if isinstance(error, _OUTAGES) else ExitCode.CUSTODY
        return code, _failed(Reason.CUSTODY_UNAVAILABLE, message)
    except PeerLost as error:
        log.error("worker lost", extra={"detail": str(error)})
        message = "Another worker of this fit stopped early."
        return ExitCode.PEER, _failed(Reason.INTERNAL, message)
    except ModelFileError as error:
        log.error("model unreadable", extra={"location": _location(error)})
        return ExitCode.PERMANENT, _failed(Reason.INTERNAL, UNREADABLE_MODEL)
    except MemoryError:
        message = "The task needs more memory than its pod has."
        return ExitCode.PERMANENT, _failed(Reason.OUT_OF_MEMORY, message)
    except ValidationError as error:  # a document that is beyond a limit of its own
        message = f"{_beyond(error)} Report it with support id {_logged(error, spec)}."
        return ExitCode.PERMANENT, _failed(Reason.RESULT_INVALID, message)
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        message = f"{DISK_FULL if full else 'Internal error,'} support id {_logged(error, spec)}."
        return ExitCode.INTERNAL, _failed(Reason.INTERNAL, message)
    except Exception as error:  # its text must not leave the pod
        # A device may recover; all else follows from code and data, which stay the same.
        code = ExitCode.INTERNAL if isinstance(error, RuntimeError) else ExitCode.PERMANENT
        message = f"Internal error, support id {_logged(error, spec)}."
        return code, _failed(Reason.INTERNAL, message)


def _placed(error: InputError, spec: TaskSpec, own: Artifacts) -> str:
    """Return an error's message after its path in the spec, which has numbers instead of names.

    Faults of a table and its description are in no spec.
    """
    if error.pointer is None or spec.task == "prepare":
        return error.message
    path = spec_path(error.pointer, json.loads(own.read(REQUEST)))
    more = "The artifact failure.json says more."
    return error.message if path == "spec" else f"{path}: {error.message} {more}"


def _task(name: str) -> Task:
    """Import a task: each pod runs one, and what all need takes two seconds to import."""
    module = importlib.import_module(f"simulacra_trainer.tasks.{MODULES.get(name, name)}")
    return getattr(module, name)


def _fitting(result: TaskResult, own: Artifacts, shard: int) -> TaskResult:
    """Return a result that fits a termination message: itself, or where the whole is stored.

    Raises a ValidationError if the operator could not read it: a number that JSON does not have.
    """
    content = _content(result)
    TaskResult.model_validate_json(content)
    if len(content) <= TERMINATION_LIMIT:
        return result
    stored = own.store(result_name(shard), content)
    return TaskResult(outcome=result.outcome, reason=result.reason, stored=stored)


def _content(result: TaskResult) -> bytes:
    return result.model_dump_json(by_alias=True, exclude_none=True).encode()


def _beyond(error: ValidationError) -> str:
    """Return which document is invalid and why, in words without its content."""
    first = error.errors(include_input=False, include_url=False)[0]
    kind, context = first["type"], first.get("ctx") or {}
    limit = context.get("max_length")
    most = f", at most {limit}" if isinstance(limit, int) else ""
    return (
        f"The work ended, but a document of it ({error.title}: {kind}{most}) is beyond the limits "
        "of this release, and would be again."
    )


def _logged(error: Exception, spec: TaskSpec) -> str:
    """Log the type and the location of an error; return the support id of the resource."""
    support = support_id(spec.resource.uid)
    fields = {"support": support, "error": type(error).__name__, "location": _location(error)}
    log.error("task failed", extra=fields)
    return support


def _failed(reason: Reason, message: str) -> TaskResult:
    return TaskResult(outcome="Failed", reason=reason, message=message[:1024])


def _store_progress(own: Artifacts, report: ProgressReport) -> None:
    try:
        own.store_model(PROGRESS, report.model_copy(update={"reported_at": utcnow()}))
    except CustodyError as error:  # a task can finish without progress reports
        log.warning("progress not stored error=%s", type(error).__name__)


def _write_result(env: Mapping[str, str], result: TaskResult) -> None:
    path = Path(env.get(TERMINATION_PATH_ENV) or TERMINATION_LOG)
    try:
        path.write_bytes(_content(result))
    except OSError as error:
        log.error("result not written error=%s", type(error).__name__)


def _location(error: Exception) -> str:
    """Return the frames that raised the error, innermost last, as module:line."""
    frames = traceback.extract_tb(error.__traceback__)[-6:]
    return " > ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in frames)


@contextmanager
def _ended_by_sigterm(directory: Path) -> Iterator[None]:
    """Let SIGTERM end the process at once, with the exit code of a pod that somebody ended.

    A handler waits while the main thread is in native code, which a fit is for minutes; the pod
    would be killed, and a killed pod counts as one that ran out of memory. So a thread waits for
    the byte that the interpreter writes when the signal arrives. It runs no exception handlers
    and waits for no threads.
    """
    reader, writer = os.pipe()
    os.set_blocking(writer, False)

    def wait() -> None:
        while got := os.read(reader, 16):
            if signal.SIGTERM in got:
                shutil.rmtree(directory, ignore_errors=True)
                os._exit(ExitCode.TERMINATED)
        os.close(reader)

    signal.signal(signal.SIGTERM, lambda *_: None)
    before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    threading.Thread(target=wait, daemon=True).start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.close(writer)


# a child has no such thread, and its signals must not end its parent
os.register_at_fork(after_in_child=lambda: signal.set_wakeup_fd(-1))
