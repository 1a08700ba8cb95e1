"""Ten mistakes with kubectl on a real control plane: what is said, where, and after how long.

Run with `-s`, it prints the table of docs/howto/kubectl.md and seconds. A Prometheus scrapes it,
with the chart's rules at sixty times the speed: an upload, a fit and mistakes cause no alert.
"""

from __future__ import annotations

import csv
import itertools
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from installation import SURVEY, eventually
from prometheus import Prometheus, quick_rules
from real_cluster import TOOL, Product, RealCluster

pytestmark = [pytest.mark.controlplane, pytest.mark.timeout(600)]
ROWS = 300
COLUMNS = ("female", "education_years", "happiness", "tv_hours")
SPEED, SCRAPED = 60, 15.0
"""Factor of the rules' durations; seconds after the last mistake, fifteen minutes of the rules."""
OF_A_BUSY_MACHINE = {"SimulacraQueueLag", "SimulacraApiSlow"}
"""Alerts about seconds, which beside other tests on two cores say nothing."""
MISSED_SCRAPE = {"SimulacraOperatorDown", "SimulacraApiDown"}
"""Pending after one scrape of over half a second; in use it has ten. Firing counts."""
REFUSED = "the API server, at apply"


@dataclass(frozen=True)
class Mistake:
    """A manifest with one mistake.

    Attributes:
        what: the mistake.
        kind, spec: of the resource; MODEL in the spec is the name of the Model.
        said: what must be in the answer or in the message of Ready.
        reason: of Ready; None where the API server refuses the manifest.
        namespace: where it is applied; None: the tenant's.
        seconds: how long it may take.
    """

    what: str
    kind: str
    spec: str
    said: str
    reason: str | None = None
    namespace: str | None = None
    seconds: float = 20


OF_MODEL = "modelRef: {name: MODEL}, rowCount: 5"
MISTAKES = [
    Mistake(
        "a field with a typing error",
        "GenerationJob",
        "{modelRef: {name: MODEL}, rowCounts: 5}",
        'unknown field "spec.rowCounts"',
    ),
    Mistake(
        "a column with a share and a range",
        "GenerationJob",
        f"{{{OF_MODEL}, conditions: {{categorical: {{a: {{x: 1}}}}, numeric: {{a: {{min: 1}}}}}}}}",
        "a column is in categorical and in numeric; set one of the two",
    ),
    Mistake(
        "a column that the table lacks",
        "GenerationJob",
        f"{{{OF_MODEL}, conditions: {{categorical: {{hapiness: {{very happy: 0.5}}}}}}}}",
        "spec.conditions.categorical[0]: no such column",
        "RequestInvalid",
    ),
    Mistake(
        "shares that sum above 1",
        "GenerationJob",
        f"{{{OF_MODEL}, conditions: {{categorical: {{happiness: "
        "{very happy: 0.7, pretty happy: 0.7}}}}",
        "spec.conditions.categorical[0]: sum above 1",
        "RequestInvalid",
    ),
    Mistake(
        "an effect on a column that the table lacks",
        "EffectEstimate",
        "{modelRef: {name: MODEL}, treatment: education_years, value: {number: 16}, "
        "baseline: {number: 12}, outcome: tv_hour}",
        "spec.outcome: no such column",
        "RequestInvalid",
    ),
    Mistake(
        "a Model that is not there",
        "GenerationJob",
        "{modelRef: {name: mdl-none}, rowCount: 5}",
        "names no Model in this namespace",
        "AwaitingModel",
    ),
    Mistake(
        "a namespace that is no tenant's",
        "Dataset",
        "{source: {type: Upload}}",
        "The namespace default belongs to no Tenant. Use tenant-NAME",
        namespace="default",
    ),
    Mistake(
        "a Dataset without an upload",
        "Dataset",
        "{source: {type: Upload}}",
        "The upload is not complete",
        "AwaitingUpload",
    ),
    Mistake(
        "an object that the tenant may not read",
        "Dataset",
        "{source: {type: Object, uri: 's3://other/table.csv'}}",
        "matches no prefix in the Tenant's spec.sources",
        "SourceNotAllowed",
    ),
    Mistake(
        "more memory than the tenant's quota",
        "Model",
        "{datasetRef: {name: DATASET}, resources: {memory: 64Gi}}",
        "the ResourceQuota simulacra has no room for it",
        "PodNotStarting",
        seconds=75,
    ),
]


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """The product on a real control plane, with a limit of each tenant's memory."""
    if not TOOL.exists():
        pytest.skip("there is no real control plane here (../shared/bin/cluster)")
    folder = tmp_path_factory.mktemp("mistakes")
    cluster = RealCluster(folder / "cluster")
    with cluster.running():
        cluster.install()
        env = {"SIMULACRA_POD_SECRET": "", "SIMULACRA_TENANT_COMPUTE": '{"memory": "8Gi"}'}
        product = Product(cluster, folder, **env)
        with product.running():
            yield product


