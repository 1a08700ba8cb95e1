"""Upgrade from 0.2.0: client Secrets and token keys are copied to the clients' namespace.

`python -m simulacra_api.auth.former_secrets`, which the chart runs before and after an upgrade. The
former Secrets stay, so that a rollback finds them. Each is marked with a digest of its content:
it is copied again only if its content changes, which an API of the former release does.
"""

import asyncio
import hashlib
import json
import sys

from simulacra_api.auth.clients import secret_name
from simulacra_api.auth.signing import SECRET_NAME
from simulacra_crds.kinds.base import GROUP
from simulacra_crds.kube.client import SECRETS, AlreadyExists, Cluster, Object
from simulacra_crds.names import clients_namespace, system_namespace

COPIED = f"{GROUP}/copied"
"""Annotation of a former Secret: SHA-256 of the content that was copied."""
_FIELDS = {"hashes", "claims", "keys.json", "link.key"}


async def copy_former_secrets(cluster: Cluster) -> int:
    """Copy the former Secrets that were not copied as they are; return their number."""
    count = 0
    async for former in cluster.list(SECRETS, system_namespace()):
        digest = hashlib.sha256(json.dumps(former.get("data"), sort_keys=True).encode()).hexdigest()
        known = (former["metadata"].get("annotations") or {}).get(COPIED)
        if _is_ours(former) and known != digest:
            await _copy(cluster, former)
            mark = {"metadata": {"annotations": {COPIED: digest}}}
            await cluster.patch(SECRETS, former["metadata"]["name"], mark, system_namespace())
            count += 1
    return count


def _is_ours(secret: Object) -> bool:
    name = secret["metadata"]["name"]
    named = name == SECRET_NAME or name.startswith(secret_name(""))
    return named and bool(_FIELDS & (secret.get("data") or {}).keys())


async def _copy(cluster: Cluster, former: Object) -> None:
    kept = ("name", "labels", "ownerReferences")
    metadata = {name: former["metadata"][name] for name in kept if name in former["metadata"]}
    content = {"metadata": metadata, "data": former["data"]}
    head = {"apiVersion": "v1", "kind": "Secret", "type": former.get("type", "Opaque")}
    try:
        await cluster.create(SECRETS, head | content, clients_namespace())
    except AlreadyExists:
        await cluster.patch(SECRETS, metadata["name"], content, clients_namespace())


async def _main() -> None:
    cluster = await Cluster.connect()
    try:
        count = await copy_former_secrets(cluster)
    finally:
        await cluster.close()
    sys.stdout.write(f"copied {count} Secrets to {clients_namespace()}\n")


if __name__ == "__main__":
    asyncio.run(_main())
