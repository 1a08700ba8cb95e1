"""Write the schemas of the built-in kinds that the embedded control plane serves.

Source: the OpenAPI v3 documents of a real kube-apiserver (Kubernetes is Apache-2.0). Only the kinds
that the product uses are kept, with what they refer to; descriptions are cut to their first
sentence.

    python scripts/extract_builtin_schemas.py KUBECONFIG >
    embedded/simulacra_controlplane/schema/builtins.json
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import Any

KINDS: dict[str, list[str]] = {
    "api/v1": [
        "core.v1.ConfigMap",
        "core.v1.Event",
        "core.v1.LimitRange",
        "core.v1.Namespace",
        "core.v1.Node",
        "core.v1.Pod",
        "core.v1.ResourceQuota",
        "core.v1.Secret",
        "core.v1.Service",
        "core.v1.ServiceAccount",
    ],
    "apis/apiextensions.k8s.io/v1": [
        "apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinition"
    ],
    "apis/batch/v1": ["batch.v1.Job"],
    "apis/coordination.k8s.io/v1": ["coordination.v1.Lease"],
    "apis/networking.k8s.io/v1": ["networking.v1.NetworkPolicy"],
    "apis/scheduling.k8s.io/v1": ["scheduling.v1.PriorityClass"],
}
KEPT = {"$ref", "additionalProperties", "allOf", "default", "description", "enum", "format"}
KEPT |= {"items", "oneOf", "properties", "required", "type"}
VERBATIM = {"default", "enum", "required"}


def fetch(kubeconfig: str, path: str) -> Any:
    """Return a JSON document of the server, through kubectl."""
    command = ["kubectl", "--kubeconfig", kubeconfig, "get", "--raw", path]
    done = subprocess.run(command, check=True, capture_output=True)
    return json.loads(done.stdout)


def trim(node: Any, is_properties: bool = False) -> Any:
    """Return a schema with the keywords in KEPT and one sentence of description."""
    if isinstance(node, list):
        return [trim(item) for item in node]
    if not isinstance(node, dict):
        return node
    kept = {}
    for key, value in node.items():
        if not is_properties and key not in KEPT and not key.startswith("x-kubernetes-"):
            continue
        if key == "description" and isinstance(value, str):
            value = re.split(r"(?<=\w\w\.)\s", value.replace("\n", " "), maxsplit=1)[0]
        is_verbatim = key in VERBATIM or key.startswith("x-")
        kept[key] = value if is_verbatim else trim(value, key == "properties")
    return kept


def refs(node: Any) -> set[str]:
    """Return the names of the component schemas that a schema refers to."""
    if isinstance(node, list):
        return set().union(*map(refs, node)) if node else set()
    if not isinstance(node, dict):
        return set()
    found = {node["$ref"].rsplit("/", 1)[1]} if isinstance(node.get("$ref"), str) else set()
    return found.union(*map(refs, node.values())) if node else found


def main(kubeconfig: str) -> None:
    """Print the kinds and everything that they refer to, sorted."""
    kept: dict[str, Any] = {}
    for document, kinds in KINDS.items():
        schemas = fetch(kubeconfig, f"/openapi/v3/{document}")["components"]["schemas"]
        wanted = [f"io.k8s.{'' if kind.startswith('apiext') else 'api.'}{kind}" for kind in kinds]
        while wanted:
            name = wanted.pop()
            if name not in kept:
                kept[name] = trim(schemas[name])
                wanted.extend(refs(kept[name]))
    json.dump(kept, sys.stdout, indent=1, sort_keys=True, ensure_ascii=False)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main(sys.argv[1])
