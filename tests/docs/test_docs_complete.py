"""What users can set, see or call is documented; checked independently of the generator."""

from __future__ import annotations

import re
import runpy
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from simulacra import Client
from simulacra.cli import app
from simulacra_api.http.error_codes import CATALOG
from simulacra_crds.reasons import Reason
from simulacra_crds.registry import KINDS

ROOT = Path(__file__).parents[2]
PROGRAMS = (
    "custody/simulacra_custody/verify.py",
    "custody/simulacra_custody/export_certificates.py",
    "custody/simulacra_custody/export_audit.py",
    "api/simulacra_api/__main__.py",
)
PACKAGES = (
    "api",
    "client",
    "crds",
    "custody",
    "embedded",
    "intake",
    "operator",
    "schema",
    "trainer",
)


@pytest.fixture(scope="module")
def text() -> str:
    pages: dict[str, str] = runpy.run_path(str(ROOT / "scripts" / "docs_reference.py"))["pages"]()
    written = [
        path.read_text() for path in (ROOT / "docs").rglob("*.md") if "adr" not in path.parts
    ]
    return "\n".join([*pages.values(), *written])


def _source(packages: tuple[str, ...] = PACKAGES) -> str:
    return "\n".join(
        path.read_text() for package in packages for path in (ROOT / package).rglob("*.py")
    )


def _flags(command: Any) -> set[str]:
    below = getattr(command, "commands", None)
    if below:
        return set().union(*(_flags(one) for one in below.values()))
    return {
        text
        for one in command.params
        for text in (*one.opts, *one.secondary_opts)
        if text.startswith("-")
    }


def test_no_page_has_an_address_of_this_run(text: str) -> None:
    assert re.findall(r".* at 0x[0-9a-f]+.*", text) == []


def test_settings_metrics_and_error_codes_are_documented(text: str) -> None:
    source = _source()
    settings = set(re.findall(r'"((?:SIMULACRA|VAULT)_[A-Z0-9_]*[A-Z0-9])"', source))
    metrics = set(re.findall(r'(?:Counter|Gauge|Histogram)\(\s*"(simulacra_\w+)"', source))
    codes = {*CATALOG, *re.findall(r'"(simio_[a-z_]+[a-z])"', source)}
    assert len(settings) > 12
    assert len(metrics) > 15
    assert len(codes) > 40
    assert {name for name in settings | metrics | codes if name not in text} == set()


def test_parameters_of_stores_and_keys_are_documented(text: str) -> None:
    lists = re.findall(
        r"PARAMETERS: .*? = frozenset\(\s*\{(.*?)\}", _source(("custody",)), re.DOTALL
    )
    parameters = {name for found in lists for name in re.findall(r'"([a-z-]+)"', found)}
    assert len(parameters) > 8
    assert {name for name in parameters if f"`{name}=`" not in text} == set()


def test_reasons_flags_and_client_methods_are_documented(text: str) -> None:
    flags = _flags(typer.main.get_command(app))
    assert len(flags) > 25
    methods = {f"## {name}\n" for name in dir(Client) if not name.startswith("_")} - {
        "## close\n",
        "## from_connection\n",
        "## from_environment\n",
    }
    wanted = {f"`{reason.value}`" for reason in Reason} | {f"`{flag}`" for flag in flags} | methods
    assert {name for name in wanted if name not in text} == set()


def test_program_flags_and_condition_types_are_documented(text: str) -> None:
    flags = set(
        re.findall(
            r'(?:add_argument|option)\(\s*"(--[a-z-]+)"',
            "\n".join((ROOT / path).read_text() for path in PROGRAMS),
        )
    )
    operator = _source(("operator",))
    types = set(re.findall(r'_condition="(\w+)"', operator))
    for parts in re.findall(r"parts = \{(.*?)\}\n", operator):
        types |= set(re.findall(r'"([A-Z]\w+)":', parts))
    assert len(flags) >= 5
    assert len(types) > 8
    assert {name for name in flags | types if name not in text} == set()


def test_routes_kinds_and_chart_values_are_documented(text: str) -> None:
    routes = set(re.findall(r'operation_id="(\w+)"', _source()))
    values = yaml.safe_load((ROOT / "charts" / "simulacra" / "values.yaml").read_text())
    assert len(routes) > 35
    wanted = routes | {f"## {kind.__name__}" for kind in KINDS} | {f"{name}:" for name in values}
    assert {name for name in wanted if name not in text} == set()


class _Requests(HTMLParser):
    """The URLs that a page loads by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = dict(attrs)
        if tag in ("script", "img", "iframe"):
            self.found.append(known.get("src") or "")
        if tag == "link" and known.get("rel") not in ("canonical", "prev", "next"):
            self.found.append(known.get("href") or "")


def test_site_builds_and_loads_nothing_from_other_hosts(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "-q", "-d", str(tmp_path / "site")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    pages = list((tmp_path / "site").rglob("*.html"))
    assert len(pages) > 20
    for page in pages:
        parser = _Requests()
        parser.feed(page.read_text())
        assert [url for url in parser.found if re.match(r"(https?:)?//", url)] == [], page
