"""Periodic tasks: sweep, watchers, cleanup, key rotation, webhooks."""
