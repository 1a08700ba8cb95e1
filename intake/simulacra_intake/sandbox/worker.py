"""Entry point of the parsing process, which `child_process.py` starts.

Arguments: FORMAT SINK_FD KEYS_FD LIMITS LAYOUT. Reads the upload from stdin, writes the table to
SINK_FD (`raw_table.py`), and answers on stdout: READY, then nothing, or one JSON object {reason,
message, detail, pointer} with exit status REFUSED. KEYS_FD has the key of SINK_FD, and that of
stdin if the upload is an `EncryptedFile`.
"""

import io
import json
import os
import sys

from simulacra_intake.limits import GIB, SandboxLimits
from simulacra_intake.sandbox.child_process import READY, REFUSED, confine
from simulacra_intake.scratch import KEY_BYTES, EncryptedFile, buffered_writer


def main(file_format: str, sink_fd: int, keys_fd: int, limits: SandboxLimits, layout: str) -> int:
    """Parse stdin into sink_fd; return the exit status."""
    granted = confine(limits)
    # A new user namespace needs a process without threads, so Arrow is imported after it.
    import pyarrow as pa

    from simulacra_intake.errors import InputError, invalid_upload
    from simulacra_intake.readers.parse import parse
    from simulacra_intake.readers.stated_layout import StatedLayout

    pa.set_cpu_count(1)
    out = sys.stdout.buffer
    out.write(READY)
    out.flush()
    try:
        keys = os.read(keys_fd, 2 * KEY_BYTES)
        with (
            _open_source(keys[KEY_BYTES:]) as source,
            buffered_writer(EncryptedFile(sink_fd, keys[:KEY_BYTES], writable=True)) as sink,
        ):
            stated = StatedLayout.from_json(layout)
            parse(source, file_format, sink, granted.isolated, stated)
        return 0
    except InputError as refusal:
        error = refusal
    except MemoryError:
        error = invalid_upload(
            f"The file needs more than {limits.memory_bytes / GIB:.3g} GiB of memory to read."
        )
    except OSError:
        # EFBIG from the sink (RLIMIT_FSIZE), or data that does not decompress.
        error = invalid_upload(
            "The file is damaged, incomplete, or larger than "
            f"{limits.output_bytes / GIB:.3g} GiB when unpacked."
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


def _open_source(key: bytes) -> io.RawIOBase:
    """Open stdin; with a key, decrypt it."""
    descriptor = sys.stdin.fileno()
    return EncryptedFile(descriptor, key) if key else io.FileIO(descriptor, closefd=False)


if __name__ == "__main__":
    status = main(
        sys.argv[1],
        int(sys.argv[2]),
        int(sys.argv[3]),
        SandboxLimits(**json.loads(sys.argv[4])),
        sys.argv[5],
    )
    # Skips the shutdown of the interpreter, in which waiting Arrow threads abort the process.
    os._exit(status)
