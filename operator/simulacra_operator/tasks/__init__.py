"""Periodic tasks: sweep, orphans, key rotation, checkpoints, webhooks."""
