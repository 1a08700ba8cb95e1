"""`make e2e`: build the images, load them into a cluster, and run tests/node on it.

The cluster is that of KUBECONFIG (SIMULACRA_IMAGE_LOADER is then the command that loads archives
into it), or a kind cluster (--kind), or else the node of ../shared/bin/cluster, which needs root
and some Debian packages; missing ones are installed. The cluster is always removed at the end; the
next run removes that of a killed run.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
TOOL = ROOT.parent / "shared" / "bin" / "cluster"
PORT = "23300"
ROLES = ("api", "operator", "trainer", "tryout")
NEURAL = "trainer-cuda"
"""Built with --neural only: the fit by two workers takes minutes more in CI."""
PACKAGES = {
    "containerd": "containerd",
    "runc": "runc",
    "ip": "iproute2",
    "iptables": "iptables",
    "ipset": "ipset",
    "buildah": "buildah",
    "debootstrap": "debootstrap",
    "prometheus": "prometheus",
}
LIBRARIES = {
    Path("/usr/lib/cni"): "containernetworking-plugins",
    Path("/usr/lib/podman/netavark"): "netavark",
}
NIGHT = "SIMULACRA_E2E_NIGHT"
"""Names the file for the report of a night on the node, which then is the only test."""
NO_HISTORY = 3
"""Exit code of images/previous.py if the clone does not have the previous release."""
FREE_GIB = 20
"""Disk for images, layers and the node's copies, beside the tests (measured: 16 GiB)."""
CHART_VALUES = {"image": {"registry": "simulacra.local", "pullPolicy": "IfNotPresent"}}
NETWORKS = ("10.88.0.0/16", "10.96.0.0/16")
"""Addresses of the node's Pods and Services; see ../shared/bin/README.md."""
PROBE = """set -e
ip netns add sim-probe-$$
trap "ip netns del sim-probe-$$" EXIT
nsenter --net=/run/netns/sim-probe-$$ iptables -t nat -nL
nsenter --net=/run/netns/sim-probe-$$ ipset create probe hash:ip
"""
_spent: dict[str, float] = {}


class Unable(Exception):
    """This machine cannot run a node; nothing was tested."""


@contextmanager
def part(name: str) -> Iterator[None]:
    """Print the name of a part, and record its duration."""
    print(f"e2e: {name} ...", flush=True)
    began = time.monotonic()
    try:
        yield
    finally:
        _spent[name] = time.monotonic() - began


def contained(command: list[str], env: dict[str, str] | None = None) -> int:
    """Run a program in its own process group, end the group with it, return the exit code."""
    process = subprocess.Popen(command, env=env, cwd=ROOT, start_new_session=True)
    try:
        return process.wait()
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                process.wait(10)
            os.killpg(process.pid, signal.SIGKILL)


def prepare() -> None:
    """Install the packages of node and build, and probe the machine; raises Unable."""
    if not TOOL.exists():
        raise Unable(
            "set KUBECONFIG and SIMULACRA_IMAGE_LOADER, or put the tool at ../shared/bin/cluster"
        )
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    missing = [package for program, package in PACKAGES.items() if not shutil.which(program)]
    missing += [package for folder, package in LIBRARIES.items() if not folder.exists()]
    if os.geteuid() != 0:
        raise Unable("a node needs root; run this as root")
    if missing and not shutil.which("apt-get"):
        raise Unable(f"install these Debian packages: {' '.join(missing)}")
    if missing:
        env = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        quiet: dict[str, Any] = {"capture_output": True, "text": True, "env": env}
        subprocess.run(["apt-get", "update", "-q"], check=False, **quiet)
        install = ["apt-get", "install", "-y", "-q", "--no-install-recommends", *missing]
        done = subprocess.run(install, check=False, **quiet)
        if done.returncode:
            raise Unable(
                f"apt-get could not install {' '.join(missing)}: {done.stderr.strip()[-400:]}"
            )
    if (free := _free_gib()) < FREE_GIB:  # each build leaves layers, for a next one to use
        print("e2e: little disk is free; untagged images are deleted", flush=True)
        subprocess.run(["buildah", "rmi", "--prune", "--force"], check=False, capture_output=True)
        free = _free_gib()
    if free < FREE_GIB:
        raise Unable(f"{FREE_GIB} GiB of disk are needed, {free} are free; free some")
    tried = subprocess.run(["sh", "-c", PROBE], capture_output=True, text=True, check=False)
    if tried.returncode:
        raise Unable(f"this machine does not let root make networks: {tried.stderr.strip()[-400:]}")


