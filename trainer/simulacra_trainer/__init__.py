"""The trainer: what runs inside a Job: prepare, fit, generate, estimate. Knows no Kubernetes."""

import os

# One thread a BLAS call, said before NumPy is loaded: the trainer shares its work out among cores
# by itself, and threads that spin for their next small product cost more CPU time than they save.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
