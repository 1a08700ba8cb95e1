"""A taken-over API or operator gains no right: every way up is refused on a real control plane.

The accounts have the chart's roles and its admission policy, and log in with real tokens; once with
rights in the whole cluster, once with listed namespaces.
"""

from __future__ import annotations

import base64
import json
import os
import ssl
from collections.abc import Iterator

import httpx2
import pytest
import yaml

from escalation_moves import (
    ACCOUNTS,
    FOREIGN,
    KEYS,
    LOOSE,
    OURS,
    TENANT,
    Move,
    Object,
    core,
    everyones_moves,
    group,
    job,
    moves_of,
    named,
    namespace,
    pod,
)
from installation import eventually
from real_cluster import CLIENTS, GIVEN_VARIABLE, SYSTEM, TOOL, RealCluster

pytestmark = [pytest.mark.controlplane, pytest.mark.timeout(300)]


class Session:
    """Requests to the API server with an account's token."""

    def __init__(self, cluster: RealCluster, account: str) -> None:
        config = yaml.safe_load(cluster.login(account).read_text())
        server = config["clusters"][0]["cluster"]
        authority = server.get("certificate-authority-data")
        self._http = httpx2.Client(
            base_url=server["server"],
            verify=ssl.create_default_context(
                cafile=server.get("certificate-authority"),
                cadata=base64.b64decode(authority).decode() if authority else None,
            ),
            headers={"Authorization": f"Bearer {config['users'][0]['user']['token']}"},
        )

    def send(self, move: Move) -> httpx2.Response:
        """Send a request."""
        kind = "application/json"
        if move.method == "PATCH":
            kind = "application/merge-patch+json"
        content = None if move.body is None else json.dumps(move.body)
        headers = {"Content-Type": kind, **move.headers}
        return self._http.request(move.method, move.path, content=content, headers=headers)


def prepare(cluster: RealCluster) -> None:
    """Create what an attacker would find: a tenant's namespace, others, and their objects."""
    registry = [{"name": "registry"}]
    accounts = [
        named("v1", "ServiceAccount", "deployer"),
        named("v1", "ServiceAccount", "simulacra-trainer", imagePullSecrets=registry),
    ]
    for account in accounts:
        account["metadata"]["namespace"] = TENANT
    objects = list(accounts)
    for place in ("kube-system", SYSTEM, FOREIGN):
        theirs: list[Object] = [
            named("v1", "Secret", "simulacra-pods", stringData={"AWS_ACCESS_KEY_ID": "a"}),
            named("batch/v1", "Job", "theirs", spec=job("default")["spec"] | {"suspend": True}),
            named("networking.k8s.io/v1", "NetworkPolicy", "theirs", spec={"podSelector": {}}),
        ]
        for one in theirs:
            one["metadata"]["namespace"] = place
        objects += theirs
    for place in (SYSTEM, TENANT):
        running = named("v1", "Pod", "running", spec=restricted("default"))
        running["metadata"]["namespace"] = place
        objects.append(running)
    for name in ("helm-release", "client-old"):
        secret = named("v1", "Secret", name, stringData={"hashes": "[]"})
        secret["metadata"]["namespace"] = SYSTEM
        objects.append(secret)
    deployment: Object = {"selector": {"matchLabels": {"a": "b"}}, "replicas": 0}
    deployment["template"] = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": []}}
    deployment["template"]["spec"] = {"containers": pod("x")["containers"]}
    operator = named("apps/v1", "Deployment", "simulacra-operator", spec=deployment)
    operator["metadata"]["namespace"] = SYSTEM
    cluster.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all([*objects, operator]))


def restricted(account: str) -> Object:
    """Return the spec of a pod under restricted Pod Security."""
    security = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    spec = pod(account, securityContext=security)
    seccomp = {"runAsNonRoot": True, "runAsUser": 1, "seccompProfile": {"type": "RuntimeDefault"}}
    return {**spec, "securityContext": seccomp}


@pytest.fixture(scope="module", params=["everywhere", "listed"])
def scope(request: pytest.FixtureRequest) -> str:
    """Where the accounts have rights."""
    return str(request.param)


