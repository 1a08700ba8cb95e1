"""Why `simulacra up` cannot start or go on."""

from __future__ import annotations


class UpError(Exception):
    """Says what is wrong and what to do, in one sentence for a terminal."""
