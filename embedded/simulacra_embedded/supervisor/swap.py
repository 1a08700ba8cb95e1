"""Swap of this machine that would hold memory in clear on a disk."""

from pathlib import Path

_SWAPS = Path("/proc/swaps")
_BLOCK_DEVICES = Path("/sys/class/block")


def unencrypted_swap(swaps: Path = _SWAPS, devices: Path = _BLOCK_DEVICES) -> list[str]:
    """Return the active swap devices and files except zram (memory) and dm-crypt devices.

    A swap file on an encrypted file system is named, too: its file system is not examined.
    """
    try:
        lines = swaps.read_text().splitlines()[1:]
    except OSError:
        return []
    return [name for name in (line.split()[0] for line in lines) if not _is_safe(name, devices)]


def _is_safe(name: str, devices: Path) -> bool:
    device = Path(name).name
    if device.startswith("zram"):
        return True
    try:
        return (devices / device / "dm" / "uuid").read_text().startswith("CRYPT-")
    except OSError:
        return False
