"""CPU and memory of a container: quantities (`500m` cores, `2Gi` bytes) and threads."""

import math
from decimal import Decimal, InvalidOperation
from typing import Any

Object = dict[str, Any]
_SUFFIXES = {"m": Decimal("0.001")}
_SUFFIXES |= {suffix: Decimal(1000) ** power for power, suffix in enumerate("kMGT", 1)}
_SUFFIXES |= {f"{suffix}i": Decimal(1024) ** power for power, suffix in enumerate("KMGT", 1)}


def parse_quantity(text: str | int | float) -> float:
    """Return the value in base units (cores, bytes).

    Raises:
        ValueError: The text is not a quantity.
    """
    raw = str(text)
    suffix = next((s for s in sorted(_SUFFIXES, key=len, reverse=True) if raw.endswith(s)), "")
    try:
        return float(Decimal(raw.removesuffix(suffix)) * _SUFFIXES.get(suffix, 1))
    except InvalidOperation as error:
        raise ValueError(f"not a quantity: {raw!r}. Write for example 500m, 2 or 4Gi.") from error


def amount(container: Object, name: str, section: str) -> float | None:
    """Return a resource in `limits` or `requests`; None if the container does not set it."""
    value = ((container.get("resources") or {}).get(section) or {}).get(name)
    return None if value is None else parse_quantity(value)


def threads(container: Object, running: int, cores: int) -> int:
    """Return the threads for a container: its CPU limit, or its request or share of the cores.

    `running` is the number of running pods, including this one.
    """
    limit = amount(container, "cpu", "limits")
    request = amount(container, "cpu", "requests") or 0.0
    wanted = math.ceil(limit) if limit else max(math.ceil(request), cores // running)
    return max(1, min(wanted, cores))
