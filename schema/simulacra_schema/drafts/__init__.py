"""Drafts: rows from a description alone, to test a script before there are answers (ADR 0094)."""
