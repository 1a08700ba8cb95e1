"""Webhooks: whoever wants to know is told, at least once, that a job has ended."""
