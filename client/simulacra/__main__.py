"""Start of the `simulacra` program: it ends with 130 on Ctrl-C, also while it loads its modules."""

import gc
import os
import sys

INTERRUPTED = 130


def main() -> None:
    """Run the command line and exit."""
    try:
        from simulacra.cli import app

        app()
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        sys.exit(INTERRUPTED)
    except BrokenPipeError:  # the reader of the results has closed the pipe
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    finally:
        gc.freeze()  # else the interpreter walks all objects at its end, half a second after a fit


if __name__ == "__main__":
    main()
