"""Complete the SBOM of an image, inside it: `python3 complete_sbom.py SBOM` (CycloneDX).

Adds the package URLs of packages that were installed from files, because scanners match by URL
only, and the packages of Debian.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from urllib.parse import quote

STATUS = Path("/var/lib/dpkg/status")


def debian(status: str) -> list[dict[str, str]]:
    """Return name, version and package URL of what a dpkg status file lists as installed."""
    release = dict(
        line.split("=", 1)
        for line in Path("/etc/os-release").read_text().splitlines()
        if line.count("=") == 1
    )
    distro = f"debian-{release.get('VERSION_ID', '').strip(chr(34))}".rstrip("-")
    found = []
    for paragraph in status.split("\n\n"):
        fields = dict(
            line.split(": ", 1)
            for line in paragraph.splitlines()
            if ": " in line and line[0] != " "
        )
        if fields.get("Status") != "install ok installed":
            continue
        name, version = fields["Package"], fields["Version"]
        place = f"arch={fields['Architecture']}&distro={distro}"
        url = f"pkg:deb/debian/{name}@{quote(version, safe='')}?{place}"
        found.append(
            {"type": "library", "bom-ref": url, "name": name, "version": version, "purl": url}
        )
    return sorted(found, key=lambda one: one["purl"])


def main() -> None:
    """Write both into the SBOM; an image without dpkg has the Python packages only."""
    path = Path(sys.argv[1])
    document = json.loads(path.read_text())
    for one in document["components"]:
        name = re.sub(r"[-_.]+", "-", one["name"]).lower()
        one.setdefault("purl", f"pkg:pypi/{name}@{quote(one['version'], safe='')}")
    if STATUS.exists():
        document["components"] += debian(STATUS.read_text())
    path.write_text(json.dumps(document, indent=1))


if __name__ == "__main__":
    main()
