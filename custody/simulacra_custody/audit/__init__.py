"""The audit log, its checkpoints and erasure certificates."""
