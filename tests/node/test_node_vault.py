"""An installation on SeaweedFS and OpenBao, which has the API server check each ServiceAccount."""

from __future__ import annotations

import json
from pathlib import Path

import hvac
import pyarrow.parquet as pq
import pytest

from installation import SURVEY
from node import Node
from node_servers import BY_ACCOUNT, STORE_ARGUMENTS, root_of_openbao, set_arguments
from simulacra.certificates import verify_certificate

pytestmark = [pytest.mark.node, pytest.mark.timeout(600)]


def keys_of(tenant: str, root: hvac.Client) -> list[str]:
    """Return the names of a tenant's keys in OpenBao."""
    try:
        names = root.secrets.transit.list_keys()["data"]["keys"]
    except hvac.exceptions.InvalidPath:  # no key exists
        return []
    return [name for name in names if tenant in name]


@pytest.mark.usefixtures("servers")
def test_main_job_on_openbao_and_seaweedfs(node: Node, tmp_path: Path) -> None:
    # The cluster's earlier installation claimed another store.
    node.apply("install", *set_arguments(BY_ACCOUNT | {"store.change": "true"}))
    with node.api():
        client, tenant = node.sign_up("Vaulted")
        uploaded = client.upload(SURVEY, family="forest")
        client.wait(uploaded["job_id"], timeout=300)
        dataset = uploaded["dataset_id"]
        asked = client.generate(dataset, 500, seed=1)
        client.wait(asked["job_id"], timeout=120)
        client.download(asked["generation_id"], tmp_path / "rows", "parquet")
        assert pq.read_metadata(tmp_path / "rows").num_rows == 500
        assert any(f"tenants/{tenant}/" in key for key in node.stored(*STORE_ARGUMENTS))
        copy = json.loads(
            node.kubectl("get", "secret", "simulacra-pods", "-n", f"tenant-{tenant}", "-o", "json")
        )
        assert copy["data"].keys() == {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
        with root_of_openbao(node) as root:
            assert keys_of(tenant, root)
        client.delete_dataset(dataset)
        assert verify_certificate(client.erasure_certificate(dataset), client.published_keys())
        client.close()
    assert [key for key in node.stored(*STORE_ARGUMENTS) if f"tenants/{tenant}/" in key] == []
    node.kubectl("delete", "tenant", tenant, "--timeout=120s")
    with root_of_openbao(node) as root:
        assert not keys_of(tenant, root)
    node.helm("uninstall", "--wait")
