"""Ages as kubectl prints them. Source: apimachinery `util/duration.HumanDuration`."""

from datetime import UTC, datetime

_MINUTE, _HOUR, _DAY = 60, 3600, 86400


def _pair(high: int, unit: str, low: int, low_unit: str) -> str:
    return f"{high}{unit}{low}{low_unit}" if low else f"{high}{unit}"


def human(seconds: float) -> str:
    """Two significant units: `45s`, `5m3s`, `2h10m`, `3d4h`, `120d`, `2y40d`."""
    total = int(seconds)
    if total < -1:
        return "<invalid>"
    total = max(total, 0)
    minutes, hours, days = total // _MINUTE, total // _HOUR, total // _DAY
    if total < 2 * _MINUTE:
        return f"{total}s"
    if minutes < 10:
        return _pair(minutes, "m", total % 60, "s")
    if minutes < 180:
        return f"{minutes}m"
    if hours < 8:
        return _pair(hours, "h", minutes % 60, "m")
    if hours < 48:
        return f"{hours}h"
    if hours < 192:
        return _pair(days, "d", hours % 24, "h")
    if days < 730:
        return f"{days}d"
    years = days // 365
    return _pair(years, "y", days % 365, "d") if years < 8 else f"{years}y"


def since(timestamp: str | None) -> str:
    """The age of an RFC 3339 time, or `<unknown>`."""
    if not timestamp:
        return "<unknown>"
    return human((datetime.now(UTC) - datetime.fromisoformat(timestamp)).total_seconds())
