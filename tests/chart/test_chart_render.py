"""The rendered Helm chart: validity on the supported Kubernetes versions, and restrictions."""

from __future__ import annotations

import http.server
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest

from helm_chart import CHART, FOREIGN, OWN, VARIANTS, helm, rbac_objects, render, require_program
from simulacra_crds.registry import KINDS
from simulacra_operator.settings import read_settings

Object = dict[str, Any]
VERSIONS = ("1.31", "1.33", "1.36")


def _shape(one: Any) -> str:
    """Return the fields and types of an object."""
    if isinstance(one, dict):
        kind = one.get("kind") if "apiVersion" in one else ""
        return f"{kind}{{{','.join(f'{name}:{_shape(one[name])}' for name in sorted(one))}}}"
    if isinstance(one, list):
        return f"[{','.join(sorted({_shape(each) for each in one}))}]"
    return type(one).__name__


def pods(objects: list[Object]) -> list[tuple[str, Object]]:
    """Return the name and spec of every pod that the objects create."""
    found = []
    for one in objects:
        spec = one if one["kind"] == "Pod" else one.get("spec", {}).get("template", {})
        if one["kind"] in ("Pod", "Job", "Deployment"):
            found.append((one["metadata"]["name"], spec["spec"]))
    return found


def test_lint_finds_nothing() -> None:
    assert "0 chart(s) failed" in helm("lint", "--strict", str(CHART))


def test_every_variant_is_valid_on_supported_kubernetes_versions() -> None:
    different = {}
    for arguments in VARIANTS.values():
        objects = [one for one in render(*arguments) if one["kind"] != "CustomResourceDefinition"]
        names = [
            (one["kind"], one["metadata"].get("namespace"), one["metadata"]["name"])
            for one in objects
        ]
        assert len(names) == len(set(names))
        ours = (one for one in objects if one["apiVersion"].split("/")[0] not in FOREIGN)
        # The validator takes 20 ms an object, so objects of the same shape count once.
        different |= {_shape(one): one for one in ours}
    for one in different.values():
        for version in VERSIONS:
            kubernetes_validate.validate(one, version, strict=True)


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_pod_is_restricted(variant: str) -> None:
    for name, pod in pods(render(*VARIANTS[variant])):
        security = pod["securityContext"]
        assert (security["runAsNonRoot"], security["runAsUser"]) == (True, 65532), name
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}, name
        for container in pod["containers"]:
            inside = container["securityContext"]
            assert (inside["readOnlyRootFilesystem"], inside["allowPrivilegeEscalation"]) == (
                True,
                False,
            ), name
            assert inside["capabilities"] == {"drop": ["ALL"]}, name
            assert {"cpu", "memory"} <= container["resources"]["requests"].keys(), name
            assert "memory" in container["resources"]["limits"], name
        assert pod["automountServiceAccountToken"] is (
            name in ("simulacra-api", "simulacra-operator", "simulacra-copy-clients")
        ), name


def test_default_deny_policy_selects_every_pod() -> None:
    objects = render()
    (deny,) = [one for one in objects if one["metadata"]["name"] == "simulacra-default-deny"]
    assert deny["spec"] == {
        "podSelector": deny["spec"]["podSelector"],
        "policyTypes": ["Ingress", "Egress"],
    }
    ((key, value),) = deny["spec"]["podSelector"]["matchLabels"].items()
    for one in objects:
        if one["metadata"]["name"] == "simulacra-copy-clients":
            continue  # it runs before an upgrade, under the policies of the former release
        if one["kind"] in ("Deployment", "Job"):
            assert one["spec"]["template"]["metadata"]["labels"][key] == value
        if one["kind"] == "Pod":
            assert one["metadata"]["labels"][key] == value


