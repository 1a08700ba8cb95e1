"""The trainer: what runs inside a Job: prepare, fit, generate, estimate. Knows no Kubernetes."""

import os

# One thread per BLAS call, set before NumPy is imported: the trainer divides its work among cores
# itself, and BLAS threads that spin between small products cost more CPU time than they save.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# How long threads of GNU OpenMP spin before they sleep. The library reads this once, when LightGBM,
# numba or torch loads it. On two idle cores a training step takes 27 ms with the default of 300,000
# and 32 ms with this value; on busy cores 600 ms and 180 ms.
os.environ.setdefault("GOMP_SPINCOUNT", "3000")
