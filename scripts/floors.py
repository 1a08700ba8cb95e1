"""Test of the version floors: `python scripts/floors.py UV [SET ...]` (make test-floors).

Each set of extras gets its own environment in build/floors, with the lowest version of every
direct dependency and the newest of the indirect ones. There the script imports every module of
the set's packages and runs the set's tests. `neural` runs only when it is named: the lowest torch
brings 3 GB of CUDA's libraries.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "build" / "floors"
TOOLS = (
    "hypothesis",
    "pandas",
    "polars",
    "pymerkle",
    "pytest",
    "pytest-asyncio",
    "pytest-timeout",
    "pytest-xdist",
    "standardwebhooks",
)
MARKS = "not slow and not e2e and not node and not controlplane and not browser and not reliability"


@dataclass(frozen=True)
class Set:
    """Extras that are installed together.

    Attributes:
        extras: extras of our package.
        packages: packages whose modules are imported; all of them when empty.
        lacks: top-level modules of other extras; an import may fail for want of them.
        tests: paths of the tests, relative to the repository.
    """

    extras: tuple[str, ...]
    packages: tuple[str, ...]
    lacks: tuple[str, ...] = ()
    tests: tuple[str, ...] = ()


SERVER = ("embedded", "s3", "vault", "aws", "frames", "private")
SETS = {
    "client": Set((), ("simulacra",), lacks=("mcp", "pyarrow")),
    "agent": Set(("mcp", "frames", "inference"), ("simulacra",), tests=("tests/client",)),
    "server": Set(
        SERVER,
        (),
        lacks=("mcp", "torch", "lightning", "pytorch_lightning"),
        tests=(
            "tests/schema",
            "tests/crds",
            "tests/dependencies",
            "tests/custody/test_custody_export_certificates.py",
            "tests/api/test_api_docs.py",
            "tests/api/test_api_multipart.py",
            "tests/trainer/test_differential_privacy.py",
            "tests/trainer/test_report_build.py",
        ),
    ),
    "neural": Set(("neural",), ("simulacra_trainer",), lacks=("boto3", "hvac", "opendp")),
}
DEFAULT = ("client", "agent", "server")
IMPORT_ALL = """
import importlib, pkgutil, sys
lacks, failed = sys.argv[1].split(","), 0
for package in sys.argv[2:]:
    top = importlib.import_module(package)
    for module in pkgutil.walk_packages(top.__path__, package + ".", onerror=lambda name: None):
        if module.name.endswith("__main__"):
            continue
        try:
            importlib.import_module(module.name)
        except Exception as error:
            missing = error.name or "" if isinstance(error, ModuleNotFoundError) else ""
            if missing.split(".")[0] not in lacks:
                failed += 1
                print(f"{module.name}: {type(error).__name__}: {error}")
sys.exit(failed > 0)
"""


def main() -> int:
    """Test the named sets; return 1 when one fails."""
    uv, *names = sys.argv[1:]
    failed = [name for name in names or DEFAULT if not holds(uv, name)]
    print("floors:", f"false floors in {', '.join(failed)}" if failed else "all true")
    return len(failed) > 0


def holds(uv: str, name: str) -> bool:
    """Install a set at its floors, import its modules and run its tests."""
    chosen, folder = SETS[name], FOLDER / name
    python, floors = folder / "bin" / "python", FOLDER / f"{name}.txt"
    uv = str(Path(uv).resolve())
    FOLDER.mkdir(parents=True, exist_ok=True)
    run(uv, "venv", "-q", "--clear", f"--python={sys.executable}", str(folder))
    extras = [f"--extra={extra}" for extra in chosen.extras]
    lowest = ("--resolution=lowest-direct", f"--python={python}", f"--output-file={floors}")
    run(uv, "pip", "compile", "-q", "--no-header", "--upgrade", *lowest, *extras, "pyproject.toml")
    install = (uv, "pip", "install", "-q", f"--python={python}")
    run(*install, f"--requirements={floors}", *(TOOLS if chosen.tests else ()))
    run(*install, "--no-deps", "-e", ".")
    print(f"floors: {name}: importing", flush=True)
    imported = [
        str(python),
        "-c",
        IMPORT_ALL,
        ",".join(chosen.lacks),
        *(chosen.packages or packages()),
    ]
    commands = [imported]
    if chosen.tests:
        commands.append([str(python), "-m", "pytest", "-m", MARKS, *chosen.tests])
    return all(
        subprocess.run(command, cwd=ROOT, check=False).returncode == 0 for command in commands
    )


def packages() -> list[str]:
    """Return the names of all our packages."""
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"][
        "targets"
    ]["wheel"]
    return [Path(folder).name for folder in wheel["packages"]]


def run(*command: str) -> None:
    """Run a program; raise when it fails."""
    environment = {key: value for key, value in os.environ.items() if key != "VIRTUAL_ENV"}
    subprocess.run(command, cwd=ROOT, check=True, env=environment)


if __name__ == "__main__":
    raise SystemExit(main())
