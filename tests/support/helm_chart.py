"""The Helm chart, rendered by the real helm, as `helm install` would apply it."""

from __future__ import annotations

import functools
import shutil
import subprocess
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from typing import Any

import pytest
import yaml

Object = dict[str, Any]
ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "charts" / "simulacra"
TOOL = ROOT.parent / "shared" / "bin" / "cluster"
SYSTEM = "simulacra-system"
APP_VERSION = str(yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"])
"""Default tag of the chart's images."""
OWN = "tryout.enabled=false,store.url=s3://abc/d,store.auditUrl=s3://abc/a,keys.url=awskms://?region=eu-west-1"
VARIANTS: dict[str, tuple[str, ...]] = {
    "defaults": (),
    "volume": ("--set", "tryout.persistence.enabled=true,tryout.persistence.storageClass=fast"),
    "bare": (
        "--set",
        f"{OWN},networkPolicy.enabled=false,roles.enabled=false,check.enabled=false,crds.install=false",
    ),
    "token": ("--set", f"{OWN},trainer.tokenAudience=vault"),
    "aggregated": (
        "--set",
        "roles.aggregate=true,auth.oidcIssuer=https://issuer.example,api.maxUploadBytes=1000000000",
    ),
    "habits": (
        "--set-json",
        """api={"affinity": {"podAntiAffinity": {}}, "priorityClass": "platform", "extraEnv":
        [{"name": "HTTPS_PROXY", "value": "http://proxy:3128"}], "podAnnotations": {"a.b/c": "d"},
        "podLabels": {"team": "data"}, "service": {"type": "LoadBalancer"}}""",
        "--set-json",
        """operator={"affinity": {"podAntiAffinity": {}}, "priorityClass": "platform", "extraEnv":
        [{"name": "REGION", "valueFrom": {"configMapKeyRef": {"name": "here", "key": "region"}}}],
        "podAnnotations": {"a.b/c": "d"}, "podLabels": {"team": "data"}, "replicas": 2}""",
    ),
    "namespaced": ("--set", "namespaces={tenant-acme,tenant-globex}"),
    **{path.stem: ("-f", str(path)) for path in sorted((CHART / "examples").glob("*.yaml"))},
}
"""Variants of the chart: name and helm arguments."""
FOREIGN = ("monitoring.coreos.com", "gateway.networking.k8s.io")
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The one written in C reads the chart in a tenth of the time, 0.05 CPU seconds."""


@functools.cache
def program(name: str) -> Path | None:
    """Return a program of PATH or of the shared archive (unpacked at first use), or None."""
    if found := shutil.which(name):
        return Path(found)
    if not TOOL.exists():
        return None
    loader = SourceFileLoader("shared_cluster", str(TOOL))
    spec = spec_from_loader(loader.name, loader)
    assert spec is not None
    module = module_from_spec(spec)
    loader.exec_module(module)
    path = Path(module.binaries()) / name
    return path if path.exists() else None


def require_program(name: str) -> Path:
    """Return a program, or skip the test."""
    found = program(name)
    if found is None:
        pytest.skip(f"{name} is neither in PATH nor in ../shared/bin")
    return found


def helm(*arguments: str, ok: bool = True) -> str:
    """Run helm; return what it printed, or its error output when `ok` is false."""
    done = subprocess.run(
        [str(require_program("helm")), *arguments], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode == 0) is ok, done.stdout + done.stderr
    return done.stdout if ok else done.stdout + done.stderr


def render(
    *arguments: str, only: tuple[str, ...] = (), namespace: str = SYSTEM, chart: Path = CHART
) -> list[Object]:
    """Render a chart, or some of its templates, with helm's arguments; return the objects."""
    shown = [part for name in only for part in ("-s", f"templates/{name}")]
    text = helm("template", "simulacra", str(chart), "-n", namespace, *shown, *arguments)
    return [document for document in yaml.load_all(text, _Loader) if document]


def rbac_objects(component: str, *arguments: str) -> list[Object]:
    """Return the ServiceAccount, roles and bindings of the API or the operator."""
    return render(*arguments, only=(f"{component}/serviceaccount.yaml", f"{component}/rbac.yaml"))
