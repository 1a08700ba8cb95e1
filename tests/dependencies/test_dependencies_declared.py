"""Every distribution that a package imports is declared by an extra of that package."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = PYPROJECT["project"]
WHEEL = PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]
PACKAGES = [ROOT / folder for folder in WHEEL["packages"]]
# The extras that a package may be installed with, where they are more than the one of its own name.
EXTRAS = {
    "simulacra": {"mcp", "frames"},
    "simulacra_controlplane": {"embedded"},
    "simulacra_crds": {"kubernetes"},
    "simulacra_schema": {"frames"},  # cell_text, for those who have pyarrow
    "simulacra_custody": {"custody", "s3", "vault", "aws"},
    "simulacra_intake": {"trainer"},
    "simulacra_trainer": {"trainer", "private", "neural", "s3", "aws"},
}
BY_MODULE = packages_distributions()


def normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def declared(lines: list[str]) -> set[str]:
    """Return the distributions of requirement lines, those of our own extras included."""
    found: set[str] = set()
    for line in lines:
        name, _, extras = re.split(r"[<>=!~; ]", line)[0].partition("[")
        if normalized(name) == PROJECT["name"]:
            for extra in extras.rstrip("]").split(","):
                found |= declared(PROJECT["optional-dependencies"][extra])
        else:
            found.add(normalized(name))
    return found


def imported(package: Path) -> Iterator[tuple[str, str]]:
    """Yield each file with each top-level module that it imports from outside the product."""
    for path in package.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = [node.module]
            for top in {name.split(".")[0] for name in names}:
                if top not in sys.stdlib_module_names and not top.startswith("simulacra"):
                    yield str(path.relative_to(ROOT)), top


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.name)
def test_every_imported_distribution_is_declared(package: Path) -> None:
    extras = EXTRAS.get(package.name, {package.name.removeprefix("simulacra_")})
    lines = [f"{PROJECT['name']}[{','.join(sorted(extras))}]", *PROJECT["dependencies"]]
    known = declared(lines)
    wanted = list(imported(package))
    assert wanted
    undeclared = [
        (file, module)
        for file, module in wanted
        if not known & {normalized(name) for name in BY_MODULE.get(module, [module])}
    ]
    assert undeclared == []
