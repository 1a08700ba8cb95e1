"""A real control plane with an audit log, and the product's programs with only their own roles."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import httpx2
import yaml

import helm_chart
from established import wait_for_kinds
from installation import eventually
from ports import free_port
from simulacra import Client, Connection
from simulacra_crds.crd_yaml import crd
from simulacra_crds.registry import KINDS

Object = dict[str, Any]
ROOT = Path(__file__).resolve().parents[2]
TOOL = ROOT.parent / "shared" / "bin" / "cluster"
SYSTEM = "simulacra-system"
CLIENTS = f"{SYSTEM}-clients"
GIVEN_VARIABLE = "SIMULACRA_ATTACK_KUBECONFIG"
"""Kubeconfig of a running cluster without the product, whose user is its administrator."""
SHARED = ("clients/namespace.yaml", "admission.yaml")
"""What the chart installs for API and operator together."""


class Permission(NamedTuple):
    """One verb on one resource (`plural` or `plural/subresource`) of an API group."""

    verb: str
    group: str
    resource: str

    def __str__(self) -> str:
        return f"{self.verb} {self.resource}{'.' + self.group if self.group else ''}"


class RealCluster:
    """One control plane, started by the shared tool, which needs no root; or one that runs."""

    def __init__(self, folder: Path, given: str | None = None) -> None:
        self.folder = folder
        self.kubeconfig = Path(given) if given else folder / "kubeconfig"
        self._given = given is not None

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run it with every request in audit.jsonl; one that runs is emptied of the product."""
        if self._given:
            self.folder.mkdir()
            left = (SYSTEM, CLIENTS, f"{SYSTEM}-keys")
            self.kubectl("delete", "namespace", *left, "--ignore-not-found")
            yield
            return
        command = [str(TOOL), "up", str(self.folder), "--audit", "--port", str(free_port(5))]
        subprocess.run(command, check=True, capture_output=True, timeout=180)
        try:
            yield
        finally:
            subprocess.run(
                [str(TOOL), "down", str(self.folder)], check=True, capture_output=True, timeout=60
            )

    def kubectl(self, *arguments: str, stdin: str | None = None, ok: bool | None = True) -> str:
        """Run kubectl; return its output, with stderr unless `ok` (None accepts failure)."""
        command = [
            str(Path(sys.executable).with_name("kubectl")),
            "--kubeconfig",
            str(self.kubeconfig),
            *arguments,
        ]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=120)
        assert ok is None or (done.returncode == 0) is ok, done.stdout + done.stderr
        return done.stdout + done.stderr if ok is False else done.stdout

    def install(self, *arguments: str) -> None:
        """Apply the CRDs, namespaces, admission policy, and both roles with ServiceAccounts."""
        definitions = yaml.safe_dump_all(crd(kind) for kind in KINDS)
        self.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=definitions)
        wait_for_kinds(self.kubectl)
        self.kubectl("create", "namespace", SYSTEM)
        shared = helm_chart.render(*arguments, only=SHARED)
        self.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(shared))
        for component in ("operator", "api"):
            self.kubectl(
                "apply",
                "-f",
                "-",
                stdin=yaml.safe_dump_all(helm_chart.rbac_objects(component, *arguments)),
            )
            # The authorizer learns of a role by a watch, a moment later.
            who = f"system:serviceaccount:{SYSTEM}:simulacra-{component}"
            eventually(
                lambda who=who: (
                    "yes" in self.kubectl("auth", "can-i", "list", "tenants", "--as", who)
                ),
                20,
            )
        self._wait_for_policy()

    def _wait_for_policy(self) -> None:
        """Wait until the API server enforces the policy, of which it learns by a watch as well."""
        who = f"system:serviceaccount:{SYSTEM}:simulacra-operator"
        probe = ("create", "configmap", "probe", "-n", SYSTEM, "--dry-run=server", "--as", who)

        def enforced() -> bool:
            with suppress(AssertionError):
                return "ValidatingAdmissionPolicy" in self.kubectl(*probe, ok=False)
            return False

        eventually(enforced)

    def login(self, account: str) -> Path:
        """Return a kubeconfig with a ServiceAccount's token from TokenRequest."""
        token = self.kubectl("create", "token", account, "-n", SYSTEM, "--duration", "1h").strip()
        config = yaml.safe_load(self.kubeconfig.read_text())
        config["users"] = [
            {"name": one["name"], "user": {"token": token}} for one in config["users"]
        ]
        target = self.folder / f"{account}.kubeconfig"
        target.write_text(yaml.safe_dump(config))
        target.chmod(0o600)
        return target

    def requests_of(self, account: str) -> Iterator[Object]:
        """Yield the audit log's entries of a ServiceAccount."""
        user = f"system:serviceaccount:{SYSTEM}:{account}"
        with (self.folder / "audit.jsonl").open() as lines:
            for line in lines:
                entry = json.loads(line)
                if entry["user"]["username"] == user:
                    yield entry

    def used(self, account: str) -> dict[Permission, int]:
        """Return how often an account used each permission successfully."""
        counts: dict[Permission, int] = {}
        for entry in self.requests_of(account):
            if (
                entry["annotations"].get("authorization.k8s.io/decision") == "allow"
                and "objectRef" in entry
            ):
                right = permission_of(entry)
                counts[right] = counts.get(right, 0) + 1
        return counts

    def refused(self, account: str) -> list[str]:
        """Return the requests of an account that were forbidden."""
        entries = [
            one
            for one in self.requests_of(account)
            if one.get("responseStatus", {}).get("code") == 403
        ]
        forbidden = [
            one
            for one in entries
            if one["annotations"].get("authorization.k8s.io/decision") == "forbid"
        ]
        return [f"{one['verb']} {one['requestURI']}" for one in forbidden]


