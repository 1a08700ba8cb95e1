"""Alert rules under promtool, and the metrics that alerts and dashboard query."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import REGISTRY

from helm_chart import CHART, OWN, ROOT, render, require_program
from simulacra_api.metrics import Metrics
from simulacra_crds.reasons import Reason
from simulacra_operator import metrics as _operator

ALERTS = CHART / "files" / "alerts.yaml"
DASHBOARD = ("--set", "monitoring.dashboard.enabled=true")
PANELS: list[dict[str, Any]] = yaml.safe_load((CHART / "files" / "panels.yaml").read_text())
RULES = [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]
HEALTHY = {
    "simulacra_sweep_age_seconds": "5x90",
    "simulacra_api_requests_in_progress": "1x90",
    "simulacra_operator_leader": "1x90",
    "simulacra_expired_not_erased": "0x90",
    "simulacra_stuck_deletions": "0x90",
    "simulacra_audit_corrupt": "0x90",
    "simulacra_store_foreign": "0x90",
    "simulacra_canary_leaks": "0x90",
    "simulacra_canary_ended_timestamp_seconds": "1+60x90",
    'simulacra_custody_errors_total{verb="read"}': "0x90",
    'simulacra_work_failed_total{kind="Model",reason="Internal"}': "0x90",
    'simulacra_work_failed_total{kind="Model",reason="UploadInvalid"}': "0+1x90",
    'simulacra_reconcile_total{kind="Model",result="failed"}': "0x90",
    'simulacra_reconcile_total{kind="Model",result="settled"}': "0+50x90",
    'simulacra_queue_lag_seconds_bucket{le="1.0"}': "0+60x90",
    'simulacra_queue_lag_seconds_bucket{le="10.0"}': "0+60x90",
    'simulacra_queue_lag_seconds_bucket{le="+Inf"}': "0+60x90",
    "simulacra_orphan_objects_total": "0x90",
    'simulacra_webhook_messages_total{outcome="given up"}': "0x90",
    'simulacra_api_requests_total{method="GET",route="/v1/jobs",status="200"}': "0+60x90",
    'simulacra_api_requests_total{method="GET",route="/v1/jobs",status="500"}': "0x90",
    'simulacra_api_request_seconds_bucket{method="GET",route="/v1/jobs",le="0.1"}': "0+60x90",
    'simulacra_api_request_seconds_bucket{method="GET",route="/v1/jobs",le="10.0"}': "0+60x90",
    'simulacra_api_request_seconds_bucket{method="GET",route="/v1/jobs",le="+Inf"}': "0+60x90",
}
FAULTY: dict[str, dict[str, str | None]] = {
    "SimulacraOperatorDown": {"simulacra_sweep_age_seconds": None},
    "SimulacraNoLeader": {"simulacra_operator_leader": "0x90"},
    "SimulacraApiDown": {"simulacra_api_requests_in_progress": None},
    "SimulacraSweepStalled": {"simulacra_sweep_age_seconds": "0+60x90"},
    "SimulacraExpiredNotErased": {"simulacra_expired_not_erased": "2x90"},
    "SimulacraStuckDeletions": {"simulacra_stuck_deletions": "1x90"},
    "SimulacraAuditCorrupt": {"simulacra_audit_corrupt": "1x90"},
    "SimulacraCanaryLeak": {"simulacra_canary_leaks": "1x90"},
    "SimulacraCanarySilent": {"simulacra_canary_ended_timestamp_seconds": "1x500"},
    "SimulacraStoreForeign": {"simulacra_store_foreign": "1x90"},
    "SimulacraCustodyErrors": {'simulacra_custody_errors_total{verb="read"}': "0+1x90"},
    "SimulacraJobsFailing": {
        'simulacra_work_failed_total{kind="Model",reason="Internal"}': "0+1x90"
    },
    "SimulacraReconcileFaults": {
        'simulacra_reconcile_total{kind="Model",result="failed"}': "0+1x90"
    },
    "SimulacraQueueLag": {'simulacra_queue_lag_seconds_bucket{le="1.0"}': "0x90"},
    "SimulacraOrphanObjects": {"simulacra_orphan_objects_total": "0+1x90"},
    "SimulacraWebhooksGivenUp": {'simulacra_webhook_messages_total{outcome="given up"}': "0+1x90"},
    "SimulacraApiErrors": {
        'simulacra_api_requests_total{method="GET",route="/v1/jobs",status="500"}': "0+5x90"
    },
    "SimulacraApiSlow": {
        'simulacra_api_request_seconds_bucket{method="GET",route="/v1/jobs",le="0.1"}': "0x90"
    },
}


def _case(alert: str | None) -> dict[str, Any]:
    """Return a promtool test: this alert fires and no other."""
    values = HEALTHY | (FAULTY[alert] if alert else {})
    minutes = 85
    if alert == "SimulacraCanarySilent":
        # It fires after six hours of silence; all else is healthy for as long.
        minutes = 400
        values = {name: value.replace("x90", "x500") for name, value in values.items() if value}
    found = []
    for rule in RULES:
        name = rule["alert"]
        expression = f'count(ALERTS{{alertname="{name}",alertstate="firing"}}) or vector(0)'
        samples = [{"labels": "{}", "value": 1 if name == alert else 0}]
        found.append({"expr": expression, "eval_time": f"{minutes}m", "exp_samples": samples})
    series = [
        {"series": name, "values": values[name]} for name in values if values[name] is not None
    ]
    return {
        "name": alert or "healthy",
        "interval": "1m",
        "input_series": series,
        "promql_expr_test": found,
    }


def _known_series() -> set[str]:
    """Return the names of all series of the API and the operator."""
    # The import registers the operator's metrics.
    assert _operator
    families = [*REGISTRY.collect(), *Metrics()._registry.collect()]
    suffixes = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}
    return {family.name + end for family in families for end in suffixes.get(family.type, ())}


def _queried(query: str) -> set[str]:
    return set(re.findall(r"\b(?:simulacra|process)_[a-z_]+", re.sub(r'"[^"]*"', '""', query)))


def test_each_alert_fires_alone_and_none_when_healthy(tmp_path: Path) -> None:
    promtool = require_program("promtool")
    assert FAULTY.keys() == {rule["alert"] for rule in RULES}
    subprocess.run([promtool, "check", "rules", str(ALERTS)], check=True, capture_output=True)
    document = {
        "rule_files": [str(ALERTS)],
        "evaluation_interval": "1m",
        "tests": [_case(name) for name in (None, *FAULTY)],
    }
    (tmp_path / "test.yaml").write_text(yaml.safe_dump(document))
    done = subprocess.run(
        [promtool, "test", "rules", str(tmp_path / "test.yaml")], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_alert_queries_existing_metrics_and_is_documented(rule: dict[str, Any]) -> None:
    assert _queried(rule["expr"])
    assert _queried(rule["expr"]) <= _known_series()
    page, _, anchor = rule["annotations"]["runbook_url"].partition("#")
    section = (
        (ROOT / page).read_text().partition(f"\n## {rule['alert']}\n")[2].partition("\n## ")[0]
    )
    assert anchor == rule["alert"].lower()
    assert all(part in section for part in ("- **Look:**", "- **Mend:**"))


def test_runbooks_are_linked_where_people_read_them() -> None:
    address = "https://wiki.example.com/runbooks"
    on = ("--set", f"monitoring.rules.enabled=true,monitoring.rules.runbooks={address}")
    (made,) = [one for one in render(*on) if one["kind"] == "PrometheusRule"]
    links = {
        rule["alert"]: rule["annotations"]["runbook_url"]
        for group in made["spec"]["groups"]
        for rule in group["rules"]
    }
    assert links == {rule["alert"]: f"{address}#{rule['alert'].lower()}" for rule in RULES}


@pytest.mark.parametrize(
    ("values", "severities"), [("", {"warning"}), (f",{OWN}", {"warning", "critical"})]
)
def test_a_tryout_wakes_nobody(values: str, severities: set[str]) -> None:
    """It may lose all its data with its pod, and has no customers'."""
    on = ("--set", f"monitoring.rules.enabled=true{values}")
    (made,) = [one for one in render(*on) if one["kind"] == "PrometheusRule"]
    rules = [rule for group in made["spec"]["groups"] for rule in group["rules"]]
    assert {rule["labels"]["severity"] for rule in rules} == severities


