"""Kueue's own controller on a control plane without a node, from the shared archive.

It runs as a process of the host, so its webhooks are called on loopback instead of through a
Service. Some of its paths are fixed, so it runs with its own folder as the root.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from established import wait_for_kinds
from helm_chart import helm, program
from installation import eventually
from ports import free_port
from real_cluster import RealCluster
from simulacra_controlplane import certificates

Object = dict[str, Any]
NAMESPACE = "kueue-system"
WEBHOOKS = ("-kueue-x-k8s-io-", "-batch-v1-job")
"""Paths of the webhooks that are kept: those of Kueue's own kinds and of Jobs."""


class Kueue:
    """One Kueue on one control plane; made by `find`."""

    def __init__(self, cluster: RealCluster, folder: Path, archive: Path, chart: Path) -> None:
        self._cluster, self._folder, self._archive, self._chart = cluster, folder, archive, chart
        self._port = free_port(4)

    @classmethod
    def find(cls, cluster: RealCluster, folder: Path) -> Kueue:
        """Return the Kueue of the shared archive, or skip the test."""
        helm_itself = program("helm")
        archives = [] if helm_itself is None else sorted(helm_itself.parent.glob("kueue*"))
        images = [one for one in archives if one.suffix == ".tar"]
        charts = [one for one in archives if one.suffix == ".tgz"]
        if not images or not charts:
            pytest.skip("no Kueue: ../shared/bin has neither its image nor its chart")
        return cls(cluster, folder, images[0], charts[0])

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run the controller until the end of the block."""
        certs = self._folder / "etc" / "kueue" / "metrics" / "certs"
        certs.mkdir(parents=True)
        authority, _, _ = certificates.ensure(certs)
        self._apply(authority.read_bytes())
        self._unpack()
        (self._folder / "config.yaml").write_text(yaml.safe_dump(self._config()))
        (self._folder / "kubeconfig").write_text(self._kubeconfig())
        inside = ["chroot"] if os.geteuid() == 0 else ["unshare", "--map-root-user", "chroot"]
        command = [*inside, str(self._folder), "/manager", "--config=/config.yaml"]
        command.append("--feature-gates=VisibilityOnDemand=false")
        environment = {
            "PATH": os.environ["PATH"],
            "KUBECONFIG": "/kubeconfig",
            "USER": "kueue",
            "HOME": "/",
        }
        environment["POD_NAMESPACE"] = NAMESPACE
        with (self._folder / "kueue.log").open("ab") as log:
            process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        try:
            eventually(lambda: self._answers(process), 90)
            yield
        finally:
            process.terminate()
            process.wait(60)

    def _answers(self, process: subprocess.Popen[bytes]) -> bool:
        """Return whether the webhooks respond, tried with a dry run."""
        assert process.poll() is None, (self._folder / "kueue.log").read_text()[-3000:]
        flavor = json.dumps(resource_flavor("probe"))
        return "created" in self._cluster.kubectl(
            "create", "--dry-run=server", "-f", "-", stdin=flavor, ok=None
        )

    def _kubeconfig(self) -> str:
        """Return the cluster admin's kubeconfig with its certificate embedded."""
        config = yaml.safe_load(self._cluster.kubeconfig.read_text())
        for one in config["clusters"]:
            authority = Path(one["cluster"].pop("certificate-authority")).read_bytes()
            one["cluster"]["certificate-authority-data"] = base64.b64encode(authority).decode()
        return yaml.safe_dump(config)

    def _unpack(self) -> None:
        """Extract the controller's program from the image."""
        with tarfile.open(self._archive) as image:
            layer = next(name for name in image.getnames() if name.endswith(".tar"))
            with tarfile.open(fileobj=image.extractfile(layer)) as files:
                files.extract("manager", self._folder, filter="data")
        (self._folder / "manager").chmod(0o700)

    def _config(self) -> Object:
        return {
            "apiVersion": "config.kueue.x-k8s.io/v1beta2",
            "kind": "Configuration",
            "health": {"healthProbeBindAddress": f"127.0.0.1:{self._port + 1}"},
            "metrics": {"bindAddress": "0"},
            "webhook": {
                "host": "127.0.0.1",
                "port": self._port,
                "certDir": "/etc/kueue/metrics/certs",
            },
            "leaderElection": {"leaderElect": False},
            "internalCertManagement": {"enable": False},
            "integrations": {"frameworks": ["batch/job"]},
        }

    def _apply(self, authority: bytes) -> None:
        rendered = helm("template", "kueue", str(self._chart), "-n", NAMESPACE)
        objects = [one for one in yaml.safe_load_all(rendered) if one]
        definitions = [one for one in objects if one["kind"] == "CustomResourceDefinition"]
        for one in definitions:
            # Only the stored version is used.
            one["spec"].pop("conversion", None)
        hooks = [one for one in objects if one["kind"].endswith("WebhookConfiguration")]
        for one in hooks:
            one["webhooks"] = [
                self._at_loopback(hook, authority) for hook in one["webhooks"] if _called(hook)
            ]
        kubectl = self._cluster.kubectl
        kubectl("create", "namespace", NAMESPACE)
        kubectl(
            "apply", "--server-side", "-f", "-", stdin=yaml.safe_dump_all([*definitions, *hooks])
        )
        wait_for_kinds(kubectl)

    def _at_loopback(self, hook: Object, authority: bytes) -> Object:
        path = hook["clientConfig"]["service"]["path"]
        url = f"https://127.0.0.1:{self._port}{path}"
        return {
            **hook,
            "clientConfig": {"url": url, "caBundle": base64.b64encode(authority).decode()},
        }


def _called(hook: Object) -> bool:
    return any(part in hook["clientConfig"]["service"]["path"] for part in WEBHOOKS)


def resource_flavor(name: str) -> Object:
    """Return a flavor for identical nodes."""
    return _object("ResourceFlavor", name, {})


def cluster_queue(name: str, cohort: str, nominal: dict[str, int], flavor: str) -> Object:
    """Return a tenant's share of a cohort's quota; unused quota may be borrowed."""
    resources = [{"name": resource, "nominalQuota": count} for resource, count in nominal.items()]
    group = {
        "coveredResources": list(nominal),
        "flavors": [{"name": flavor, "resources": resources}],
    }
    return _object(
        "ClusterQueue",
        name,
        {"cohortName": cohort, "namespaceSelector": {}, "resourceGroups": [group]},
    )


def local_queue(name: str, namespace: str, of: str) -> Object:
    """Return the queue of a namespace."""
    return _object("LocalQueue", name, {"clusterQueue": of}, namespace=namespace)


def _object(kind: str, name: str, spec: Object, **metadata: str) -> Object:
    body = {
        "apiVersion": "kueue.x-k8s.io/v1beta2",
        "kind": kind,
        "metadata": {"name": name, **metadata},
    }
    return {**body, "spec": spec}
