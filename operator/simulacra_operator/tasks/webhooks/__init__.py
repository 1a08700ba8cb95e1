"""Webhooks: every webhook of a tenant is notified, at least once, that a job has ended."""
