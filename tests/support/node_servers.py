"""SeaweedFS and OpenBao in their own namespace of the cluster, outside the release.

They run from the tryout's image, since there is no registry for another.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import hvac
import yaml

from helm_chart import APP_VERSION, SYSTEM
from installation import eventually
from node import Node, free_port

HOME = "custody"
IMAGE = f"simulacra.local/simulacra/tryout:{APP_VERSION}"
S3 = f"endpoint=http://seaweedfs.{HOME}.svc:8333&region=us-east-1"
BAO = f"vault+http://openbao.{HOME}.svc:8200/transit"
STORE = {
    "tryout.enabled": "false",
    "store.url": f"s3://simulacra/data?{S3}",
    "store.auditUrl": f"s3://audit/log?{S3}",
}
"""Chart values without keys and credentials."""
BY_TOKEN = STORE | {
    "keys.url": f"{BAO}?auth=token",
    "credentials.existingSecret": "store-and-token",
}
BY_ACCOUNT = STORE | {
    "keys.url": (
        f"{BAO}?auth=kubernetes&role=simulacra&jwt-file=/var/run/secrets/simulacra.dev/token"
    ),
    "trainer.tokenAudience": "vault",
    "credentials.existingSecret": "store-only",
}
"""API, operator and Jobs log in by their ServiceAccounts, without an OpenBao token."""
STORE_ARGUMENTS = ("store-only", "seaweedfs", HOME)
"""Arguments of `Node.stored` for this store."""
POLICY = """
path "transit/keys/simulacra-*"    { capabilities = ["create", "read", "update", "delete"] }
path "transit/encrypt/simulacra-*" { capabilities = ["update"] }
path "transit/decrypt/simulacra-*" { capabilities = ["update"] }
"""
ROLE = {
    "bound_service_account_names": ["simulacra-api", "simulacra-operator", "simulacra-trainer"],
    "bound_service_account_namespaces": "*",
    "audience": "vault",
    "token_ttl": "10m",
}


def set_arguments(values: dict[str, str]) -> list[str]:
    """Return values as helm arguments."""
    return [part for name, value in values.items() for part in ("--set", f"{name}={value}")]


def _server(
    name: str, argument: str, port: int, environment: dict[str, str]
) -> list[dict[str, Any]]:
    """Return a Deployment of one of the image's programs, its Service and its ServiceAccount."""
    metadata, labels = {"name": name, "namespace": HOME}, {"app": name}
    container = {
        "name": name,
        "image": IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "args": [argument],
        "env": [{"name": key, "value": value} for key, value in environment.items()],
        "readinessProbe": {"tcpSocket": {"port": port}, "periodSeconds": 2},
        # without a request they get what the product leaves: nearly nothing under load
        "resources": {"requests": {"cpu": "200m", "memory": "128Mi"}},
        "volumeMounts": [{"name": "data", "mountPath": "/data"}],
    }
    pod = {"serviceAccountName": name, "containers": [container]}
    pod["volumes"] = [{"name": "data", "emptyDir": {}}]  # outlives a container that is killed
    template = {"metadata": {"labels": labels}, "spec": pod}
    spec = {"selector": {"matchLabels": labels}, "template": template}
    service = {"selector": labels, "ports": [{"port": port}]}
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata},
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec},
        {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": service},
    ]


@contextmanager
def root_of_openbao(node: Node) -> Iterator[hvac.Client]:
    """Yield a client of OpenBao with the root token."""
    keys = json.loads(
        node.kubectl("exec", "-n", HOME, "deploy/openbao", "--", "cat", "/data/openbao/unseal.json")
    )
    port = free_port()
    with node.forwarded("openbao", 8200, port, HOME):
        yield hvac.Client(f"http://127.0.0.1:{port}", token=keys["root_token"])


@contextmanager
def servers(node: Node) -> Iterator[None]:
    """Run both, set up for the product; BY_TOKEN's and BY_ACCOUNT's credentials are in Secrets."""
    store = {
        "AWS_ACCESS_KEY_ID": secrets.token_hex(10),
        "AWS_SECRET_ACCESS_KEY": secrets.token_hex(20),
    }
    token = {"VAULT_TOKEN": secrets.token_hex(16)}
    objects = [
        *_server("seaweedfs", "s3", 8333, store),
        *_server("openbao", "openbao", 8200, token),
    ]
    node.kubectl("create", "namespace", HOME)
    node.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(objects))
    reviewer = ("--clusterrole=system:auth-delegator", f"--serviceaccount={HOME}:openbao")
    node.kubectl("create", "clusterrolebinding", "openbao-reviews-tokens", *reviewer)
    node.kubectl("create", "namespace", SYSTEM, ok=None)
    for name, values in (("store-only", store), ("store-and-token", store | token)):
        literals = [f"--from-literal={key}={value}" for key, value in values.items()]
        node.kubectl("create", "secret", "generic", name, "-n", SYSTEM, *literals)
    for name in ("openbao", "seaweedfs"):
        node.kubectl("rollout", "status", "-n", HOME, f"deploy/{name}", "--timeout=150s")
    with root_of_openbao(node) as root:
        eventually(lambda: "transit/" in root.sys.list_mounted_secrets_engines()["data"], 60)
        root.sys.create_or_update_policy("simulacra-accounts", POLICY)
        root.sys.enable_auth_method("kubernetes")
        root.write_data(
            "auth/kubernetes/config", data={"kubernetes_host": "https://kubernetes.default.svc"}
        )
        root.write_data(
            "auth/kubernetes/role/simulacra", data=ROLE | {"token_policies": "simulacra-accounts"}
        )
    with node.store(*STORE_ARGUMENTS) as s3:
        s3.create_bucket(Bucket="audit")
    yield
    node.kubectl("delete", "clusterrolebinding", "openbao-reviews-tokens")
    node.kubectl("delete", "namespace", HOME, "--timeout=120s")