def _free_gib() -> int:
    return shutil.disk_usage(ROOT).free >> 30


def report(name: str) -> list[str]:
    """Return pytest's flags for a report that scripts/claims.py reads."""
    describe = ["git", "describe", "--always", "--dirty", "--exclude=*", "--abbrev=40"]
    commit = subprocess.run(describe, capture_output=True, text=True, check=False, cwd=ROOT).stdout
    file = ROOT / "build" / "reports" / f"{name}.xml"
    return [f"--junitxml={file}", "-o", f"junit_suite_name={commit.strip()}"]


def suite(kubeconfig: str, more: dict[str, str], extra: list[str]) -> int:
    """Run tests/node; return pytest's exit code, and show the cluster's state on failure."""
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as values, part("tests"):
        yaml.safe_dump(CHART_VALUES, values)
        values.flush()
        env = os.environ | {"KUBECONFIG": kubeconfig, "SIMULACRA_E2E_VALUES": values.name} | more
        tests = "tests/node/test_node_night.py" if NIGHT in env else "tests/node"
        command = [sys.executable, "-m", "pytest", tests, "-m", "node", "-x", "-vv"]
        code = contained([*command, "-rs", "--durations=12", *report("node"), *extra], env)
    if code:
        describe(kubeconfig)
    return code


def attacks(kubeconfig: str) -> int:
    """Run the attacks on the rights of API and operator on a cluster that is deleted afterwards.

    Elsewhere `make test-controlplane` runs them; CI's job of that name lacks a controller manager.
    """
    with part("attacks"):
        env = os.environ | {"SIMULACRA_ATTACK_KUBECONFIG": kubeconfig}
        command = [sys.executable, "-m", "pytest", "tests/attack", "-m", "controlplane"]
        return contained([*command, "-x", "-v", "-rs", *report("node-attacks")], env)


def describe(kubeconfig: str) -> None:
    """Print pods, events and the last lines of the product's logs."""
    kubectl = [str(Path(sys.executable).with_name("kubectl")), "--kubeconfig", kubeconfig]
    for words in (
        "get pods -A -o wide",
        "get tenants,datasets,models,generationjobs -A -o wide",
        "get events -A --sort-by=.lastTimestamp",
        (
            "logs -n simulacra-system -l app.kubernetes.io/name=simulacra --all-containers --prefix"
            " --tail=40"
        ),
        (
            "logs -n simulacra-system -l app.kubernetes.io/name=simulacra --all-containers --prefix"
            " --tail=20 --previous"
        ),
    ):
        print(f"\ne2e: kubectl {words}", flush=True)
        done = subprocess.run(
            [*kubectl, *words.split()], stdout=subprocess.PIPE, text=True, check=False, timeout=60
        )
        print("\n".join(done.stdout.splitlines()[-120:]), flush=True)


