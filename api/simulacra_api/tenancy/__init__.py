"""The caller's resources in the control plane: find, create, delete, idempotency."""