def test_number_of_operators_changes_nothing_else_and_drains_take_one_at_a_time() -> None:
    """Another strategy or another pod for another number is refused, or restarts them all."""

    def rendered(replicas: int) -> tuple[Object, set[str]]:
        objects = render("--set", f"operator.replicas={replicas}")
        budgets = {one["metadata"]["name"] for one in objects if "Budget" in one["kind"]}
        (found,) = [
            one["spec"]
            for one in objects
            if (one["kind"], one["metadata"]["name"]) == ("Deployment", "simulacra-operator")
        ]
        return found, budgets

    (alone, no_budget), (pair, budgets) = rendered(1), rendered(2)
    assert pair == alone | {"replicas": 2}
    # one that cannot start must not end the one that works
    assert alone["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
    assert budgets - no_budget == {"simulacra-operator"}
    (spread,) = pair["template"]["spec"]["topologySpreadConstraints"]
    assert spread["labelSelector"] == pair["selector"]


def test_what_a_cluster_asks_of_pods_can_be_set() -> None:
    objects = render(*VARIANTS["habits"])
    for name in ("simulacra-api", "simulacra-operator"):
        (found,) = [
            one for one in objects if (one["kind"], one["metadata"]["name"]) == ("Deployment", name)
        ]
        template = found["spec"]["template"]
        labels = template["metadata"]["labels"]
        assert (
            labels.items() >= ({"team": "data"} | found["spec"]["selector"]["matchLabels"]).items()
        )
        assert template["metadata"]["annotations"] == {"a.b/c": "d"}
        assert template["spec"]["priorityClassName"] == "platform"
        assert template["spec"]["affinity"] == {"podAntiAffinity": {}}
        variables = [one["name"] for one in template["spec"]["containers"][0]["env"]]
        assert {"HTTPS_PROXY", "REGION"} & set(variables)
        assert len(variables) == len(set(variables))


def test_no_load_balancer_leads_to_metrics() -> None:
    services = {
        one["metadata"]["name"]: one["spec"]
        for one in render(*VARIANTS["habits"])
        if one["kind"] == "Service"
    }
    ports = {
        name: (spec["type"], [port["name"] for port in spec["ports"]])
        for name, spec in services.items()
    }
    assert ports["simulacra-api"] == ("LoadBalancer", ["http"])
    assert ports["simulacra-api-metrics"] == ("ClusterIP", ["metrics"])


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ('api.podLabels={"app.kubernetes.io/component": "other"}', "app.kubernetes.io/component"),
        ('operator.extraEnv=[{"name": "SIMULACRA_STORE", "value": "x"}]', "/operator/extraEnv/0"),
        ('api.extraEnv=[{"name": "FORWARDED_ALLOW_IPS", "value": "*"}]', "/api/extraEnv/0"),
        ('api.service.type="ExternalName"', "/api/service/type"),
        ('monitoring.rules.runbooks="docs"', "/monitoring/rules/runbooks"),
    ],
)
def test_value_that_would_break_the_release_is_refused(value: str, told: str) -> None:
    assert told in helm("template", "simulacra", str(CHART), "--set-json", value, ok=False)


@pytest.mark.parametrize("variant", ["defaults", "volume"])
def test_new_chart_version_restarts_no_pod(variant: str, tmp_path: Path) -> None:
    """A restart would lose the data of a tryout without a volume."""
    newer = tmp_path / "simulacra"
    shutil.copytree(CHART, newer)
    about = (newer / "Chart.yaml").read_text()
    (newer / "Chart.yaml").write_text(re.sub(r"(?m)^version: .*$", "version: 99.0.0", about))
    now, then = (
        {
            one["metadata"]["name"]: one
            for one in render(*VARIANTS[variant], chart=chart)
            if one["kind"] == "Deployment"
        }
        for chart in (CHART, newer)
    )
    assert now.keys() == {"simulacra-api", "simulacra-operator", "simulacra-tryout"}
    for name, one in now.items():
        assert then[name]["metadata"]["labels"]["helm.sh/chart"] == "simulacra-99.0.0", (
            "labels carry the chart version"
        )
        assert then[name]["spec"] == one["spec"], name


