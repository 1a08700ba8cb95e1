"""The product's CRDs on both servers, which must accept and reject the same objects."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from established import wait_for_kinds
from simulacra_crds import crd_yaml
from simulacra_crds.registry import KINDS

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


@pytest.fixture(scope="module")
def product(cluster: Any, request: pytest.FixtureRequest) -> dict[str, Any]:
    """The product's CRDs by kind, applied and served."""
    crds = {kind.__name__: crd_yaml.crd(kind) for kind in KINDS}
    for one in crds.values():
        cluster.kubectl("apply", "-f", "-", stdin=json.dumps(one))
    wait_for_kinds(cluster.kubectl, *(one["metadata"]["name"] for one in crds.values()))
    return crds


def test_product_kinds_are_served_in_their_category(
    cluster: Any, product: dict[str, Any], ns: str, tmp_path: Path
) -> None:
    resources = cluster.call("GET", "/apis/simulacra.dev/v1alpha1", code=200)["resources"]
    assert {r["kind"] for r in resources} == set(product)
    assert all(r.get("categories") == ["simulacra"] for r in resources if "/" not in r["name"])
    # Use a HOME without cached discovery. Other tests may have made resources outside namespaces.
    shown = cluster.kubectl("-n", ns, "get", "simulacra", "-o", "name", HOME=str(tmp_path))
    outside = ("accessrequest.simulacra.dev/", "tenant.simulacra.dev/")
    assert all(line.startswith(outside) for line in shown.splitlines())


def test_stored_schema_equals_the_definition(cluster: Any, product: dict[str, Any]) -> None:
    for crd in product.values():
        stored = cluster.call("GET", f"{CRDS}/{crd['metadata']['name']}", code=200)
        for written, shown in zip(crd["spec"]["versions"], stored["spec"]["versions"], strict=True):
            assert shown["schema"] == written["schema"]
            assert shown.get("additionalPrinterColumns") == written.get("additionalPrinterColumns")


def test_kubectl_explains_the_product_kinds(cluster: Any, product: dict[str, Any]) -> None:
    for crd in product.values():
        plural = crd["spec"]["names"]["plural"]
        assert "FIELDS" in cluster.kubectl("explain", f"{plural}.spec")
        spec = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"][
            "properties"
        ]
        name, last = list(spec.items())[-1]
        shown = " ".join(cluster.kubectl("explain", f"{plural}.spec.{name}").split())
        assert " ".join(last["description"].split()) in shown


def test_rows_are_those_generated_or_else_those_asked_for(
    cluster: Any, product: dict[str, Any], ns: str
) -> None:
    path = f"/apis/simulacra.dev/v1alpha1/namespaces/{ns}/generationjobs"
    kind = {"apiVersion": "simulacra.dev/v1alpha1", "kind": "GenerationJob"}
    asked: dict[str, dict[str, Any]] = {
        "linked": {"rowCount": 90, "persons": 30},
        "given": {"given": {}},
    }
    for name, spec in asked.items():
        body = {"metadata": {"name": name}, "spec": {"modelRef": {"name": "m"}, **spec}}
        cluster.call("POST", path, kind | body, 201)

    def shown(name: str) -> str:
        head, row = cluster.kubectl("get", "gen", name, "-n", ns, "-o", "wide").splitlines()
        at = head.index("ROWS")
        return row[at:].split()[0] if row[at : at + 1].strip() else ""

    assert (shown("linked"), shown("given")) == ("90", "")
    for name, rows in (("linked", 87), ("given", 4)):
        cluster.patch(f"{path}/{name}/status", {"status": {"rows": rows}})
    assert (shown("linked"), shown("given")) == ("87", "4")


def test_empty_object_is_rejected_for_its_required_fields(
    cluster: Any, product: dict[str, Any], ns: str
) -> None:
    for kind, crd in product.items():
        namespaced = crd["spec"]["scope"] == "Namespaced"
        place = f"/namespaces/{ns}" if namespaced else ""
        path = f"/apis/simulacra.dev/v1alpha1{place}/{crd['spec']['names']['plural']}"
        required = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"].get("required", [])
        body = {"apiVersion": "simulacra.dev/v1alpha1", "kind": kind, "metadata": {"name": "empty"}}
        answer = cluster.call("POST", f"{path}?dryRun=All", body)
        missing = {cause["field"] for cause in answer.get("details", {}).get("causes", [])} - {
            "<nil>"
        }
        assert missing == set(required), answer
