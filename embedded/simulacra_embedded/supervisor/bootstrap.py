"""First objects on the control plane, at each start: CRDs, namespace, tenant, client."""

import asyncio
import hashlib
import json
import os
import secrets
from contextlib import suppress
from typing import Any

from simulacra_api.auth.clients import hash_secret, new_secret, secret_name
from simulacra_api.auth.credentials import owner_of
from simulacra_api.auth.former_secrets import copy_former_secrets
from simulacra_api.settings import DEFAULT_AUDIENCE
from simulacra_crds.crd_yaml import crd
from simulacra_crds.kinds.base import LABEL_KIND, utcnow
from simulacra_crds.kinds.tenant import Tenant
from simulacra_crds.kube.client import CRDS, NAMESPACES, SECRETS, TENANTS, AlreadyExists, Cluster
from simulacra_crds.names import clients_namespace, system_namespace
from simulacra_crds.registry import KINDS
from simulacra_embedded.processes.files import replace_file
from simulacra_embedded.supervisor import UpError
from simulacra_embedded.supervisor.datadir import DataDir

Object = dict[str, Any]
TENANT = "default"
DIGEST = "simulacra.dev/definition"
"""Annotation of a CRD: digest of the applied definition; the server's copy has more defaults."""
ESTABLISHED_SECONDS = 10.0
MAX_UPLOAD_BYTES = 256 << 20
"""A quarter of a Tenant's default, because the trainer shares the machine.

docs/explanation/embedded.md says how to raise it."""
TENANT_SECONDS = 30.0


async def prepare(cluster: Cluster, data: DataDir, api_url: str) -> None:
    """Apply CRDs, namespaces, default tenant and its client, and write connection.json."""
    await asyncio.gather(*(_apply(cluster, crd(kind)) for kind in KINDS))
    for name in (system_namespace(), clients_namespace()):
        with suppress(AlreadyExists):
            namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
            await cluster.create(NAMESPACES, namespace)
    await copy_former_secrets(cluster)
    connection = write_connection(data, api_url)
    tenant = await _ensure_tenant(cluster, connection["client_id"])
    await _ensure_client(cluster, connection["client_id"], connection["client_secret"], tenant)


async def wait_for_tenant(cluster: Cluster) -> None:
    """Wait until the operator reports the default tenant as ready.

    Raises:
        UpError: It does not within TENANT_SECONDS. The message has the condition's reason.
    """
    reason = "not reconciled yet"
    for _ in range(int(TENANT_SECONDS / 0.1)):
        tenant = await cluster.get(TENANTS, TENANT)
        conditions = tenant.get("status", {}).get("conditions") or []
        ready = next((c for c in conditions if c["type"] == "Ready"), None)
        if ready and (ready["status"] == "True" or tenant["spec"].get("suspend")):
            return
        reason = ready["reason"] if ready else reason
        await asyncio.sleep(0.1)
    message = f"tenant {TENANT} is not ready after {TENANT_SECONDS:.0f} s ({reason})"
    raise UpError(f"{message}. See logs/operator.log.")


def write_connection(data: DataDir, api_url: str) -> dict[str, str]:
    """Write connection.json with its present credentials, or with new ones, and return it.

    Call it before the Secret with the hash is made: after a crash between the two, the next start
    uses these credentials.

    Raises:
        UpError: The present file has no credentials.
    """
    known: dict[str, str] = {}
    if data.connection.exists():
        try:
            known = json.loads(data.connection.read_text())
            known = {name: known[name] for name in ("client_id", "client_secret")}
        except (ValueError, KeyError, TypeError):
            message = f"{data.connection} has no client credentials"
            raise UpError(f"{message}. Remove it to get new ones.") from None
    known = known or {"client_id": f"sim-{secrets.token_hex(8)}", "client_secret": new_secret()}
    connection = {
        "api_url": api_url,
        "token_url": f"{api_url}/oauth/token",
        "audience": os.environ.get("SIMULACRA_AUDIENCE") or DEFAULT_AUDIENCE,
        **known,
        "kubeconfig": str(data.kubeconfig),
    }
    replace_file(data.connection, json.dumps(connection, indent=2) + "\n")
    return connection


async def _apply(cluster: Cluster, definition: Object) -> None:
    """Create or replace a CRD, unless it is the same, and wait until it is served."""
    name = definition["metadata"]["name"]
    digest = hashlib.sha256(json.dumps(definition, sort_keys=True).encode()).hexdigest()
    definition["metadata"]["annotations"] = {DIGEST: digest}
    stored = await cluster.find(CRDS, name)
    if stored is None:
        await cluster.create(CRDS, definition)
    elif stored["metadata"].get("annotations", {}).get(DIGEST) != digest:
        definition["metadata"]["resourceVersion"] = stored["metadata"]["resourceVersion"]
        await cluster.request("PUT", CRDS.path(name=name), json=definition)
    for _ in range(int(ESTABLISHED_SECONDS / 0.05)):
        conditions = (await cluster.get(CRDS, name)).get("status", {}).get("conditions") or []
        if any(c["type"] == "Established" and c["status"] == "True" for c in conditions):
            return
        await asyncio.sleep(0.05)
    raise UpError(f"the control plane does not serve {name}. See logs/controlplane.log.")


async def _ensure_client(cluster: Cluster, client_id: str, secret: str, tenant: Object) -> None:
    if await cluster.find(SECRETS, secret_name(client_id), clients_namespace()):
        return
    hashes = [{"hash": hash_secret(secret), "created": utcnow().isoformat(timespec="seconds")}]
    body = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": secret_name(client_id),
            "labels": {LABEL_KIND: "client"},
            "ownerReferences": [owner_of(Tenant.model_validate(tenant))],
        },
        "stringData": {"hashes": json.dumps(hashes)},
    }
    await cluster.create(SECRETS, body, clients_namespace())


async def _ensure_tenant(cluster: Cluster, client_id: str) -> Object:
    tenant = await cluster.find(TENANTS, TENANT)
    if tenant is None:
        body = {"apiVersion": TENANTS.api_version, "kind": "Tenant", "metadata": {"name": TENANT}}
        quotas = {"maxUploadBytes": MAX_UPLOAD_BYTES}
        spec = {"clients": [client_id], "quotas": quotas}
        return await cluster.create(TENANTS, body | {"spec": spec})
    clients = tenant["spec"].get("clients") or []
    if client_id not in clients:
        version = {"resourceVersion": tenant["metadata"]["resourceVersion"]}
        patch = {"metadata": version, "spec": {"clients": [*clients, client_id]}}
        await cluster.patch(TENANTS, TENANT, patch)
    return tenant
