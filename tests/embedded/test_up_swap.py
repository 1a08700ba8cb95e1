"""Swap of the machine: which devices would keep memory in clear."""

from __future__ import annotations

from pathlib import Path

from simulacra_embedded.supervisor.swap import unencrypted_swap

HEAD = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"


def test_swap_is_named_unless_it_is_memory_or_encrypted(tmp_path: Path) -> None:
    swaps = tmp_path / "swaps"
    swaps.write_text(
        HEAD
        + "".join(
            f"{name}  partition  1048572  0  -2\n"
            for name in ("/dev/sda2", "/swapfile", "/dev/zram0", "/dev/dm-0", "/dev/dm-1")
        )
    )
    for device, uuid in (("dm-0", "CRYPT-PLAIN-swap\n"), ("dm-1", "LVM-abc\n")):
        (tmp_path / device / "dm").mkdir(parents=True)
        (tmp_path / device / "dm" / "uuid").write_text(uuid)
    assert unencrypted_swap(swaps, tmp_path) == ["/dev/sda2", "/swapfile", "/dev/dm-1"]


def test_without_swap_there_is_no_warning(tmp_path: Path) -> None:
    (tmp_path / "swaps").write_text(HEAD)
    assert unencrypted_swap(tmp_path / "swaps", tmp_path) == []
    assert unencrypted_swap(tmp_path / "missing", tmp_path) == []