def test_all_crds_are_in_the_chart_and_kept_on_uninstall() -> None:
    found = [one for one in render() if one["kind"] == "CustomResourceDefinition"]
    assert len(found) == len(KINDS)
    assert all(one["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep" for one in found)


def test_no_role_has_a_wildcard() -> None:
    for one in render("--set", "roles.aggregate=true"):
        for rule in one.get("rules") or ():
            assert "*" not in [*rule["apiGroups"], *rule["resources"], *rule["verbs"]], one[
                "metadata"
            ]["name"]


CLUSTER_SCOPED = {"tenants", "accessrequests", "namespaces", "customresourcedefinitions"}


@pytest.mark.parametrize("component", ["operator", "api"])
def test_listed_namespaces_limit_namespaced_permissions_to_them(component: str) -> None:
    def granted(objects: list[Object]) -> dict[str | None, set[tuple[str, str, str]]]:
        found: dict[str | None, set[tuple[str, str, str]]] = {}
        for one in objects:
            for rule in one.get("rules") or ():
                product = itertools.product(rule["apiGroups"], rule["resources"], rule["verbs"])
                found.setdefault(one["metadata"].get("namespace"), set()).update(product)
        return found

    def inside(rights: set[tuple[str, str, str]]) -> set[tuple[str, str, str]]:
        return {one for one in rights if one[1].split("/")[0] not in CLUSTER_SCOPED}

    everywhere = granted(rbac_objects(component))
    listed = granted(rbac_objects(component, "--set", "namespaces={tenant-acme,tenant-globex}"))
    assert inside(everywhere[None]), "the check needs a nonempty set"
    assert inside(listed[None]) == set()
    assert listed["tenant-acme"] == listed["tenant-globex"]
    quota_kinds = {
        ("", kind, "delete") for kind in ("serviceaccounts", "resourcequotas", "secrets")
    }
    quota_kinds |= {("networking.k8s.io", "networkpolicies", "delete")}
    undo = quota_kinds if component == "operator" else set()
    assert undo.isdisjoint(everywhere[None]), "they are deleted with the namespace"
    assert listed["tenant-acme"] == inside(everywhere[None]) | undo, "the namespace stays"
    assert listed[None] <= everywhere[None], "no permission beyond the cluster-wide mode"


def test_operator_receives_listed_namespaces_and_source_egress() -> None:
    rule = '[{"to":[{"ipBlock":{"cidr":"10.9.0.0/16"}}],"ports":[{"protocol":"TCP","port":9000}]}]'
    values = (
        "--set",
        "namespaces={tenant-acme,tenant-globex}",
        "--set-json",
        f"networkPolicy.sources={rule}",
    )
    by_name = {
        one["metadata"]["name"]: one for one in render(*values) if one["kind"] == "Deployment"
    }
    (operator,) = by_name["simulacra-operator"]["spec"]["template"]["spec"]["containers"]
    environment = {one["name"]: one.get("value") for one in operator["env"]}
    settings = read_settings(environment)
    assert settings.scope.namespaces == ("tenant-acme", "tenant-globex")
    assert settings.pod_access.egress[-1] == json.loads(rule)[0]
    assert len(settings.pod_access.egress) > 1


def test_network_policy_opens_the_port_of_the_oidc_issuer() -> None:
    values = ("--set", "auth.oidcIssuer=https://idp.example:8443/realms/acme")
    by_name = {
        one["metadata"]["name"]: one for one in render(*values, only=("networkpolicy.yaml",))
    }
    egress = by_name["simulacra-api"]["spec"]["egress"]
    assert {443, 8443} in [{one["port"] for one in rule["ports"]} for rule in egress]


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ("store.url=s3://abc/d", "store.url is set while tryout.enabled is true"),
        ("tryout.enabled=false", "is needed where tryout.enabled is false"),
        ("api.ingress.enabled=true", "api.ingress.host is needed"),
        ("api.gateway.enabled=true", "api.gateway.parentRefs is needed"),
        ("auth.auth0.domain=a.auth0.com", "auth.auth0.existingSecret is needed"),
        (
            "api.autoscaling.minReplicas=9,api.autoscaling.maxReplicas=2",
            "is above api.autoscaling.maxReplicas",
        ),
        ("replicas=3", "additional properties 'replicas' not allowed"),
        ("api.replicas=0", "/api/replicas"),
        ("image.pullPolicy=Sometimes", "/image/pullPolicy"),
        ("trainer.image.digest=abc", "/trainer/image/digest"),
        ("trainer.image.variant=rocm", "/trainer/image/variant"),
        (f"{OWN},store.url=https://abc", "/store/url"),
        ("networkPolicy.custody.cidrs[0]=10.0.0.1", "/networkPolicy/custody/cidrs/0"),
        ("networkPolicy.sources[0].ports[0].port=443", "/networkPolicy/sources/0"),
        ("namespaces[0]=acme", "/namespaces/0"),
        ("trainer.priorityClass=system-node-critical", "/trainer/priorityClass"),
        ("trainer.tolerations[0].operator=Exists", "/trainer/tolerations/0"),
        ("kueue.queue=Jobs", "/kueue/queue"),
        ("store.auditDays=29", "/store/auditDays"),
        ("log.level=loud", "/log/level"),
        ("log.format=xml", "/log/format"),
        ("tenants.compute.cpu=0.5", "/tenants/compute/cpu"),
        ("tenants.compute.memory=64", "/tenants/compute/memory"),
        ("tenants.compute.gpu=many", "/tenants/compute/gpu"),
    ],
)
def test_invalid_value_is_rejected_by_name(values: str, complaint: str) -> None:
    assert complaint in helm(
        "template", "simulacra", str(CHART), "--set", values, ok=False
    ).replace("\\", "")


def test_every_value_has_a_comment() -> None:
    lines = (CHART / "values.yaml").read_text().splitlines()
    for before, line in itertools.pairwise(lines):
        leaf = (
            ":" in line
            and not line.strip().startswith(("#", "-"))
            and line.split(":", 1)[1].strip()
        )
        if leaf and not line.strip().startswith(("requests:", "limits:")):
            assert before.strip().startswith("# --"), line


