"""`make e2e`: builds the images, loads them into a cluster, and runs tests/node on it.

The cluster is that of KUBECONFIG (SIMULACRA_IMAGE_LOADER is then the command that loads archives into it), a kind one
(--kind), or else the node of ../shared/bin/cluster, which needs root and some packages of Debian, installed if missing.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
TOOL = ROOT.parent / "shared" / "bin" / "cluster"
PORT = "23300"
ROLES = ("api", "operator", "trainer", "tryout")
PACKAGES = {
    "containerd": "containerd",
    "runc": "runc",
    "ip": "iproute2",
    "iptables": "iptables",
    "ipset": "ipset",
    "buildah": "buildah",
    "debootstrap": "debootstrap",
}
LIBRARIES = {Path("/usr/lib/cni"): "containernetworking-plugins", Path("/usr/lib/podman/netavark"): "netavark"}
CHART_VALUES = {"image": {"registry": "simulacra.local", "pullPolicy": "IfNotPresent"}}


def prepare() -> None:
    """Install what a node and the build need, as root on Debian; else say what is missing."""
    path = os.environ["PATH"] + ":/usr/sbin:/sbin"
    missing = [package for program, package in PACKAGES.items() if not shutil.which(program, path=path)]
    missing += [package for folder, package in LIBRARIES.items() if not folder.exists()]
    if not missing:
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise SystemExit(f"e2e: a node needs root and these packages of Debian: {' '.join(missing)}")
    quiet = {"check": True, "stdout": subprocess.DEVNULL, "env": os.environ | {"DEBIAN_FRONTEND": "noninteractive"}}
    subprocess.run(["apt-get", "update", "-q"], **quiet)
    subprocess.run(["apt-get", "install", "-y", "-q", "--no-install-recommends", *missing], **quiet)


def suite(kubeconfig: str, more: dict[str, str], extra: list[str]) -> int:
    """Run tests/node; return pytest's exit code."""
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as values:
        yaml.safe_dump(CHART_VALUES, values)
        values.flush()
        env = os.environ | {"KUBECONFIG": kubeconfig, "SIMULACRA_E2E_VALUES": values.name} | more
        command = [sys.executable, "-m", "pytest", "tests/node", "-m", "node", "-x", "-rs", "--durations=6", *extra]
        return subprocess.run(command, env=env, cwd=ROOT, check=False).returncode


def on_node(archives: list[str], extra: list[str]) -> int:
    """The suite on a node of our own, which is taken down afterwards."""
    if not TOOL.exists():
        raise SystemExit("e2e: set KUBECONFIG and SIMULACRA_IMAGE_LOADER, or put the tool at ../shared/bin/cluster")
    folder = tempfile.mkdtemp(prefix="simulacra-e2e-")
    command = [str(TOOL), "up", folder, "--node", "--audit", "--port", PORT]
    up = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
    os.environ["PATH"] += f":{up['bin']}"
    try:
        subprocess.run([str(TOOL), "load", folder, *archives], check=True)
        return suite(up["kubeconfig"], {"SIMULACRA_E2E_KUBELET": folder}, extra)
    finally:
        if os.environ.get("SIMULACRA_E2E_KEEP"):
            print(f"e2e: left up: KUBECONFIG={up['kubeconfig']}; {TOOL} down {folder} ends it")
        else:
            subprocess.run([str(TOOL), "down", folder], check=False)
            shutil.rmtree(folder, ignore_errors=True)


def on_kind(archives: list[str], extra: list[str]) -> int:
    """The suite on a kind cluster made for it."""
    if not shutil.which("kind"):
        raise SystemExit("e2e: kind is not in PATH")
    name = "simulacra-e2e"
    with tempfile.TemporaryDirectory() as folder:
        kubeconfig = f"{folder}/kubeconfig"
        create = ["kind", "create", "cluster", "--name", name, "--kubeconfig", kubeconfig, "--wait", "120s"]
        subprocess.run(create, check=True)
        try:
            for archive in archives:
                subprocess.run(["kind", "load", "image-archive", archive, "--name", name], check=True)
            return suite(kubeconfig, {}, extra)
        finally:
            subprocess.run(["kind", "delete", "cluster", "--name", name], check=False)


def main() -> int:
    """Build, load, test."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kind", action="store_true", help="make a kind cluster")
    args, extra = parser.parse_known_args()
    given = os.environ.get("KUBECONFIG")
    loader = os.environ.get("SIMULACRA_IMAGE_LOADER")
    if given and not loader and not args.kind:
        raise SystemExit("e2e: KUBECONFIG is set: SIMULACRA_IMAGE_LOADER must say how archives get into its nodes")
    build = [sys.executable, str(ROOT / "images" / "build.py"), *ROLES]
    if args.kind:
        build += ["--base", f"python:{'.'.join(map(str, sys.version_info[:2]))}-slim-bookworm"]
    elif not given:
        prepare()
    subprocess.run(build, check=True)
    archives = [str(ROOT / "build" / "images" / f"{role}.tar") for role in ROLES]
    if args.kind:
        return on_kind(archives, extra)
    if given and loader:
        subprocess.run([*shlex.split(loader), *archives], check=True)
        return suite(given, {}, extra)
    return on_node(archives, extra)


if __name__ == "__main__":
    raise SystemExit(main())
