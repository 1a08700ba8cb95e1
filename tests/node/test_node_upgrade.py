"""Upgrade from the previous release and rollback, with live resources and running fits."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from helm_chart import CHART
from installation import SURVEY, eventually
from node import PREVIOUS_VARIABLE, VALUES_VARIABLE, Node
from node_servers import BY_TOKEN, STORE_ARGUMENTS, set_arguments
from simulacra import Client
from simulacra.certificates import verify_certificate

pytestmark = [
    pytest.mark.node,
    pytest.mark.timeout(900),
    pytest.mark.skipif(
        VALUES_VARIABLE in os.environ and PREVIOUS_VARIABLE not in os.environ,
        reason="the previous release is not in this clone's history",
    ),
]


def rows(client: Client, dataset: str, path: Path) -> int:
    """Generate and download; return the number of rows."""
    asked = client.generate(dataset, 500, seed=1)
    client.wait(asked["job_id"], timeout=200)
    client.download(asked["generation_id"], path, "parquet")
    return int(pq.read_metadata(path).num_rows)


@pytest.mark.usefixtures("servers")
def test_upgrade_and_rollback_with_fits_in_flight(node: Node, tmp_path: Path) -> None:
    old = {
        f"{role}.image.repository": f"simulacra/previous-{role}"
        for role in ("api", "operator", "trainer")
    }
    node.apply("install", *set_arguments(BY_TOKEN | old), chart=Path(os.environ[PREVIOUS_VARIABLE]))
    with node.api():
        client, tenant = node.sign_up("Upgrading")
        first = client.upload(SURVEY, family="forest")
        client.wait(first["job_id"], timeout=300)
        second = client.upload(SURVEY, family="forest")
        node.fit_job(tenant)
    node.apply("upgrade", *set_arguments(BY_TOKEN | {"api.replicas": "1"}))
    chart = next(
        line
        for line in (CHART / "Chart.yaml").read_text().splitlines()
        if line.startswith("version: ")
    )
    assert f"simulacra-{chart.partition(' ')[2]}" in node.kubectl(
        "get",
        "deployments",
        "-A",
        "-l",
        "app.kubernetes.io/part-of=simulacra",
        "-o",
        "jsonpath={..metadata.labels}",
    )
    with node.api():
        client.wait(second["job_id"], timeout=300)
        assert rows(client, first["dataset_id"], tmp_path / "first") == 500
        third = client.upload(SURVEY, family="forest")
        node.fit_job(tenant)
    node.helm("rollback", "--wait")
    with node.api():
        client.wait(third["job_id"], timeout=300)
        assert rows(client, second["dataset_id"], tmp_path / "second") == 500
        # The older release may not read a model of the newer one (docs/howto/operations.md), so
        # it fits another.
        fourth = client.upload(SURVEY, family="forest")
        client.wait(fourth["job_id"], timeout=300)
        assert rows(client, fourth["dataset_id"], tmp_path / "fourth") == 500
        for one in (first, second, third, fourth):
            client.delete_dataset(one["dataset_id"])
            assert verify_certificate(
                client.erasure_certificate(one["dataset_id"]), client.published_keys()
            )
        client.close()
    assert [key for key in node.stored(*STORE_ARGUMENTS) if f"tenants/{tenant}/" in key] == []
    node.kubectl("delete", "tenant", tenant, "--timeout=120s")
    eventually(
        lambda: f"tenant-{tenant}" not in node.kubectl("get", "namespaces", "-o", "name"), 60
    )
    node.helm("uninstall", "--wait")
