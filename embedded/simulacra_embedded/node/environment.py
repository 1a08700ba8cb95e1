"""Command and environment of a container, resolved as in kubelet."""

import base64
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from simulacra_crds.kube.client import SECRETS, Cluster
from simulacra_crds.tasks import TERMINATION_PATH_ENV
from simulacra_embedded.node.pod_dir import PodDir

Object = dict[str, Any]
INHERITED = re.compile(
    r"SIMULACRA_(STORE|KEYS)|VAULT_(TOKEN|ROLE_ID|SECRET_ID)"
    r"|AWS_(CA_BUNDLE|EC2_METADATA_DISABLED|ENDPOINT_URL.*)"
    r"|AWS_(ACCESS_KEY_ID|SECRET_ACCESS_KEY|SESSION_TOKEN|PROFILE|REGION|DEFAULT_REGION|CONFIG_FILE)"
    r"|AWS_(SHARED_CREDENTIALS_FILE|ROLE_ARN|ROLE_SESSION_NAME|WEB_IDENTITY_TOKEN_FILE)"
)
"""Variables of custody: the agent's own values, for pods that do not set them."""
TRAINER = [sys.executable, "-m", "simulacra_trainer"]
"""The entry point of a trainer image."""
_JOB_UID, _INDEX = "batch.kubernetes.io/controller-uid", "batch.kubernetes.io/job-completion-index"
_REFERENCE = re.compile(r"\$(\$|\(([^)]*)\))")
_METADATA_KEY = re.compile(r"metadata\.(labels|annotations)\['([^']+)'\]")


class ConfigError(Exception):
    """The pod refers to an object or key that does not exist yet; the message has no values."""


def command(container: Object, env: Mapping[str, str]) -> list[str]:
    """Return program and arguments with $(VAR) expanded; `python` is this interpreter."""
    written = [*(container.get("command") or []), *(container.get("args") or [])]
    words = [_expand(word, env) for word in written]
    if not container.get("command"):
        return TRAINER + words
    return [sys.executable, *words[1:]] if words[0] in ("python", "python3") else words


async def resolve(
    cluster: Cluster, pod: Object, folder: PodDir, cache: Path, workers: int
) -> dict[str, str]:
    """Return the whole environment of the pod's container.

    The pod's first container is used. TMPDIR, HOME and the termination message are in `folder`,
    compiled code (numba), which pods share, in `cache`.

    Raises:
        ConfigError: A Secret or key does not exist, or the source is of another kind.
    """
    container = pod["spec"]["containers"][0]
    env = of_imports(cache)
    env |= {name: value for name, value in os.environ.items() if INHERITED.fullmatch(name)}
    env |= dict.fromkeys(("OMP_NUM_THREADS", "NUMBA_NUM_THREADS"), str(workers))
    for source in container.get("envFrom") or []:
        env |= await _secret(cluster, pod, source.get("secretRef"))
    for entry in container.get("env") or []:
        if "valueFrom" not in entry:
            env[entry["name"]] = _expand(entry.get("value", ""), env)
        elif (value := await _value_from(cluster, pod, entry)) is not None:
            env[entry["name"]] = value
    tmp = str(folder.tmp)
    return env | {"TMPDIR": tmp, "HOME": tmp, TERMINATION_PATH_ENV: str(folder.termination)}


def of_imports(cache: Path) -> dict[str, str]:
    """Return what libraries read while they are imported; with one thread, a process may fork."""
    env = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    env |= dict.fromkeys(("OMP_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
    return env | {"NUMBA_CACHE_DIR": str(cache), "PYTHONUNBUFFERED": "1"}


def worker_group(pod: Object) -> str | None:
    """Return the uid of a Job whose pods find each other by a headless Service; or else None."""
    return pod["metadata"].get("labels", {}).get(_JOB_UID) if pod["spec"].get("subdomain") else None


def is_follower(pod: Object) -> bool:
    """Return whether a pod is not the first of its worker group."""
    index = pod["metadata"].get("annotations", {}).get(_INDEX, "0")
    return worker_group(pod) is not None and index != "0"


def rendezvous(port: int) -> dict[str, str]:
    """Return torch's and gloo's variables for a worker group: the node knows no Service names."""
    return {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "GLOO_SOCKET_IFNAME": "lo"}


def _expand(text: str, env: Mapping[str, str]) -> str:
    """Expand $(NAME); $$ is a dollar, an unknown name stays as written."""

    def replace(match: re.Match[str]) -> str:
        return "$" if match[1] == "$" else env.get(match[2], match[0])

    return _REFERENCE.sub(replace, text)


async def _value_from(cluster: Cluster, pod: Object, entry: Object) -> str | None:
    """Return the value of a Secret's key, a label or an annotation; None of an optional key."""
    source = entry["valueFrom"]
    if reference := source.get("secretKeyRef"):
        values = await _secret(cluster, pod, reference)
        if reference["key"] not in values and not reference.get("optional"):
            missing = f"{reference['name']} has no key {reference['key']}"
            raise ConfigError(f"env {entry['name']}: {missing}")
        return values.get(reference["key"])
    path = source.get("fieldRef", {}).get("fieldPath", "")
    if not (match := _METADATA_KEY.fullmatch(path)):
        raise ConfigError(
            f"env {entry['name']}: this node takes a Secret's key, a label or an annotation"
        )
    return str((pod["metadata"].get(match[1]) or {}).get(match[2], ""))


async def _secret(cluster: Cluster, pod: Object, reference: Object | None) -> dict[str, str]:
    if reference is None:
        raise ConfigError("envFrom: this node takes a Secret")
    found = await cluster.find(SECRETS, reference["name"], pod["metadata"]["namespace"])
    if found is None and not reference.get("optional"):
        raise ConfigError(f"secret {reference['name']} not found")
    data: dict[str, str] = (found or {}).get("data") or {}
    return {key: base64.b64decode(value).decode() for key, value in data.items()}