def take_down(folder: Path) -> None:
    """Stop and remove the node of a folder; ignore signals meanwhile."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    subprocess.run([str(TOOL), "down", str(folder)], check=False, start_new_session=True)
    shutil.rmtree(folder, ignore_errors=True)


def on_node(archives: list[str], extra: list[str]) -> int:
    """Run the suite on a new node, which is removed afterwards."""
    folder = ROOT / "build" / "e2e"
    lock = os.open(f"{folder}.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise SystemExit("e2e: another run uses this checkout; wait for it") from None
    if folder.exists():  # a run that was killed
        subprocess.run([str(TOOL), "down", str(folder)], check=False)
        shutil.rmtree(folder)
    routes = subprocess.run(["ip", "route"], stdout=subprocess.PIPE, text=True, check=True).stdout
    if any(network in routes for network in NETWORKS):
        raise SystemExit(
            "e2e: another node of ../shared/bin/cluster is up, and there can be only one: take it"
            " down"
        )
    keep = False
    try:
        with part("node"):
            command = [str(TOOL), "up", str(folder), "--node", "--audit", "--port", PORT]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            up = json.loads(done.stdout)
            os.environ["PATH"] += f":{up['bin']}"
        with part("load"):
            load = [str(TOOL), "load", str(folder), *archives]
            subprocess.run(load, check=True, stderr=subprocess.DEVNULL)
        keep = bool(os.environ.get("SIMULACRA_E2E_KEEP"))
        return suite(up["kubeconfig"], {"SIMULACRA_E2E_CLUSTER": str(folder)}, extra)
    finally:
        if keep:
            print(
                f"e2e: node kept: KUBECONFIG={folder}/kubeconfig; {TOOL} down {folder} removes it"
            )
        else:
            with part("down"):
                take_down(folder)


def on_kind(archives: list[str], extra: list[str]) -> int:
    """Run the suite on a new kind cluster, which is removed afterwards."""
    name = "simulacra-e2e"
    with tempfile.TemporaryDirectory() as folder:
        kubeconfig = f"{folder}/kubeconfig"
        create = ["kind", "create", "cluster", "--name", name, "--kubeconfig", kubeconfig]
        load = ["kind", "load", "image-archive", "--name", name]
        try:
            subprocess.run([*create, "--wait", "120s"], check=True)
            for archive in archives:
                subprocess.run([*load, archive], check=True)
            return suite(kubeconfig, {}, extra) or attacks(kubeconfig)
        finally:
            subprocess.run(["kind", "delete", "cluster", "--name", name], check=False)


def build(more: list[str], *, neural: bool) -> list[str]:
    """Build the images, and those of the previous release if git has it; return the archives."""
    folder = ROOT / "build" / "images"
    roles = (*ROLES, NEURAL) if neural else ROLES
    if neural:
        os.environ["SIMULACRA_E2E_NEURAL"] = "1"
    with part("images"):
        if contained([sys.executable, str(ROOT / "images" / "build.py"), *roles, *more]):
            raise SystemExit("e2e: the images could not be built")
    with part("previous release"):
        previous = [sys.executable, str(ROOT / "images" / "previous.py")]
        code = NO_HISTORY if NIGHT in os.environ else contained(previous)
        if code not in (0, NO_HISTORY):
            raise SystemExit("e2e: the previous release's images could not be built")
    archives = [folder / f"{role}.tar" for role in roles]
    if code == 0:
        os.environ["SIMULACRA_E2E_PREVIOUS"] = str(folder / "previous" / "chart")
        archives += [folder / "previous" / f"{role}.tar" for role in ROLES[:3]]
    return [str(path) for path in archives]


def run(args: argparse.Namespace, extra: list[str]) -> int:
    """Build, load, test; return pytest's exit code."""
    base = ["--base", args.base] if args.base else []
    given = os.environ.get("KUBECONFIG")
    loader = os.environ.get("SIMULACRA_IMAGE_LOADER")
    if args.kind:
        if not shutil.which("kind"):
            raise Unable("kind is not in PATH")
        version = ".".join(map(str, sys.version_info[:2]))
        base = ["--base", args.base or f"python:{version}-slim-bookworm"]
        return on_kind(build(base, neural=args.neural), extra)
    if given:
        if not loader:
            raise Unable("KUBECONFIG is set; set SIMULACRA_IMAGE_LOADER to the command that loads")
        archives = build(base, neural=args.neural)
        subprocess.run([*shlex.split(loader), *archives], check=True)
        return suite(given, {}, extra)
    with part("packages"):
        prepare()
    return on_node(build(base, neural=args.neural), extra)


def main() -> int:
    """Run all of it. Missing means are an error, or with --or-skip a visible skip."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kind", action="store_true", help="make a kind cluster")
    parser.add_argument(
        "--base", help="base of the images (images/build.py); torch needs a newer glibc"
    )
    parser.add_argument(
        "--neural",
        action="store_true",
        help="also build the trainer with torch, and fit with two pods",
    )
    parser.add_argument(
        "--night", action="store_true", help="instead: an hour of load and faults, build/night.md"
    )
    parser.add_argument(
        "--or-skip", action="store_true", help="exit with 0 if this machine cannot run a node"
    )
    args, extra = parser.parse_known_args()
    if args.night:
        os.environ.setdefault(NIGHT, str(ROOT / "build" / "night.md"))
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit("e2e: ended by a signal"))
    try:
        return run(args, extra)
    except Unable as why:
        print(
            "\n!!! e2e"
            f" {'SKIPPED, NOTHING WAS TESTED ON A NODE' if args.or_skip else 'cannot run'}: {why}\n"
        )
        return 0 if args.or_skip else 2
    except subprocess.CalledProcessError as failed:
        print(f"e2e: {' '.join(map(str, failed.cmd[:3]))} ended with {failed.returncode}")
        return 1
    except KeyboardInterrupt:
        print("e2e: interrupted")
        return 130
    finally:
        spent = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in _spent.items())
        print(f"e2e: {spent}", flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
