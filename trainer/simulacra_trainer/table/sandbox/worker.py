"""The parsing process: `python -I -m simulacra_trainer.table.sandbox.worker FORMAT SINK_FD LIMITS`,
started by `sandbox.py`.

Reads the upload from stdin, writes an Arrow IPC stream to SINK_FD, and answers on stdout: READY,
then nothing, or one JSON object {reason, message, detail, pointer} with exit status REFUSED.
"""

from __future__ import annotations

import json
import os
import sys

from simulacra_trainer.table.limits import GIB, SandboxLimits
from simulacra_trainer.table.sandbox.child_process import READY, REFUSED, confine


def main(file_format: str, sink_fd: int, limits: SandboxLimits) -> int:
    """Parse stdin into sink_fd; return the exit status."""
    granted = confine(limits)
    # Imported only now: a new user namespace needs a process without threads, and Arrow starts
    # some.
    import pyarrow as pa

    from simulacra_trainer.table.errors import InputError, invalid_upload
    from simulacra_trainer.table.readers.parse import parse

    pa.set_cpu_count(1)
    out = sys.stdout.buffer
    out.write(READY)
    out.flush()
    try:
        with open(sys.stdin.fileno(), "rb", buffering=0, closefd=False) as source:
            parse(source, file_format, sink_fd, granted.isolated)
        return 0
    except InputError as refusal:
        error = refusal
    except MemoryError:
        error = invalid_upload(
            f"The file needs more than {limits.memory_bytes / GIB:.3g} GiB of memory to read."
        )
    except OSError:
        # EFBIG from the sink (RLIMIT_FSIZE), or an archive or page that does not decompress
        error = invalid_upload(
            "The file cannot be read: it is damaged, incomplete, or larger than "
            f"{limits.output_bytes / GIB:.3g} GiB once it is unpacked."
        )
    except (pa.ArrowException, ValueError, RecursionError):
        error = invalid_upload("The file is damaged, or it uses features that cannot be read.")
    answer = {
        "reason": error.reason,
        "message": error.message,
        "detail": error.detail,
        "pointer": error.pointer,
    }
    out.write(json.dumps(answer).encode())
    out.flush()
    return REFUSED


if __name__ == "__main__":
    status = main(sys.argv[1], int(sys.argv[2]), SandboxLimits(**json.loads(sys.argv[3])))
    # Without the interpreter's tear-down: Arrow's read-ahead threads abort a process that ends
    # while they wait.
    os._exit(status)
