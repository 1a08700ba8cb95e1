"""Linked rows: synthetic persons with their histories (methods-generation.md)."""
