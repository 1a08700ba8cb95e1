"""Quotas: stored bytes, rows, concurrent jobs and request rate."""
