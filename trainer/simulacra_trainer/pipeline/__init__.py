"""The pipeline: fit, privacy tuning, generate, report."""