def test_readme_is_up_to_date() -> None:
    command = [
        str(require_program("helm-docs")),
        "-c",
        str(CHART.parent),
        "-s",
        "file",
        "--dry-run",
    ]
    written = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert (CHART / "README.md").read_text().strip() == written.strip(), (
        "run make generate with helm-docs in PATH"
    )


@contextmanager
def serving(status: int, body: bytes) -> Iterator[dict[str, str]]:
    """Serve one response to every request; yield the check's variables for API and operator."""

    class Pages(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Pages) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        yield {"CHECK_API": url, "CHECK_API_METRICS": url, "CHECK_OPERATOR": url}
        server.shutdown()


def run_check(variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run the check that `helm test` runs."""
    command = [sys.executable, "-c", (CHART / "files" / "check.py").read_text()]
    return subprocess.run(
        command, env=os.environ | variables, capture_output=True, text=True, timeout=60
    )


def test_helm_check_passes_a_working_store_and_names_a_broken_one(tmp_path: Path) -> None:
    body = b'{"paths": {}, "x": "simulacra_api_requests_total simulacra_sweep_age_seconds"}'
    with serving(200, body) as environment:
        environment |= {"CHECK_SECONDS": "5", "SIMULACRA_AUDIT": f"file://{tmp_path}/audit"}
        environment |= {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
        for store, code in (
            (f"file://{tmp_path}/store", 0),
            ("s3://no-such?endpoint=http://127.0.0.1:9", 1),
        ):
            done = run_check(environment | {"SIMULACRA_STORE": store})
            assert done.returncode == code, done.stdout + done.stderr
    assert "FAILED SIMULACRA_STORE" in done.stderr
    assert not [path for path in (tmp_path / "store").rglob("*") if path.is_file()]


def test_helm_check_repeats_the_message_of_a_part_that_is_not_ready() -> None:
    with serving(503, b'{"store": "the store of installation first"}') as environment:
        done = run_check(environment | {"CHECK_SECONDS": "0"})
    assert done.returncode == 1
    assert f"FAILED {environment['CHECK_API']}/readyz" in done.stderr
    assert "the store of installation first" in done.stderr


def test_digest_overrides_the_tag_and_cuda_adds_a_suffix() -> None:
    digest = "sha256:" + "a" * 64
    values = f"api.image.digest={digest},image.tag=v9,trainer.image.variant=cuda"
    values += ",image.registry=mirror.example/x"
    by_name = {
        one["metadata"]["name"]: one
        for one in render("--set", values)
        if one["kind"] == "Deployment"
    }
    (api,) = by_name["simulacra-api"]["spec"]["template"]["spec"]["containers"]
    assert api["image"] == f"mirror.example/x/simulacra/api@{digest}"
    (operator,) = by_name["simulacra-operator"]["spec"]["template"]["spec"]["containers"]
    environment = {one["name"]: one.get("value") for one in operator["env"]}
    assert environment["SIMULACRA_TRAINER_IMAGE"] == "mirror.example/x/simulacra/trainer:v9-cuda"


def test_operator_receives_the_placement_of_pods() -> None:
    def operator_environment(*arguments: str) -> dict[str, str]:
        objects = [one for one in render(*arguments) if one["kind"] == "Deployment"]
        (operator,) = [one for one in objects if one["metadata"]["name"] == "simulacra-operator"]
        (container,) = operator["spec"]["template"]["spec"]["containers"]
        of_auth0 = {f"SIMULACRA_AUTH0_CLIENT_{name}": "from a Secret" for name in ("ID", "SECRET")}
        return of_auth0 | {one["name"]: one.get("value", "") for one in container["env"]}

    default = read_settings(operator_environment())
    assert default.placement == read_settings({}).placement
    assert (default.pod_access.compute, default.lacks_torch) == ((), True)
    compute = "tenants.compute.cpu=16,tenants.compute.memory=64Gi,trainer.image.variant=cuda"
    limited = read_settings(operator_environment("--set", compute))
    assert dict(limited.pod_access.compute) == {"requests.cpu": "16", "requests.memory": "64Gi"}
    assert not limited.lacks_torch
    requested = read_settings(
        operator_environment("--set", "trainer.requests.sheet.cpu=2,trainer.requests.fit.cpu=")
    ).placement.requests
    assert requested == {"sheet": {"cpu": "2"}, "fit": {}}
    placement = read_settings(
        operator_environment("-f", str(CHART / "examples" / "gpu-and-auth0.yaml"))
    ).placement
    assert placement.queue == "jobs"
    assert placement.resources.node_selector == {"node.example.com/pool": "gpu"}
    assert [(one.key, one.operator) for one in placement.resources.tolerations] == [
        ("example.com/batch", "Exists")
    ]
    assert placement.resources.priority_class == "batch"