@pytest.fixture(scope="module")
def cluster(scope: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealCluster]:
    given = os.environ.get(GIVEN_VARIABLE)
    if given is None and not TOOL.exists():
        pytest.skip(f"no real kube-apiserver: neither ../shared/bin/cluster nor {GIVEN_VARIABLE}")
    if given is not None and scope == "listed":
        pytest.skip("the given cluster has the roles of the other scope")
    found = RealCluster(tmp_path_factory.mktemp("escalation") / "cluster", given)
    with found.running():
        # Somebody has lifted Pod Security from a tenant's namespace.
        loose = {"simulacra.dev/tenant": "loose", "simulacra.dev/uid": "2"}
        ours = {**OURS, "example.com/pool": "jobs"}
        labels = {KEYS: {}, TENANT: ours, LOOSE: loose, FOREIGN: {}}
        namespaces = [namespace(name, one) for name, one in labels.items()]
        found.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(namespaces))
        found.install(*(("--set", f"namespaces={{{TENANT}}}") if scope == "listed" else ()))
        prepare(found)
        yield found


@pytest.mark.parametrize("account", ACCOUNTS)
def test_every_way_to_more_rights_is_refused(cluster: RealCluster, account: str) -> None:
    session = Session(cluster, account)
    moves = moves_of(account)
    assert len(moves) > 150
    answers = [(move, session.send(move)) for move in moves]
    passed = [
        f"{answer.status_code} {move}" for move, answer in answers if answer.status_code != 403
    ]
    assert not passed, "\n".join(passed)
    assert "yes" not in cluster.kubectl(
        "auth", "can-i", "*", "*", "--as", f"system:serviceaccount:{SYSTEM}:{account}", ok=None
    )


@pytest.mark.parametrize("account", ACCOUNTS)
def test_the_policy_refuses_what_an_administrator_granted(
    cluster: RealCluster, account: str
) -> None:
    who = f"--serviceaccount={SYSTEM}:{account}"
    name = f"granted-{account}"
    cluster.kubectl("create", "clusterrolebinding", name, "--clusterrole=edit", who)
    session = Session(cluster, account)
    try:
        running = Move("GET", core(SYSTEM, "pods", "running"))
        eventually(lambda: session.send(running).status_code == 200)
        answers = [(move, session.send(move)) for move in everyones_moves() if move.method != "GET"]
    finally:
        cluster.kubectl("delete", "clusterrolebinding", name)
    passed = [
        f"{answer.status_code} {move}" for move, answer in answers if answer.status_code != 403
    ]
    assert not passed, "\n".join(passed)
    by_policy = [move for move, answer in answers if "ValidatingAdmissionPolicy" in answer.text]
    assert len(by_policy) > 100, "RBAC allowed them"


def test_each_account_reads_the_stated_secrets_and_lists_none(
    cluster: RealCluster, scope: str
) -> None:
    """Reads are beyond the admission policy: what holds here is RBAC alone."""
    pods, keys = "simulacra-pods", "installation-keys"
    own = {(TENANT, pods), (KEYS, keys)}
    named_alike = {(FOREIGN, pods), ("kube-system", pods), (SYSTEM, pods), (FOREIGN, keys)}
    clients = {(CLIENTS, "client-acme"), (CLIENTS, "client-globex")}
    credentials = {(SYSTEM, "simulacra-credentials")}
    others = {(SYSTEM, "helm-release"), (TENANT, "theirs"), (KEYS, "theirs")}
    secrets = {*own, *named_alike, *clients, *credentials, *others}
    made = [named("v1", "Secret", name) for _, name in sorted(secrets)]
    for body, (place, _) in zip(made, sorted(secrets), strict=True):
        body["metadata"]["namespace"] = place
    cluster.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(made))
    stated = {
        "simulacra-api": clients,
        "simulacra-operator": {*own, *credentials, *(() if scope == "listed" else named_alike)},
    }
    for account in ACCOUNTS:
        session = Session(cluster, account)
        read = {
            one
            for one in secrets
            if session.send(Move("GET", core(one[0], "secrets", one[1]))).status_code == 200
        }
        assert read == stated[account]
        for place in ("", *{f"/namespaces/{one[0]}" for one in secrets}):
            for query in ("", "?watch=true&timeoutSeconds=1"):
                answer = session.send(Move("GET", f"/api/v1{place}/secrets{query}"))
                assert answer.status_code == 403, (account, place)
    for place, name in own:
        cluster.kubectl("delete", "secret", name, "-n", place)


