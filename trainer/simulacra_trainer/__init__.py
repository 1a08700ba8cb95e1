"""The trainer: what runs inside a Job: prepare, fit, generate, estimate. Knows no Kubernetes."""

import os

# One thread per BLAS call, set before NumPy is imported: the trainer divides its work among cores
# itself, and BLAS threads that spin between small products cost more CPU time than they save.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
