"""Periodic tasks: sweep, watchers, cleanup, checkpoints, key rotation, webhooks."""
