"""Quotas: stored bytes, rows, concurrent work and the request rate."""
