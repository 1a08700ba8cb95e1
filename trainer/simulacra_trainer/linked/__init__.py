"""Linked rows: synthetic persons with their histories (ADR 0062)."""
