"""Whom an answer is for: people with counterparts, in names and in rows."""