def permission_of(entry: Object) -> Permission:
    """Return the permission that an entry of the audit log used."""
    ref = entry["objectRef"]
    resource = ref["resource"] + (f"/{ref['subresource']}" if "subresource" in ref else "")
    return Permission(entry["verb"], ref.get("apiGroup", ""), resource)


def granted(component: str, *arguments: str) -> set[Permission]:
    """Return every permission that the chart's roles grant to the API or the operator."""
    return {
        Permission(verb, group, resource)
        for role in helm_chart.rbac_objects(component, *arguments)
        for rule in role.get("rules", ())
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


class Product:
    """Operator, API and node agent as processes on one control plane."""

    def __init__(self, cluster: RealCluster, folder: Path, **env: str) -> None:
        self.cluster, self.folder, self._env = cluster, folder, env
        self.api_url = ""
        self._processes: list[tuple[str, subprocess.Popen[str]]] = []

    @property
    def custody(self) -> dict[str, str]:
        """Return the variables that give every program the same store, keys and audit log."""
        return {
            "SIMULACRA_STORE": f"file://{self.folder}/objects",
            "SIMULACRA_KEYS": f"local://{self.folder}/keyring.json",
            "SIMULACRA_AUDIT": f"file://{self.folder}/audit",
        }

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run all three; each must exit cleanly."""
        operator, api = (
            self.cluster.login("simulacra-operator"),
            self.cluster.login("simulacra-api"),
        )
        agent = ["simulacra_embedded.node", "--data-dir", str(self.folder / "node")]
        try:
            self._start("operator", ["simulacra_operator"], operator)
            # The node agent plays the kubelet, which is not part of the product.
            self._start("node", agent, self.cluster.kubeconfig)
            self._start("api", ["simulacra_api", "--port", "0"], api)
            out = self._processes[-1][1].stdout
            assert out is not None
            line = out.readline()
            assert line, self.log("api")
            self.api_url = json.loads(line)["url"]
            yield
        finally:
            codes = self._stop()
        # uvicorn exits by the signal that it received.
        assert codes["api"] in (
            0,
            -signal.SIGTERM,
        ), codes
        assert codes["operator"] == codes["node"] == 0, codes

    def log(self, program: str) -> str:
        """Return the log of a program."""
        return (self.folder / f"{program}.log").read_text()

    def sign_up(self, company: str) -> tuple[Client, str]:
        """Sign up, approve with kubectl, claim the secret; return a client and the tenant."""
        kubectl = self.cluster.kubectl
        with httpx2.Client(base_url=self.api_url, timeout=30) as http:
            asked = http.post(
                "/v1/signup", json={"company": company, "contact": "ada@acme.example"}
            )
            assert asked.status_code == 202, asked.text + self.log("api")
            path = f"/v1/signup/{asked.json()['request_id']}"
            assert http.get(path).json()["status"] == "pending"
            undecided = "{range .items[?(@.spec.decision!='Approved')]}{.metadata.name}{end}"
            name = (
                f"accessrequest/{kubectl('get', 'accessrequests', '-o', f'jsonpath={undecided}')}"
            )
            kubectl("patch", name, "--type=merge", "-p", '{"spec": {"decision": "Approved"}}')
            kubectl("wait", "--for=condition=Ready", name, "--timeout=30s")
            claim = http.get(path).json()["credential_claim_token"]
            known = http.post(
                "/v1/credential-claims", json={"credential_claim_token": claim}
            ).json()
        tenant = kubectl("get", name, "-o", "jsonpath={.status.tenant}")
        secret = known["client_secret"]
        connection = Connection(
            self.api_url, known["token_url"], known["client_id"], secret, known["audience"]
        )
        return Client(connection), tenant

    def objects(self) -> list[str]:
        """Return the keys of everything stored for a tenant, finished or not."""
        root = self.folder / "objects"
        found = [str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()]
        return [name for name in found if not name.startswith("installation/")]

    def _start(self, name: str, arguments: list[str], kubeconfig: Path) -> None:
        more = {"KUBECONFIG": str(kubeconfig), "SIMULACRA_OPERATOR_LISTEN": "127.0.0.1:0"}
        more |= {"SIMULACRA_POD_SECRET": "simulacra-pods", **self._env}
        command = [sys.executable, "-W", "ignore", "-m", *arguments]
        self.folder.mkdir(exist_ok=True)
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                command,
                env=os.environ | self.custody | more,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        self._processes.append((name, process))

    def _stop(self) -> dict[str, int]:
        for _, process in self._processes:
            process.terminate()
        codes = {}
        for name, process in self._processes:
            codes[name] = process.wait(60)
            if process.stdout is not None:
                process.stdout.close()
        return codes
