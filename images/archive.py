"""Docker archives: unpacked size, configuration, and files of the layers."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

LABELS = ("title", "description", "licenses", "version", "revision")
"""Labels of every image, below org.opencontainers.image."""


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

    def complaints(self, own: str) -> list[str]:
        """Return what is wrong with an image that must contain the Python package `own`."""
        labels = self.config.get("Labels") or {}
        user = str(self.config.get("User", ""))
        lacking = (name for name in LABELS if not labels.get(f"org.opencontainers.image.{name}"))
        found = [f"it has no label {name}" for name in lacking]
        if not user.partition(":")[0].isdigit() or user.startswith("0"):
            found.append(f"its user is {user or 'root'}: runAsNonRoot needs a number that is not 0")
        if self.sbom is None:
            return [*found, "it has no SBOM"]
        known = {str(one.get("purl")) for one in json.loads(self.sbom)["components"]}
        for start in (f"pkg:pypi/{own}@", "pkg:deb/debian/libc6@"):
            if not any(url.startswith(start) for url in known):
                found.append(f"its SBOM does not name {start}")
        return found


def _file(tar: tarfile.TarFile, name: str) -> Any:
    found = tar.extractfile(name)
    if found is None:
        raise SystemExit(f"images: {name} in the archive is no file")
    return found
