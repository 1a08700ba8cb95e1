"""Compile the kernels of a fit into numba's cache, while the caller does something else.

`python -m simulacra_trainer.compile_ahead` fits an invented table. It begins with the forest,
because a fit needs the kernels of the graph first and compiles them itself. Two processes may
compile the same kernel at once: numba replaces each file as a whole, and both write the same.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import numpy as np
import pyarrow as pa

from simulacra_intake.parent_death import die_with_parent
from simulacra_trainer.cpus import threads
from simulacra_trainer.kernel_cache import COMPILE_AHEAD, compiler_environment, is_cold

ROWS = 2_400
"""Halves have over 1,000 rows, as the regression of classes needs."""


@contextmanager
def compiled_ahead() -> Iterator[None]:
    """Have a child process compile what the body needs late, if the cache is cold.

    Without a second processor the child would only get in the way. Where it cannot be started, as
    from a program that embeds Python, the body compiles.
    """
    child = _start() if is_cold() and threads() > 1 else None
    try:
        yield
    finally:
        if child is not None:
            child.kill()
            child.wait()


def _start() -> subprocess.Popen[bytes] | None:
    quiet = subprocess.DEVNULL
    command = [*COMPILE_AHEAD, str(os.getpid())]
    with suppress(OSError):
        return subprocess.Popen(
            command, stdin=quiet, stdout=quiet, stderr=quiet, env=compiler_environment()
        )
    return None


def main(parent: int) -> None:
    """Compile, and die with the parent process."""
    die_with_parent()
    if os.getppid() == parent:
        compile_kernels()


def compile_kernels() -> None:
    """Fit a forest with its privacy test to an invented table, then learn its graph."""
    from simulacra_schema.questions.knowledge import Knowledge
    from simulacra_trainer.cleaning.clean import clean_table
    from simulacra_trainer.graph import learn_graph
    from simulacra_trainer.pipeline.privacy_tuning import tune_privacy

    clean = clean_table(_invented())
    order = [column.name for column in clean.schema.learned()]
    tune_privacy(clean.table, clean.schema, order, seed=0)
    learn_graph(clean.table, clean.schema, Knowledge(), seed=0)


def _invented() -> pa.Table:
    """Return a table with numbers, counts, levels and gaps that depend on each other.

    Two levels come first: their regression has few weights, and a solver of its own.
    """
    rng = np.random.default_rng(0)
    size = rng.normal(size=ROWS)
    count = rng.poisson(3.0, ROWS)
    level = np.digitize(size + rng.normal(size=ROWS), [-1.0, 0.0, 1.0])
    place = rng.integers(0, 5, ROWS)
    gaps = rng.random(ROWS) < 0.1
    return pa.table(
        {
            "place": [f"place {one}" for one in place],
            "level": [f"level {one}" for one in level],
            "size": np.where(np.abs(size) > 1.5, size**3, size + count),
            "count": pa.array(count, mask=gaps),
            "other": [f"other {one}" for one in (level + place) % 7],
        }
    )


if __name__ == "__main__":
    main(int(sys.argv[1]))
