"""Entry point of a pod: `python -m simulacra_trainer run` runs the task in SIMULACRA_TASK."""

import gc
import sys

from simulacra_trainer.kernel_cache import link_shipped

USAGE = (
    "usage: python -m simulacra_trainer run (in a pod, with a task in SIMULACRA_TASK).\n"
    "To fit, generate and ask on this machine: simulacra --help\n"
)


def main() -> int:
    """Run the task of the pod; return its exit code, 2 for a wrong command line."""
    if sys.argv[1:] != ["run"]:
        sys.stderr.write(USAGE)
        return 2
    # A collection walks the objects of all libraries and finds next to nothing. With the defaults
    # of 700, 10 and 10 a fit of 1,000 x 150 collects for 0.28 CPU seconds, with these for 0.08.
    gc.set_threshold(50_000, 20, 100)
    link_shipped()  # before numba is imported
    from simulacra_custody.core_dumps import forbid_core_dumps
    from simulacra_trainer.tasks.entry import run_task

    forbid_core_dumps()
    code = run_task()
    gc.freeze()  # else the interpreter walks all objects at its end, for a CPU second
    return code


if __name__ == "__main__":
    raise SystemExit(main())
