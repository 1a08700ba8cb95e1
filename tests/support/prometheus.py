"""A real Prometheus that scrapes a release by the chart's ServiceMonitors and rules."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import yaml

from helm_chart import CHART, SYSTEM, render, require_program
from installation import eventually
from ports import free_port

ALERTS = CHART / "files" / "alerts.yaml"
MONITORS = ("--set", "monitoring.serviceMonitor.enabled=true,monitoring.serviceMonitor.interval=2s")


def job(monitor: dict[str, Any]) -> dict[str, Any]:
    """Return the scrape configuration that a ServiceMonitor becomes."""
    (endpoint,) = monitor["spec"]["endpoints"]
    labels = monitor["spec"]["selector"]["matchLabels"]
    kept = [
        {
            "action": "keep",
            "source_labels": [
                "__meta_kubernetes_service_label_" + name.translate(str.maketrans("./-", "___"))
            ],
            "regex": value,
        }
        for name, value in labels.items()
    ]
    port = {
        "action": "keep",
        "source_labels": ["__meta_kubernetes_endpointslice_port_name"],
        "regex": endpoint["port"],
    }
    named = [
        {"source_labels": ["__meta_kubernetes_service_name"], "target_label": "job"},
        {"source_labels": ["__meta_kubernetes_pod_name"], "target_label": "pod"},
    ]
    found = {
        "role": "endpointslice",
        "kubeconfig_file": os.environ["KUBECONFIG"],
        "namespaces": {"names": [SYSTEM]},
    }
    return {
        "job_name": monitor["metadata"]["name"],
        "metrics_path": endpoint["path"],
        "scrape_interval": endpoint["interval"],
        "kubernetes_sd_configs": [found],
        "relabel_configs": [*kept, port, *named],
    }


def of_release() -> dict[str, Any]:
    """Return the configuration that scrapes a release."""
    monitors = render(*MONITORS, only=("monitoring/monitoring.yaml",))
    return {
        "global": {"evaluation_interval": "5s"},
        "rule_files": [str(ALERTS)],
        "scrape_configs": [job(one) for one in monitors],
    }


def quick_rules(times: int) -> str:
    """Return the chart's rules with every duration shortened (to a second at least)."""

    def shortened(found: re.Match[str]) -> str:
        seconds = int(found[2]) * {"s": 1, "m": 60, "h": 3600}[found[3]]
        return f"{found[1]}{max(seconds // times, 1)}s"

    return re.sub(r"(\[|for: )(\d+)([smh])\b", shortened, ALERTS.read_text())


class Prometheus:
    """One process on loopback with its data in a folder."""

    def __init__(self, folder: Path, config: dict[str, Any] | None = None) -> None:
        self.folder, self.port = folder, free_port(1)
        self._config = config or of_release()
        self._http = httpx2.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=30)

    @contextmanager
    def running(self) -> Iterator[Prometheus]:
        """Run it."""
        path = self.folder / "prometheus.yml"
        path.write_text(yaml.safe_dump(self._config))
        subprocess.run(
            [str(require_program("promtool")), "check", "config", str(path)],
            check=True,
            capture_output=True,
        )
        command = [
            str(require_program("prometheus")),
            f"--config.file={path}",
            f"--storage.tsdb.path={self.folder}/data",
        ]
        with (self.folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [*command, f"--web.listen-address=127.0.0.1:{self.port}"], stdout=log, stderr=log
            )
        try:
            eventually(self._ready, 60)
            yield self
        finally:
            process.terminate()
            process.wait(60)

    def _ready(self) -> bool:
        try:
            return self._http.get("/-/ready").is_success
        except httpx2.HTTPError:
            return False

    def ask(self, path: str, **parameters: str) -> Any:
        """Call its HTTP API; return the response's `data`."""
        return (
            self._http.get(f"/api/v1/{path}", params=parameters).raise_for_status().json()["data"]
        )

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Return the series of an instant query."""
        found: list[dict[str, Any]] = self.ask("query", query=expression)["result"]
        return found

    def up(self) -> dict[str, int]:
        """Return how many pods of each Service it scrapes."""
        series = self.query("sum by (job) (up)")
        return {one["metric"]["job"]: int(one["value"][1]) for one in series}
