"""How a command connects, and the message and exit code of each error.

Exit codes: 0 done; 1 the service refused; 2 wrong usage; 3 the job failed or met its conditions
only in part; 4 the service did not answer in time; 130 interrupted. Errors go to stderr.
"""

import errno
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import typer

from simulacra.client import Client
from simulacra.commands.flag_errors import in_flags
from simulacra.commands.output import note, printable
from simulacra.connection import Connection
from simulacra.core import may_pass
from simulacra.errors import ApiError, DownloadCorrupt, EngineError, JobFailed

REFUSED = 1
USAGE = 2
FAILED = 3
SILENT = 4
INTERRUPTED = 130
DISK_FULL = "The disk is full. Free some space on it, then run the command again."
_HINT = "_hint"
"""Attribute of an error: what to do, where the command has another hint."""
EXIT_CODES = {
    0: "done",
    REFUSED: "the service refused, or a check failed",
    USAGE: "wrong usage: an option, a file or the connection",
    FAILED: "the job failed, or met the conditions only in part",
    SILENT: "the service did not answer, or not in time",
    INTERRUPTED: "interrupted (Ctrl-C)",
}


def sent_in_part(key: str) -> str:
    """Return the hint for a command that stopped while it sent a table."""
    kept = "What has arrived of the table is kept for an hour, and nothing is fit yet"
    return f"{kept}: {continue_with(key)}"


def being_fit(table: str) -> str:
    """Return the hint for a command that stopped while it waited for the model of a table."""
    commands = f"`simulacra wait {table}` waits for it, `simulacra delete {table}` erases it"
    return f"The table is stored, and its model is still being fit: {commands}."


def continue_with(key: str) -> str:
    """Return the hint for an interrupted command."""
    return f"to continue where it stopped, run the same command with --key {key}"


def exit_if_partial(status: object) -> None:
    """Warn and exit with 3 when a generation met its conditions only in part."""
    if status == "partial":
        note("Not all conditions are met: see `attainment` for each.", style="yellow")
        raise typer.Exit(FAILED)


def confirm(question: str, yes: bool) -> None:
    """Ask before something is erased, on a terminal only; exit with 1 unless the answer is yes."""
    if not yes and sys.stdin.isatty() and sys.stdout.isatty():
        typer.confirm(printable(question), abort=True, err=True)


@contextmanager
def connected(path: Path | None, hint: str = "") -> Iterator[Client]:
    """Yield a client; turn an error into one sentence on stderr and an exit code.

    `path` is a connection.json, None for the environment; `hint` says what to do after an
    interruption, a broken connection or a temporary refusal.
    """
    with errors_reported(hint):
        known = Connection.from_file(path) if path else Connection.from_environment()
        with Client(known) as client:
            yield client


@contextmanager
def hinting(hint: str) -> Iterator[None]:
    """Give what interrupts this block another hint than the rest of the command has."""
    try:
        yield
    except (ApiError, TimeoutError, httpx2.TransportError, KeyboardInterrupt) as error:
        setattr(error, _HINT, hint)
        raise


@contextmanager
def errors_reported(hint: str = "") -> Iterator[None]:
    """Turn an error into one sentence on stderr and an exit code."""
    try:
        yield
    except BrokenPipeError:  # the reader of the results has closed the pipe
        raise
    except EngineError as error:
        raise _exit(USAGE, in_flags(error)) from error
    except (ValueError, ModuleNotFoundError) as error:
        raise _exit(USAGE, str(error)) from error
    except JobFailed as error:
        raise _exit(FAILED, f"{error.job_id} failed: {in_flags(error)}") from error
    except ApiError as error:
        raise _exit(
            REFUSED, in_flags(error), _hint(error, hint) if may_pass(error) else ""
        ) from error
    except DownloadCorrupt as error:
        raise _exit(REFUSED, str(error)) from error
    except TimeoutError as error:
        raise _exit(SILENT, str(error), _hint(error, "")) from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise _exit(USAGE, f"{_place(error)}{DISK_FULL}") from error
        if error.errno is None:  # the request for access was denied
            raise _exit(REFUSED, str(error)) from error
        raise _exit(USAGE, f"{_place(error)}{error.strerror}") from error
    except httpx2.TransportError as error:
        url = error.request.url
        where = f"{url.scheme}://{url.netloc.decode()}"
        silent = f"The service at {where} does not answer ({type(error).__name__})."
        raise _exit(SILENT, f"{silent} {_question(url.host)}", _hint(error, hint)) from error
    except KeyboardInterrupt as error:
        raise _exit(INTERRUPTED, "interrupted", _hint(error, hint)) from error


def _hint(error: BaseException, otherwise: str) -> str:
    return str(getattr(error, _HINT, otherwise))


def _place(error: OSError) -> str:
    return "" if error.filename is None else f"{error.filename}: "


def _question(host: str) -> str:
    """Return what to ask oneself when nothing answers at an address."""
    if host in ("localhost", "127.0.0.1", "::1"):
        return "Is `simulacra up`, or the port-forward to the cluster, running?"
    return "If it has another address here: connection.json names it in api_url and token_url."


def _exit(code: int, sentence: str, hint: str = "") -> typer.Exit:
    note(sentence, style="red")
    if hint:
        note(hint)
    return typer.Exit(code)
