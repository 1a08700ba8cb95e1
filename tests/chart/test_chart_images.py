"""Image size budgets and contents (images/archive.py), and SBOM completion."""

from __future__ import annotations

import _ctypes
import ctypes
import importlib.util
import io
import json
import shutil
import tarfile
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from helm_chart import ROOT

STATUS = """Package: libc6
Status: install ok installed
Architecture: amd64
Version: 2.36-9+deb12u9
Description: GNU C Library
 continued: on a second line

Package: gone
Status: deinstall ok config-files
Architecture: amd64
Version: 1
"""


def module(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"images_{name}", ROOT / "images" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


def pack(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return out.getvalue()


def archive(path: Path, config: dict[str, Any], components: list[str] | None) -> Any:
    """Return a docker archive with one layer."""
    sbom = {"components": [{"purl": one} for one in components or ()]}
    inside = {"opt/simulacra/x": b"12345"}
    if components is not None:
        inside["opt/simulacra/sbom.cdx.json"] = json.dumps(sbom).encode()
    manifest = json.dumps([{"Config": "c.json", "Layers": ["l.tar"]}]).encode()
    whole = {
        "manifest.json": manifest,
        "c.json": json.dumps({"config": config}).encode(),
        "l.tar": pack(inside),
    }
    path.write_bytes(pack(whole))
    return module("archive").Archive(path)


LABELS = {
    f"org.opencontainers.image.{name}": "x"
    for name in ("title", "description", "licenses", "version", "revision")
}
GOOD = {"User": "65532:65532", "Labels": LABELS}
KNOWN = ["pkg:pypi/simulacra@0.1.0", "pkg:deb/debian/libc6@2.36?arch=amd64"]


def test_good_image_has_no_problems(tmp_path: Path) -> None:
    found = archive(tmp_path / "a.tar", GOOD, KNOWN)
    assert found.complaints("simulacra") == []
    assert found.unpacked_bytes == 5 + len(found.sbom)


@pytest.mark.parametrize(
    ("config", "components", "complaint"),
    [
        (GOOD | {"User": ""}, KNOWN, "its user is root"),
        (GOOD | {"User": "0:0"}, KNOWN, "its user is 0:0"),
        (GOOD | {"User": "simulacra"}, KNOWN, "its user is simulacra"),
        (
            GOOD | {"Labels": LABELS | {"org.opencontainers.image.revision": ""}},
            KNOWN,
            "it has no label revision",
        ),
        (GOOD, KNOWN[1:], "its SBOM does not name pkg:pypi/simulacra@"),
        (GOOD, KNOWN[:1], "its SBOM does not name pkg:deb/debian/libc6@"),
        (GOOD, None, "it has no SBOM"),
    ],
)
def test_problem_of_an_image_is_named(
    tmp_path: Path, config: dict[str, Any], components: list[str] | None, complaint: str
) -> None:
    (message,) = archive(tmp_path / "a.tar", config, components).complaints("simulacra")
    assert message.startswith(complaint)


def test_sbom_is_completed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    completion = module("complete_sbom")
    (tmp_path / "status").write_text(STATUS)
    path = tmp_path / "sbom.json"
    given = [
        {"name": "Prometheus_Client", "version": "0.2"},
        {"name": "a", "version": "1", "purl": "pkg:pypi/a@1"},
    ]
    path.write_text(json.dumps({"components": given}))
    monkeypatch.setattr(completion, "STATUS", tmp_path / "status")
    monkeypatch.setattr("sys.argv", ["complete_sbom.py", str(path)])
    completion.main()
    urls = [one["purl"] for one in json.loads(path.read_text())["components"]]
    assert urls[:2] == ["pkg:pypi/prometheus-client@0.2", "pkg:pypi/a@1"]
    (libc,) = urls[2:]
    assert libc.startswith("pkg:deb/debian/libc6@2.36-9%2Bdeb12u9?arch=amd64&distro=")


def test_slim_library_loads_without_its_symbol_table(tmp_path: Path) -> None:
    slim, library = module("slim"), tmp_path / "library.so"
    shutil.copyfile(_ctypes.__file__, library)
    with library.open("ab") as file:  # as the symbol table of an unstripped one
        file.write(bytes(1 << 20))
    before = library.stat().st_size
    slim.strip(library)
    assert library.stat().st_size < before - (1 << 20)
    assert ctypes.CDLL(str(library)).PyInit__ctypes
    script = tmp_path / "script.so"
    script.write_bytes(b"no library")
    slim.strip(script)
    assert script.read_bytes() == b"no library"


def test_slim_environment_keeps_what_is_imported(tmp_path: Path) -> None:
    kept = ["pyarrow/libarrow.so.1", "pyarrow/fs.py", "botocore/data/s3/x", "botocore/data/p.json"]
    gone = ["pyarrow/_flight.so", "pyarrow/table.pxi", "botocore/data/ec2/x", "a/tests/test_a.py"]
    for name in (*kept, *gone):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    unused = set(module("slim").unused(tmp_path))
    assert {name for name in gone if unused & {tmp_path / name, (tmp_path / name).parent}} == set(
        gone
    )
    assert not {name for name in kept if unused & {tmp_path / name, (tmp_path / name).parent}}
