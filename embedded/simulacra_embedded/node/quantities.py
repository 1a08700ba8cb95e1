"""Kubernetes quantities: `500m` cores, `2Gi` bytes."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any

_SUFFIXES = {"m": Decimal("0.001")}
_SUFFIXES |= {
    suffix: Decimal(10**power) for suffix, power in (("k", 3), ("M", 6), ("G", 9), ("T", 12))
}
_SUFFIXES |= {
    suffix: Decimal(2**power) for suffix, power in (("Ki", 10), ("Mi", 20), ("Gi", 30), ("Ti", 40))
}


def parse(text: str | int | float) -> float:
    """Return the value in base units (cores, bytes).

    Raises:
        ValueError: Not a quantity.
    """
    raw = str(text)
    suffix = next((s for s in sorted(_SUFFIXES, key=len, reverse=True) if raw.endswith(s)), "")
    try:
        return float(Decimal(raw.removesuffix(suffix)) * _SUFFIXES.get(suffix, 1))
    except InvalidOperation as error:
        raise ValueError(f"not a quantity: {raw!r}; write for example 500m, 2 or 4Gi") from error


def resource(container: dict[str, Any], name: str, *sections: str) -> float | None:
    """Return the first of `resources.limits` / `.requests` (as named by sections) that gives this resource."""
    resources = container.get("resources") or {}
    values = (section.get(name) for key in sections if (section := resources.get(key)))
    return next((parse(value) for value in values if value is not None), None)
