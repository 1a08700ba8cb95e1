"""The data directory of `up`: private, locked, with a layout version and clear errors."""

from __future__ import annotations

import shutil
import socket
import stat
from collections import namedtuple
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from simulacra_custody.wiring import open_custody
from simulacra_embedded.supervisor import UpError, datadir
from simulacra_embedded.supervisor.datadir import DataDir


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_data_directory_is_made_private(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir(mode=0o755)
    data = DataDir(tmp_path / "d")
    assert mode(data.path) == 0o700
    assert mode(data.path / "logs") == 0o700
    assert mode(data.path / "layout") == 0o600


def test_second_up_is_refused_with_the_pid_of_the_first(tmp_path: Path) -> None:
    first = DataDir(tmp_path)
    with pytest.raises(UpError, match=r"in use by another `simulacra up` \(pid \d+\)"):
        DataDir(tmp_path)
    assert first.path == tmp_path


def test_newer_layout_is_refused(tmp_path: Path) -> None:
    (tmp_path / "layout").write_text("2\n")
    with pytest.raises(UpError, match="has layout 2, this version knows 1"):
        DataDir(tmp_path)


def test_path_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(
        UpError, match=r"Not a directory\. Correct this or choose another --data-dir"
    ):
        DataDir(tmp_path / "file" / "data")


def test_full_disk_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk is simulated: filling a real one would fail other tests."""
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(1 << 40, 1 << 40, 5 << 20))
    with pytest.raises(UpError, match="only 5 MiB of disk are free, 256 MiB are needed"):
        DataDir(tmp_path)


def test_ports_are_used_again_if_they_are_free(tmp_path: Path) -> None:
    data = DataDir(tmp_path)
    first = data.ports(None)
    assert data.ports(None) == first
    with socket.create_server((datadir.HOST, first["api"])):
        second = data.ports(None)
    assert second["api"] != first["api"]
    assert second["controlplane"] == first["controlplane"]


def test_taken_port_is_refused(tmp_path: Path) -> None:
    with socket.create_server((datadir.HOST, 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UpError, match=f"port {port} on 127.0.0.1 is taken"):
            DataDir(tmp_path).ports(port)


def test_custody_urls_work_with_special_characters_in_the_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("STORE", "KEYS", "AUDIT"):
        monkeypatch.delenv(f"SIMULACRA_{name}", raising=False)
    data = DataDir(tmp_path / "a b#c?d%20")
    urls = {name: data.environment[f"SIMULACRA_{name}"] for name in ("STORE", "KEYS", "AUDIT")}
    paths = {name: unquote(urlsplit(url).path) for name, url in urls.items()}
    assert paths == {
        "STORE": str(data.path / "objects"),
        "KEYS": str(data.path / "keyring.json"),
        "AUDIT": str(data.path / "audit"),
    }
    open_custody(data.environment)  # custody accepts them


def test_environment_overrides_the_custody_of_the_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIMULACRA_STORE", "s3://bucket")
    monkeypatch.setenv("SIMULACRA_KEYS", "")
    data = DataDir(tmp_path)
    assert data.environment["SIMULACRA_STORE"] == "s3://bucket"
    assert data.environment["SIMULACRA_KEYS"].startswith("local://")
