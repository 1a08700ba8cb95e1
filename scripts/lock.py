"""Lock files: `python scripts/lock.py UV [--upgrade]`, where UV is the program uv (make lock).

locks/all.txt locks every extra and the build backend, for CI. locks/images.txt locks what the
images contain and what builds them. Both hold exact versions and the hashes of all their files,
for every Python and platform, and name no registry. torch and CUDA's libraries are in neither;
locks/torch.txt says why.

Versions that still fit stay; with --upgrade each becomes the newest.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "images"))
import layout  # noqa: E402

LOCKS = ROOT / "locks"
HEADER = """\
# {title}
# Written by `make lock`; do not edit. Install with `pip install --no-deps --require-hashes -r`.
# torch and CUDA's libraries are not here: locks/torch.txt says why.
"""
OPTIONS = (
    "--quiet", "--universal", "--python-version=3.11", "--generate-hashes",
    "--no-annotate", "--no-header", "--no-emit-index-url", "--no-emit-find-links",
)  # fmt: skip
UNLOCKED = re.compile(r"torch|triton|(nvidia|cuda)-.*")
EXTRAS = ("dev", "neural")  # these two include all others


def main() -> int:
    """Write both files."""
    uv = sys.argv[1:]
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text())
    backend = [*pyproject["build-system"]["requires"], "editables"]  # for pip install -e
    write(uv, "all", "Every extra and the build backend: CI.", EXTRAS, backend, ["torch"])
    extras = {extra for role in layout.ROLES.values() for extra in role.extras.split(",") if extra}
    packages = [*layout.TOOLS, *(name for role in layout.ROLES.values() for name in role.packages)]
    title = "What the images hold (their extras, the tryout's servers) and what builds them."
    write(uv, "images", title, sorted(extras), [*backend, *packages], ["torch", "all"])
    return 0


def write(
    uv: list[str],
    name: str,
    title: str,
    extras: tuple[str, ...] | list[str],
    others: list[str],
    constraints: list[str],
) -> None:
    """Resolve extras and other requirements under constraints; write them to locks/NAME.txt."""
    program, *more = uv
    path = LOCKS / f"{name}.txt"
    command = [
        program,
        "pip",
        "compile",
        *OPTIONS,
        *more,
        f"--output-file={path}",
        "pyproject.toml",
        "-",
    ]
    command += [f"--extra={extra}" for extra in extras]
    command += [f"--constraint=locks/{constraint}.txt" for constraint in constraints]
    subprocess.run(command, cwd=ROOT, input="\n".join(others), text=True, check=True)
    text = re.sub(r"(?m)^#.*\n", "", path.read_text())
    blocks = re.split(r"(?m)^(?=\S)", text)
    locked = [block for block in blocks if block and not UNLOCKED.fullmatch(block.split("==")[0])]
    path.write_text(HEADER.format(title=title) + "".join(locked))


if __name__ == "__main__":
    raise SystemExit(main())
