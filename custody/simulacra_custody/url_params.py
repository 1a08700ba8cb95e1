"""Settings that are URLs: their query parameters, known ones only."""

from collections.abc import Set as AbstractSet
from urllib.parse import SplitResult, parse_qsl


def query(url: SplitResult, allowed: AbstractSet[str]) -> dict[str, str]:
    """The parameters of a URL's query, each given once; ValueError names the one that is not lawful."""
    found: dict[str, str] = {}
    for name, value in parse_qsl(url.query, keep_blank_values=True):
        if name not in allowed or name in found or not value:
            known = ", ".join(sorted(allowed))
            raise ValueError(f"a parameter is unknown, empty or given twice; there are: {known}")
        found[name] = value
    if url.fragment:
        raise ValueError("nothing may follow a '#'")
    return found
