"""Ways in which a taken-over API or operator may try to gain rights, as API server requests."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from real_cluster import CLIENTS, SYSTEM

Object = dict[str, Any]
KEYS = f"{SYSTEM}-keys"
ACCOUNTS = ("simulacra-api", "simulacra-operator")
TENANT, LOOSE, FOREIGN = "tenant-acme", "tenant-loose", "tenant-legacy"
RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}
OURS = {"simulacra.dev/tenant": "acme", "simulacra.dev/uid": "1", **RESTRICTED}


class Move(NamedTuple):
    """One request: method, path and body."""

    method: str
    path: str
    body: Object | None = None
    headers: dict[str, str] = {}  # noqa: RUF012 - never changed

    def __str__(self) -> str:
        kind = (self.body or {}).get("kind", "")
        return f"{self.method} {self.path} {kind} {json.dumps(self.body)[:160]}"


def core(namespace: str, plural: str, name: str = "") -> str:
    return f"/api/v1/namespaces/{namespace}/{plural}" + (f"/{name}" if name else "")


def group(api: str, namespace: str | None, plural: str, name: str = "") -> str:
    scope = f"/namespaces/{namespace}" if namespace else ""
    return f"/apis/{api}{scope}/{plural}" + (f"/{name}" if name else "")


def named(api: str, kind: str, name: str, **fields: Any) -> Object:
    return {"apiVersion": api, "kind": kind, "metadata": {"name": name}, **fields}


def token_secret(name: str, account: str) -> Object:
    """Return a Secret that the control plane fills with a ServiceAccount's token."""
    secret = named("v1", "Secret", name, type="kubernetes.io/service-account-token")
    secret["metadata"]["annotations"] = {"kubernetes.io/service-account.name": account}
    return secret


def pod(account: str, **fields: Any) -> Object:
    container = {"name": "x", "image": "x", **fields}
    return {"serviceAccountName": account, "containers": [container], "restartPolicy": "Never"}


def job(account: str) -> Object:
    return named("batch/v1", "Job", "x", spec={"template": {"spec": pod(account)}})


def reading_jobs() -> Iterator[Object]:
    """Yield Jobs whose pod would read a Secret or ConfigMap that is not of the product."""
    token = {"secret": {"secretName": "deployer-token"}}
    projected = {"projected": {"sources": [{"secret": {"name": "deployer-token"}}]}}
    for volume in (token, projected, {"configMap": {"name": "theirs"}}, {"downwardAPI": {}}):
        one = job("simulacra-trainer")
        one["spec"]["template"]["spec"]["volumes"] = [{"name": "x", **volume}]
        yield one
    key = {"secretKeyRef": {"name": "deployer-token", "key": "token"}}
    container = {"name": "first", "image": "x", "envFrom": [{"secretRef": {"name": "theirs"}}]}
    for fields in (
        {"envFrom": [{"secretRef": {"name": "theirs"}}]},
        {"envFrom": [{"configMapRef": {"name": "theirs"}}]},
        {"env": [{"name": "X", "valueFrom": key}]},
    ):
        one = job("simulacra-trainer")
        one["spec"]["template"]["spec"]["containers"][0] |= fields
        yield one
    for more in ({"initContainers": [container]}, {"imagePullSecrets": [{"name": "theirs"}]}):
        one = job("simulacra-trainer")
        one["spec"]["template"]["spec"] |= more
        yield one


def privileged_jobs() -> Iterator[Object]:
    """Yield Jobs whose pod would pass the scheduler, the cluster's own pods or Pod Security."""
    for more in (
        {"nodeName": "node-1"},
        {"runtimeClassName": "unconfined"},
        {"priorityClassName": "system-node-critical"},
        {"priorityClassName": "system-cluster-critical"},
    ):
        one = job("simulacra-trainer")
        one["spec"]["template"]["spec"] |= more
        yield one