def test_the_work_of_both_is_allowed(cluster: RealCluster, scope: str) -> None:
    """The main job has a test of its own; here is what the policy must let pass at its edges."""
    api, operator = (Session(cluster, account) for account in ACCOUNTS)
    spec = {"company": "Acme", "contact": "a@example.com"}
    asked = named("simulacra.dev/v1alpha1", "AccessRequest", "ar-y", spec=spec)
    dataset = named("simulacra.dev/v1alpha1", "Dataset", "ds-y", spec={})
    restored = {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}}
    signing = named("v1", "Secret", "oauth-signing-keys", type="simulacra.dev/signing-keys")
    certified = named("v1", "Secret", "installation-keys", type="simulacra.dev/installation-keys")
    trainer = job("simulacra-trainer")
    work = trainer["spec"]["template"]["spec"]
    token = {"serviceAccountToken": {"audience": "sts.amazonaws.com", "path": "token"}}
    work["volumes"] = [
        {"name": "tmp", "emptyDir": {}},
        {"name": "identity", "projected": {"sources": [token]}},
    ]
    key = {"secretKeyRef": {"name": "of-a-source", "key": "AWS_ACCESS_KEY_ID"}}
    work |= {"priorityClassName": "batch", "nodeSelector": {"a": "b"}}
    work["containers"][0] |= {
        "envFrom": [{"secretRef": {"name": "simulacra-pods"}}],
        "env": [{"name": "A", "value": "b"}, {"name": "B", "valueFrom": key}],
    }
    # Beside the Secrets that an administrator gave the account.
    identity = {"metadata": {"annotations": {"example.com/identity": "a"}}}
    allowed = [
        (api, Move("POST", "/apis/simulacra.dev/v1alpha1/accessrequests", asked)),
        (api, Move("POST", group("simulacra.dev/v1alpha1", TENANT, "datasets"), dataset)),
        (api, Move("DELETE", group("simulacra.dev/v1alpha1", TENANT, "datasets", "ds-y"))),
        (api, Move("POST", core(CLIENTS, "secrets"), named("v1", "Secret", "client-y"))),
        (api, Move("PATCH", core(CLIENTS, "secrets", "client-y"), {"data": {"hashes": "W10="}})),
        (api, Move("POST", core(CLIENTS, "secrets"), signing)),
        (api, Move("POST", core(SYSTEM, "configmaps"), named("v1", "ConfigMap", "api-requests-y"))),
        (api, Move("DELETE", core(SYSTEM, "configmaps", "api-requests-y"))),
        (operator, Move("POST", core(KEYS, "secrets"), certified)),
        (operator, Move("POST", core(TENANT, "secrets"), named("v1", "Secret", "simulacra-pods"))),
        (operator, Move("PATCH", core(TENANT, "serviceaccounts", "simulacra-trainer"), identity)),
        (operator, Move("POST", group("batch/v1", TENANT, "jobs"), trainer)),
        (
            operator,
            Move("PATCH", group("batch/v1", TENANT, "jobs", "x"), {"spec": {"suspend": True}}),
        ),
        (operator, Move("DELETE", group("batch/v1", TENANT, "jobs", "x"))),
    ]
    if scope == "everywhere":
        allowed.append((operator, Move("PATCH", f"/api/v1/namespaces/{TENANT}", restored)))
    for session, move in allowed:
        answer = session.send(move)
        assert answer.status_code in (200, 201), f"{move}: {answer.text}"


def test_operator_creates_data_of_the_canary_only(cluster: RealCluster) -> None:
    """With the rights that the chart's `canary.minutes` adds to its role."""
    api, operator = (Session(cluster, account) for account in ACCOUNTS)
    canary = "tenant-simulacra-canary"
    labels = {**OURS, "simulacra.dev/tenant": "simulacra-canary"}
    who = f"--serviceaccount={SYSTEM}:simulacra-operator"
    dataset = named("simulacra.dev/v1alpha1", "Dataset", "canary-y", spec={})
    record = named("v1", "ConfigMap", "canary", data={})
    create = ("--verb=create", "--resource=datasets.simulacra.dev")
    cluster.kubectl("create", "clusterrole", "canary", *create)
    cluster.kubectl("create", "clusterrolebinding", "canary", "--clusterrole=canary", who)
    cluster.kubectl("create", "-f", "-", stdin=json.dumps(namespace(canary, labels)))
    try:
        own = Move("POST", group("simulacra.dev/v1alpha1", canary, "datasets"), dataset)
        eventually(lambda: operator.send(own).status_code == 201)
        foreign = Move("POST", group("simulacra.dev/v1alpha1", TENANT, "datasets"), dataset)
        refused = operator.send(foreign)
        assert (refused.status_code, "canary only" in refused.text) == (403, True)
        written = Move("POST", core(SYSTEM, "configmaps"), record)
        assert api.send(written).status_code == 403
        assert operator.send(written).status_code == 201
    finally:
        for kind in ("clusterrolebinding/canary", "clusterrole/canary", f"namespace/{canary}"):
            cluster.kubectl("delete", kind, "--wait=false")
