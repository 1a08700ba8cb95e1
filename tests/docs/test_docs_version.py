"""One version everywhere: pyproject, chart and CHANGELOG (Keep a Changelog)."""

from __future__ import annotations

import re
import tomllib
from datetime import date
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
CHANGELOG = (ROOT / "CHANGELOG.md").read_text()
RELEASES = re.findall(r"^## \[(\d+)\.(\d+)\.(\d+)\] - (\S+)$", CHANGELOG, re.MULTILINE)


def test_package_chart_and_changelog_have_the_same_version() -> None:
    package = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    chart = yaml.safe_load((ROOT / "charts" / "simulacra" / "Chart.yaml").read_text())
    newest = ".".join(RELEASES[0][:3])
    assert (chart["version"], chart["appVersion"], newest) == (package, package, package)


def test_changelog_keeps_its_form() -> None:
    headings = re.findall(r"^## (.+)$", CHANGELOG, re.MULTILINE)
    assert headings[0] == "[Unreleased]"
    assert len(RELEASES) == len(headings) - 1, "write releases as `## [X.Y.Z] - YYYY-MM-DD`"
    versions = [tuple(map(int, release[:3])) for release in RELEASES]
    days = [date.fromisoformat(release[3]) for release in RELEASES]
    assert versions == sorted(set(versions), reverse=True)
    assert days == sorted(days, reverse=True)
    kinds = set(re.findall(r"^### (.+)$", CHANGELOG, re.MULTILINE))
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
