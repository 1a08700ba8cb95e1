"""`simulacra up`: the data directory, the five programs, and their start and stop.

`supervise` has the order of it all; `datadir` is the data directory, `supervised_process` one
program, and `bootstrap` the first objects on the control plane.
"""


class UpError(Exception):
    """`simulacra up` cannot start or continue. The message says what is wrong and what to do."""