def test_alert_on_failing_jobs_names_exactly_the_faults_of_the_installation() -> None:
    (rule,) = [one for one in RULES if one["alert"] == "SimulacraJobsFailing"]
    (named,) = re.findall(r'reason=~"([A-Za-z|]+)"', rule["expr"])
    assert named.split("|") == [str(one) for one in _operator.INSTALLATION_FAULTS]


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_panel_queries_existing_metrics_with_unit_and_description(
    panel: dict[str, Any],
) -> None:
    assert panel["description"]
    assert panel["unit"]
    for query in panel["queries"]:
        assert _queried(query["expr"]) <= _known_series()


def test_dashboard_lays_out_its_panels_three_in_a_row() -> None:
    maps = [one for one in render(*DASHBOARD) if one["kind"] == "ConfigMap"]
    (text,) = (one["data"]["simulacra.json"] for one in maps if "simulacra.json" in one["data"])
    shown = json.loads(text)["panels"]
    assert [one["title"] for one in shown] == [panel["title"] for panel in PANELS]
    assert [one["id"] for one in shown] == [*range(1, len(PANELS) + 1)]
    assert shown[4]["gridPos"] == {"h": 8, "w": 8, "x": 8, "y": 8}
    queries = [[(one["legendFormat"], one["expr"]) for one in panel["targets"]] for panel in shown]
    assert queries == [[(one["legend"], one["expr"]) for one in p["queries"]] for p in PANELS]
    assert {one["refId"] for panel in shown for one in panel["targets"]} == {"A", "B"}


def test_metrics_reference_names_every_metric_of_the_product() -> None:
    text = (ROOT / "docs" / "howto" / "operations.md").read_text()
    bases = {
        re.sub(r"_(bucket|sum|count)$", "", name)
        for name in _known_series()
        if name.startswith("simulacra")
    }
    assert [name for name in sorted(bases) if f"`{name}" not in text] == []
    named = set(re.findall(r"`(simulacra_[a-z_]+)[`{]", text))
    assert named - bases - _known_series() == set()


def test_troubleshooting_lists_exactly_the_condition_reasons() -> None:
    section = (
        (ROOT / "docs" / "howto" / "operations.md")
        .read_text()
        .partition("## Troubleshooting")[2]
        .partition("\n## ")[0]
    )
    documented = set(
        re.findall(
            r"`([A-Z][A-Za-z]+)`", "".join(re.findall(r"^\| (`[^|]*) \|", section, re.MULTILINE))
        )
    )
    assert documented == {reason.value for reason in Reason}
