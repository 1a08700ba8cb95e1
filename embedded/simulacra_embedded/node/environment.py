"""Command and environment of a container, resolved as kubelet does."""

from __future__ import annotations

import base64
import math
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from simulacra_crds.contract.tasks import TERMINATION_PATH_ENV
from simulacra_crds.kube.client import CONFIGMAPS, SECRETS, Cluster
from simulacra_embedded.node import quantities
from simulacra_embedded.node.pod_dir import PodFolder

Object = dict[str, Any]
PASSED_ON = re.compile(
    r"SIMULACRA_(STORE|KEYS)|VAULT_(TOKEN|ROLE_ID|SECRET_ID)|AWS_CA_BUNDLE|AWS_EC2_METADATA_DISABLED|AWS_ENDPOINT_URL.*"
    r"|AWS_(ACCESS_KEY_ID|SECRET_ACCESS_KEY|SESSION_TOKEN|PROFILE|REGION|DEFAULT_REGION|CONFIG_FILE)"
    r"|AWS_(SHARED_CREDENTIALS_FILE|ROLE_ARN|ROLE_SESSION_NAME|WEB_IDENTITY_TOKEN_FILE)"
)
"""Where custody lives and how it is reached: the agent's own values, for pods that do not say."""
TRAINER = [sys.executable, "-m", "simulacra_trainer"]
"""What a trainer image runs by itself."""
_JOB_UID, _INDEX = "batch.kubernetes.io/controller-uid", "batch.kubernetes.io/job-completion-index"
_REFERENCE = re.compile(r"\$(\$|\(([^)]*)\))")
_METADATA_KEY = re.compile(r"metadata\.(labels|annotations)\['([^']+)'\]")


class ConfigError(Exception):
    """The pod refers to something that is not there (yet). Names it; never holds a value."""


def command(container: Object, env: Mapping[str, str]) -> list[str]:
    """Return program and arguments, $(VAR) expanded; `python` is the interpreter of this installation."""
    words = [
        _expand(word, env)
        for word in [*(container.get("command") or []), *(container.get("args") or [])]
    ]
    if not container.get("command"):
        return TRAINER + words
    return [sys.executable, *words[1:]] if words[0] in ("python", "python3") else words


async def resolve(
    cluster: Cluster, pod: Object, folder: PodFolder, cache: Path, workers: int
) -> dict[str, str]:
    """Return the whole environment of the pod's container.

    Args:
        cluster: Where Secrets and ConfigMaps are read.
        pod: The pod; its first container is meant.
        folder: Gives TMPDIR, HOME and the path of the termination message.
        cache: Folder that pods share for compiled code (numba).
        workers: Threads that numeric libraries may start.

    Raises:
        ConfigError: A Secret, ConfigMap, key or field does not exist.
    """
    container = pod["spec"]["containers"][0]
    env = {
        name: value
        for name, value in os.environ.items()
        if name in ("PATH", "LANG") or PASSED_ON.fullmatch(name)
    }
    env |= dict.fromkeys(("OMP_NUM_THREADS", "NUMBA_NUM_THREADS"), str(workers))
    env |= {"NUMBA_CACHE_DIR": str(cache), "PYTHONUNBUFFERED": "1"}
    for source in container.get("envFrom") or []:
        values = await _whole(cluster, pod, source)
        env |= {source.get("prefix", "") + name: value for name, value in values.items()}
    for entry in container.get("env") or []:
        if "valueFrom" not in entry:
            env[entry["name"]] = _expand(entry.get("value", ""), env)
        elif (value := await _value(cluster, pod, entry)) is not None:
            env[entry["name"]] = value
    tmp = str(folder.tmp)
    return env | {"TMPDIR": tmp, "HOME": tmp, TERMINATION_PATH_ENV: str(folder.termination)}


def talks_within(pod: Object) -> str | None:
    """Return the uid of the Job whose pods find each other by a headless Service, None for other pods."""
    return pod["metadata"].get("labels", {}).get(_JOB_UID) if pod["spec"].get("subdomain") else None


def follows(pod: Object) -> bool:
    """Whether a pod is not the first of those that it talks to."""
    index = pod["metadata"].get("annotations", {}).get(_INDEX, "0")
    return talks_within(pod) is not None and index != "0"


def on_loopback(port: int) -> dict[str, str]:
    """Return the variables by which pods of this node find each other: no name of a Service is known here.

    torch's and gloo's own; a container that does not use them is not disturbed.
    """
    return {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "GLOO_SOCKET_IFNAME": "lo"}


def threads(container: Object, running: int, cores: int) -> int:
    """Return how many threads a container may use: its CPU limit, or what it requests and its share of idle cores.

    Args:
        container: With `resources`; both limit and request may be missing.
        running: Pods that run now, this one included.
        cores: Of the machine.
    """
    limit = quantities.resource(container, "cpu", "limits")
    request = quantities.resource(container, "cpu", "requests") or 0.0
    wanted = math.ceil(limit) if limit else max(math.ceil(request), cores // running)
    return max(1, min(wanted, cores))


def _expand(text: str, env: Mapping[str, str]) -> str:
    """Expand $(NAME); $$ is a dollar, an unknown name stays as written."""

    def replace(match: re.Match[str]) -> str:
        return "$" if match[1] == "$" else env.get(match[2], match[0])

    return _REFERENCE.sub(replace, text)


async def _value(cluster: Cluster, pod: Object, entry: Object) -> str | None:
    source = entry["valueFrom"]
    if reference := source.get("fieldRef"):
        return _field(pod, reference["fieldPath"])
    for kind in ("secretKeyRef", "configMapKeyRef"):
        if reference := source.get(kind):
            values = await _data(cluster, pod, kind, reference)
            if reference["key"] not in values and not reference.get("optional"):
                raise ConfigError(
                    f"env {entry['name']}: {reference['name']} has no key {reference['key']}"
                )
            return values.get(reference["key"])
    raise ConfigError(f"env {entry['name']}: valueFrom is not supported here: {', '.join(source)}")


async def _whole(cluster: Cluster, pod: Object, source: Object) -> dict[str, str]:
    kind = "secretRef" if "secretRef" in source else "configMapRef"
    return await _data(cluster, pod, kind, source[kind])


async def _data(cluster: Cluster, pod: Object, kind: str, reference: Object) -> dict[str, str]:
    secret = kind.startswith("secret")
    found = await cluster.find(
        SECRETS if secret else CONFIGMAPS, reference["name"], pod["metadata"]["namespace"]
    )
    if found is None:
        if reference.get("optional"):
            return {}
        raise ConfigError(f"{'secret' if secret else 'configmap'} {reference['name']} not found")
    data: dict[str, str] = found.get("data") or {}
    return (
        {key: base64.b64decode(value).decode() for key, value in data.items()} if secret else data
    )


def _field(pod: Object, path: str) -> str:
    if match := _METADATA_KEY.fullmatch(path):
        return str((pod["metadata"].get(match[1]) or {}).get(match[2], ""))
    section, _, name = path.partition(".")
    allowed = {"metadata": ("name", "namespace", "uid"), "spec": ("nodeName", "serviceAccountName")}
    if name not in allowed.get(section, ()):
        raise ConfigError(
            f"fieldRef {path} is not supported here; metadata.* and spec.nodeName are"
        )
    return str(pod[section].get(name, ""))