def account_moves() -> Iterator[Move]:
    """Yield changes of accounts by which their pods would get Secrets or another identity."""
    theirs = [{"name": "theirs"}]
    accounts = core(TENANT, "serviceaccounts")
    yield Move("POST", accounts, named("v1", "ServiceAccount", "other"))
    identity = {
        "metadata": {"annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/x"}}
    }
    yield Move("PATCH", f"{accounts}/deployer", identity)
    for field in ("imagePullSecrets", "secrets"):
        yield Move("PATCH", f"{accounts}/simulacra-trainer", {field: theirs})
        yield Move("PATCH", f"{accounts}/deployer", {field: theirs})
        made = named("v1", "ServiceAccount", "simulacra-trainer", **{field: theirs})
        yield Move("POST", core(LOOSE, "serviceaccounts"), made)
    yield Move("PATCH", f"{accounts}/simulacra-trainer", {"imagePullSecrets": None})


def namespace(name: str, labels: dict[str, str]) -> Object:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def binding(kind: str) -> Object:
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}
    subjects = [{"kind": "ServiceAccount", "name": one, "namespace": SYSTEM} for one in ACCOUNTS]
    return named("rbac.authorization.k8s.io/v1", kind, "x", roleRef=role, subjects=subjects)


RBAC, ADMISSION = "rbac.authorization.k8s.io/v1", "admissionregistration.k8s.io/v1"
EVERYTHING = {"rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]}
HOOK = {
    "name": "x.example.com",
    "sideEffects": "None",
    "admissionReviewVersions": ["v1"],
    "clientConfig": {"url": "https://x.example.com"},
}
SIGNER = {"signerName": "kubernetes.io/kube-apiserver-client", "usages": ["client auth"]}


def everyones_moves() -> Iterator[Move]:
    """Yield what either account may try."""
    for place in (SYSTEM, CLIENTS, KEYS, TENANT, FOREIGN, "kube-system", "default"):
        # Each name that RBAC lets one of them read.
        for name in ("client-x", "simulacra-pods", "installation-keys"):
            yield Move("POST", core(place, "secrets"), token_secret(name, "simulacra-operator"))
        yield Move("POST", core(place, "pods"), named("v1", "Pod", "x", spec=pod("default")))
        yield Move("POST", group(RBAC, place, "rolebindings"), binding("RoleBinding"))
        yield Move("POST", core(place, "serviceaccounts", "default/token"), {"spec": {}})
    for place in (SYSTEM, CLIENTS, KEYS, FOREIGN, "kube-system", "default"):
        yield Move("POST", group("batch/v1", place, "jobs"), job("simulacra-operator"))
        yield Move("POST", group("batch/v1", place, "jobs"), job("default"))
        dataset = named("simulacra.dev/v1alpha1", "Dataset", "ds-x", spec={})
        yield Move("POST", group("simulacra.dev/v1alpha1", place, "datasets"), dataset)
        yield Move("POST", core(place, "configmaps"), named("v1", "ConfigMap", "aws-auth", data={}))
        yield Move("DELETE", core(place, "configmaps", "kube-root-ca.crt"))
        yield Move("PATCH", core(place, "configmaps", "kube-root-ca.crt"), {"data": {}})
    bootstrap = named(
        "v1", "Secret", "bootstrap-token-abcdef", type="bootstrap.kubernetes.io/token"
    )
    yield Move("POST", core("kube-system", "secrets"), bootstrap)
    for account in (*ACCOUNTS, "default"):
        yield Move("POST", core(SYSTEM, "serviceaccounts", f"{account}/token"), {"spec": {}})
    trusted = "extension-apiserver-authentication"
    yield Move("DELETE", core("kube-system", "configmaps", trusted))
    yield Move(
        "PATCH", core("kube-system", "configmaps", trusted), {"data": {"client-ca-file": ""}}
    )
    yield Move("POST", group(RBAC, None, "clusterrolebindings"), binding("ClusterRoleBinding"))
    for role in (*ACCOUNTS, "view"):
        yield Move("PATCH", group(RBAC, None, "clusterroles", role), EVERYTHING)
    yield Move("PATCH", group(RBAC, SYSTEM, "roles", "simulacra-api"), EVERYTHING)
    for plural in ("validatingadmissionpolicies", "validatingadmissionpolicybindings"):
        yield Move("DELETE", group(ADMISSION, None, plural, "simulacra"))
        yield Move("PATCH", group(ADMISSION, None, plural, "simulacra"), {"metadata": {}})
    hook = named(ADMISSION, "MutatingWebhookConfiguration", "x", webhooks=[HOOK])
    yield Move("POST", group(ADMISSION, None, "mutatingwebhookconfigurations"), hook)
    signed = named("certificates.k8s.io/v1", "CertificateSigningRequest", "x", spec=SIGNER)
    yield Move("POST", group("certificates.k8s.io/v1", None, "certificatesigningrequests"), signed)
    for headers in (
        {"Impersonate-User": "admin", "Impersonate-Group": "system:masters"},
        {"Impersonate-User": f"system:serviceaccount:{SYSTEM}:simulacra-operator"},
    ):
        yield Move("GET", "/api/v1/namespaces", None, headers)
    for place in (SYSTEM, TENANT):
        for sub in ("exec?command=sh&stdin=true", "attach?stdin=true", "portforward?ports=1"):
            yield Move("POST", core(place, "pods", f"running/{sub}"))
        yield Move("PATCH", core(place, "pods", "running/ephemeralcontainers"), {"spec": {}})
        yield Move("PATCH", core(place, "pods", "running"), {"metadata": {"labels": {"a": "b"}}})
        template = {
            "metadata": {"labels": {"a": "b"}},
            "spec": {"containers": pod("x")["containers"]},
        }
        spec = {"selector": {"matchLabels": {"a": "b"}}, "template": template}
        daemons = named("apps/v1", "DaemonSet", "x", spec=spec)
        yield Move("POST", group("apps/v1", place, "daemonsets"), daemons)
        hourly = {"schedule": "0 * * * *", "jobTemplate": {"spec": job("default")["spec"]}}
        cron = named("batch/v1", "CronJob", "x", spec=hourly)
        yield Move("POST", group("batch/v1", place, "cronjobs"), cron)
    deployment = group("apps/v1", SYSTEM, "deployments", "simulacra-operator")
    yield Move("PATCH", deployment, {"spec": {"replicas": 0}})
    yield Move("GET", "/api/v1/nodes/node-1/proxy/pods")
    yield Move("POST", "/api/v1/persistentvolumes", {})
    crd = group(
        "apiextensions.k8s.io/v1", None, "customresourcedefinitions", "tenants.simulacra.dev"
    )
    yield Move("PATCH", crd, {"spec": {}})
    yield Move("POST", group("apiregistration.k8s.io/v1", None, "apiservices"), {})
    for name in ("kube-system", SYSTEM, CLIENTS, FOREIGN):
        yield Move("PATCH", f"/api/v1/namespaces/{name}", {"metadata": {"labels": OURS}})
        own = {**OURS, "simulacra.dev/tenant": name.removeprefix("tenant-")}
        yield Move("PATCH", f"/api/v1/namespaces/{name}", {"metadata": {"labels": own}})
        yield Move("DELETE", f"/api/v1/namespaces/{name}")
        yield Move("PUT", f"/api/v1/namespaces/{name}/finalize", namespace(name, OURS))
    yield Move("POST", "/api/v1/namespaces", namespace("evil", OURS))
    loose = {"simulacra.dev/tenant": "evil", "pod-security.kubernetes.io/enforce": "privileged"}
    yield Move("POST", "/api/v1/namespaces", namespace("tenant-evil", loose))
    yield Move("POST", "/api/v1/namespaces", namespace("tenant-evil", RESTRICTED))
    privileged = {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "privileged"}}}
    yield Move("PATCH", f"/api/v1/namespaces/{TENANT}", privileged)
    unlabeled = {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": None}}}
    yield Move("PATCH", f"/api/v1/namespaces/{TENANT}", unlabeled)
    version = "pod-security.kubernetes.io/enforce-version"
    for label, value in ((version, "v1.0"), (version, "latest"), ("team", "platform")):
        yield Move(
            "PATCH", f"/api/v1/namespaces/{TENANT}", {"metadata": {"labels": {label: value}}}
        )
        labels = {**OURS, "simulacra.dev/tenant": "evil", label: value}
        yield Move("POST", "/api/v1/namespaces", namespace("tenant-evil", labels))
    without = {"metadata": {"labels": {"example.com/pool": None}}}
    yield Move("PATCH", f"/api/v1/namespaces/{TENANT}", without)
    # Inside a tenant's namespace: with the rights of another account, or as another service.
    yield Move("POST", group("batch/v1", TENANT, "jobs"), job("deployer"))
    yield Move("POST", group("batch/v1", TENANT, "jobs"), job(""))
    yield Move("POST", group("batch/v1", LOOSE, "jobs"), job("simulacra-trainer"))
    for refused in (*reading_jobs(), *privileged_jobs()):
        yield Move("POST", group("batch/v1", TENANT, "jobs"), refused)
    yield from account_moves()
    for place in (TENANT, KEYS):
        yield Move("POST", core(place, "secrets"), named("v1", "Secret", "other"))
    for spec in ({"ports": [{"port": 443}]}, {"type": "ExternalName", "externalName": "x.example"}):
        service = named("v1", "Service", "x", spec=spec)
        yield Move("POST", core(TENANT, "services"), service)
    for place in ("kube-system", SYSTEM, FOREIGN):
        headless = named("v1", "Service", "x", spec={"clusterIP": "None", "ports": [{"port": 1}]})
        yield Move("POST", core(place, "services"), headless)
        account = core(place, "serviceaccounts", "default")
        yield Move("PATCH", account, {"metadata": {"annotations": {"a": "b"}}})
        policy = group("networking.k8s.io/v1", place, "networkpolicies", "theirs")
        yield Move("PATCH", policy, {"spec": {"policyTypes": []}})
        theirs = core(place, "secrets", "simulacra-pods")
        yield Move("PATCH", theirs, {"data": {"AWS_ACCESS_KEY_ID": "eA=="}})
        yield Move("PATCH", group("batch/v1", place, "jobs", "theirs"), {"spec": {"suspend": True}})
        yield Move("DELETE", group("batch/v1", place, "jobs", "theirs"))


def moves_of(account: str) -> list[Move]:
    """Return the moves of an account: everyone's, and those by what it alone may do."""
    found = list(everyones_moves())
    secrets = [core(SYSTEM, "secrets"), core(KEYS, "secrets"), core("kube-system", "secrets")]
    if account == "simulacra-operator":
        return [
            *found,
            *(Move("GET", path) for path in secrets),
            Move("GET", core(CLIENTS, "secrets")),
        ]
    for name in ("simulacra-pods", "helm-release", "client-old"):
        found += [Move("GET", core(SYSTEM, "secrets", name))]
    release = named("v1", "Secret", "client-x", type="helm.sh/release.v1")
    spec = {"company": "Mallory", "contact": "m@example.com", "decision": "Approved"}
    approved = named("simulacra.dev/v1alpha1", "AccessRequest", "ar-x", spec=spec)
    return [
        *found,
        *(Move("GET", path) for path in secrets),
        Move("GET", core(KEYS, "secrets", "installation-keys")),
        Move("POST", core(CLIENTS, "secrets"), release),
        Move("POST", core(SYSTEM, "secrets"), named("v1", "Secret", "client-x")),
        Move("POST", "/apis/simulacra.dev/v1alpha1/accessrequests", approved),
    ]