def test_ten_mistakes_are_explained_where_they_are_seen(product: Product, tmp_path: Path) -> None:
    with _watched(product, tmp_path) as alerts:
        client, tenant = product.sign_up("Acme")
        table = tmp_path / "table.csv"
        with SURVEY.open(newline="") as source, table.open("w", newline="") as few:
            out = csv.DictWriter(few, COLUMNS, extrasaction="ignore")
            out.writeheader()
            out.writerows(itertools.islice(csv.DictReader(source), ROWS))
        uploaded = client.upload(table, family="forest")
        client.wait(uploaded["job_id"], timeout=240)
        dataset = uploaded["dataset_id"]
        names = {"MODEL": dataset.replace("ds-", "mdl-"), "DATASET": dataset}
        for at, mistake in enumerate(MISTAKES):
            spec = mistake.spec
            for word, name in names.items():
                spec = spec.replace(word, name)
            _make(product.cluster, mistake, spec, f"mistake-{at}", f"tenant-{tenant}")
        assert alerts() == []


@contextmanager
def _watched(product: Product, folder: Path) -> Iterator[Callable[[], list[str]]]:
    """Scrape operator and API; yield what returns the alerts that were pending or firing since."""
    started = [line for line in product.log("operator").splitlines() if '"started"' in line]
    operator = f"127.0.0.1:{json.loads(started[-1])['port']}"
    targets = [operator, product.api_url.removeprefix("http://")]
    rules = folder / "rules.yaml"
    rules.write_text(quick_rules(SPEED))
    every = {"evaluation_interval": "500ms", "scrape_interval": "500ms"}
    scraped = {"job_name": "all", "static_configs": [{"targets": targets}]}
    config = {"global": every, "rule_files": [str(rules)], "scrape_configs": [scraped]}
    with Prometheus(folder, config).running() as prometheus:
        eventually(lambda: [one["value"][1] for one in prometheus.query("sum(up)")] == ["2"])
        eventually(lambda: prometheus.query("ALERTS") == [])  # absent before the first scrape
        began = time.time() + 2  # the series that have just ended are older

        def alerts() -> list[str]:
            time.sleep(SCRAPED)
            span = {"start": f"{began:.0f}", "end": f"{time.time():.0f}"}
            series = prometheus.ask("series", **{"match[]": "ALERTS"}, **span)
            firing = {one["alertname"] for one in series if one["alertstate"] == "firing"}
            pending = {one["alertname"] for one in series} - MISSED_SCRAPE
            return sorted((firing | pending) - OF_A_BUSY_MACHINE)

        yield alerts


def _make(cluster: RealCluster, mistake: Mistake, spec: str, name: str, tenant: str) -> None:
    namespace = mistake.namespace or tenant
    body = f"apiVersion: simulacra.dev/v1alpha1\nkind: {mistake.kind}\nmetadata: {{name: {name}}}\n"
    began = time.monotonic()
    applied = cluster.kubectl(
        "apply", "-n", namespace, "-f", "-", stdin=f"{body}spec: {spec}\n",
        ok=None if mistake.reason else False,
    )  # fmt: skip
    where, said = REFUSED, applied
    if mistake.reason is not None:
        one = f"{mistake.kind.lower()}/{name}"
        path = '{range .status.conditions[?(@.type=="Ready")]}{.reason}: {.message}{end}'

        def ready() -> str:
            return cluster.kubectl("get", one, "-n", namespace, "-o", f"jsonpath={path}")

        eventually(lambda: ready().startswith(f"{mistake.reason}: "), mistake.seconds)
        where, said = "the condition Ready", ready()
        if mistake.reason != "AwaitingUpload":
            pods = cluster.kubectl("get", "pods", "-n", namespace, "-o", "name")
            assert name not in pods
    took = time.monotonic() - began
    print(f"| {mistake.what} | {where} | {' '.join(said.split())} | {took:.1f} |")  # noqa: T201
    assert mistake.said in said
