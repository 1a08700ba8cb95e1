"""Build the previous release from git: its API, operator and trainer images, and its chart.

Its code goes into today's images, with today's versions of the dependencies. Dependencies that
today's images no longer contain are added. Prints the archives' paths, or why there are none.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import layout
import yaml
from builder import detect

COMMIT = "d065715f6953dff7fb84608af92afaff1e678371"
"""Release 0.2.0. Move it with each release."""
EXTRAS = {role: f"{role},s3,vault,aws" for role in ("api", "operator", "trainer")}
"""That release's extras of each role."""
FOLDER = layout.BUILD / "previous"


def main() -> int:
    """Build everything; return 3 if this clone's history lacks the release."""
    exists = ["git", "cat-file", "-e", f"{COMMIT}^{{commit}}"]
    known = subprocess.run(exists, cwd=layout.ROOT, capture_output=True)
    if known.returncode:
        sys.stderr.write(f"images: {COMMIT[:12]} is not in this clone's history\n")
        return 3
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as tree:
        archive = ["git", "archive", COMMIT]
        packed = subprocess.run(archive, cwd=layout.ROOT, check=True, stdout=subprocess.PIPE)
        subprocess.run(["tar", "-x", "-C", tree], input=packed.stdout, check=True)
        shutil.copytree(Path(tree, "charts", "simulacra"), FOLDER / "chart")
        gather(tree)
    builder = detect(None)
    current = layout.version()
    # The previous chart asks for images with its own appVersion as their tag.
    chart = yaml.safe_load((FOLDER / "chart" / "Chart.yaml").read_text())
    shutil.copytree(layout.BUILD / "api" / "tools", FOLDER / "tools")
    for role, extras in EXTRAS.items():
        today = f"simulacra.local/simulacra/{role}:{current}"
        image = f"simulacra.local/simulacra/previous-{role}:{chart['appVersion']}"
        containerfile = Path(__file__).with_name("previous.Containerfile")
        arguments = {"BASE": today, "EXTRAS": extras}
        builder.build(image, containerfile, FOLDER, arguments)
        builder.save(image, FOLDER / f"{role}.tar")
    archives = [str(FOLDER / f"{role}.tar") for role in EXTRAS]
    print(json.dumps({"chart": str(FOLDER / "chart"), "archives": archives}))
    return 0


def gather(tree: str) -> None:
    """Build its wheel in FOLDER / own and gather its dependencies in FOLDER / wheels."""
    wheel = [sys.executable, "-m", "pip", "wheel", "-q"]
    layout.run([*wheel, "--no-deps", "--wheel-dir", str(FOLDER / "own"), tree])
    extras = ",".join(EXTRAS.values())
    wheels = FOLDER / "wheels"
    links = f"--find-links={layout.WHEELHOUSE}"
    layout.run([*wheel, links, "--wheel-dir", str(wheels), f"{tree}[{extras}]"])
    for path in wheels.glob("*.whl"):
        if path.name.startswith("simulacra-"):
            path.unlink()


if __name__ == "__main__":
    raise SystemExit(main())
