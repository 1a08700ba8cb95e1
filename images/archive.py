"""Looks into a docker archive: how big the image is unpacked, what its configuration says, and a file of its layers."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any


class Archive:
    """A docker archive (`docker save`, `buildah push docker-archive:`)."""

    def __init__(self, path: Path) -> None:
        with tarfile.open(path) as tar:
            manifest = json.load(_file(tar, "manifest.json"))[0]
            self.config: dict[str, Any] = json.load(_file(tar, manifest["Config"]))["config"]
            self.unpacked_bytes = 0
            self.sbom: bytes | None = None
            for name in manifest["Layers"]:
                with tarfile.open(fileobj=_file(tar, name)) as layer:
                    for member in layer:
                        self.unpacked_bytes += member.size
                        if member.name.endswith("opt/simulacra/sbom.cdx.json"):
                            self.sbom = _file(layer, member.name).read()


def _file(tar: tarfile.TarFile, name: str) -> Any:
    found = tar.extractfile(name)
    if found is None:
        raise SystemExit(f"images: {name} in the archive is no file")
    return found
