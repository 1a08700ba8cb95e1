"""Custom kinds: pruning, defaults, structural validation, CEL rules, and the CRD itself."""

from __future__ import annotations

from typing import Any

import pytest
import yaml


def causes(refused: Any) -> dict[str, tuple[str, str]]:
    """Return reason and message by field."""
    return {c["field"]: (c["reason"], c["message"]) for c in refused["details"]["causes"]}


def test_defaults_fill_absent_fields(cluster: Any, widgets: str, widget: Any) -> None:
    made = cluster.call(
        "POST", widgets, widget("a", parts=[{"name": "x"}, {"name": "y", "note": "kept"}]), 201
    )
    assert made["spec"]["size"] == 3
    assert [part["note"] for part in made["spec"]["parts"]] == ["none", "kept"]


def test_unknown_fields_are_dropped_with_a_warning(cluster: Any, widgets: str, widget: Any) -> None:
    body = widget(
        "a",
        bogus=1,
        parts=[{"name": "x", "odd": True}],
        free={"any": {"thing": 1}},
        settings={"k": "v"},
    )
    response = cluster.client.post(widgets, json=body)
    assert response.status_code == 201
    spec = response.json()["spec"]
    assert "bogus" not in spec
    assert spec["parts"] == [{"name": "x", "note": "none"}]
    assert spec["free"] == {"any": {"thing": 1}}
    warnings = response.headers.get_list("warning")
    assert any(r"unknown field \"spec.bogus\"" in warning for warning in warnings)
    assert any(r"unknown field \"spec.parts[0].odd\"" in warning for warning in warnings)


def test_strict_validation_rejects_unknown_fields(cluster: Any, widgets: str, widget: Any) -> None:
    refused = cluster.call("POST", f"{widgets}?fieldValidation=Strict", widget("a", bogus=1), 400)
    assert 'strict decoding error: unknown field "spec.bogus"' in refused["message"]
    cluster.call("POST", widgets, widget("a"), 201)
    refused = cluster.patch(f"{widgets}/a?fieldValidation=Strict", {"spec": {"bogus": 1}}, 422)
    assert 'unknown field "spec.bogus"' in refused["message"]
    twice = b'{"colour":"red","colour":"blue"}'
    duplicate = (
        b'{"apiVersion":"contract.test/v1","kind":"Widget","metadata":{"name":"d"},"spec":'
        + twice
        + b"}"
    )
    headers = {"Content-Type": "application/json"}
    response = cluster.client.post(
        f"{widgets}?fieldValidation=Strict", content=duplicate, headers=headers
    )
    assert response.status_code == 400


@pytest.mark.parametrize(
    ("spec", "field", "reason", "message"),
    [
        (
            {"colour": "pink"},
            "spec.colour",
            "FieldValueNotSupported",
            'Unsupported value: "pink": supported values: "red", "green", "blue"',
        ),
        ({"colour": None}, "spec.colour", "FieldValueRequired", "Required value"),
        (
            {"size": 0},
            "spec.size",
            "FieldValueInvalid",
            "Invalid value: 0: spec.size in body should be greater than or equal to 1",
        ),
        (
            {"size": 101},
            "spec.size",
            "FieldValueInvalid",
            "Invalid value: 101: spec.size in body should be less than or equal to 100",
        ),
        (
            {"size": "big"},
            "spec.size",
            "FieldValueTypeInvalid",
            'Invalid value: "string": spec.size in body must be of type integer: "string"',
        ),
        (
            {"size": 1.5},
            "spec.size",
            "FieldValueTypeInvalid",
            'Invalid value: "number": spec.size in body must be of type integer: "number"',
        ),
        (
            {"label": "toolong"},
            "spec.label",
            "FieldValueTooLong",
            "Too long: may not be more than 5 bytes",
        ),
        (
            {"label": "ABC"},
            "spec.label",
            "FieldValueInvalid",
            "Invalid value: \"ABC\": spec.label in body should match '^[a-z]*$'",
        ),
        (
            {"tags": ["a", "b", "c", "d"]},
            "spec.tags",
            "FieldValueTooMany",
            "Too many: 4: must have at most 3 items",
        ),
        ({"tags": ["a", "a"]}, "spec.tags[1]", "FieldValueDuplicate", 'Duplicate value: "a"'),
        (
            {"parts": [{"name": "x"}, {"name": "x"}]},
            "spec.parts[1]",
            "FieldValueDuplicate",
            'Duplicate value: {"name":"x"}',
        ),
        ({"parts": [{"weight": 1}]}, "spec.parts[0].name", "FieldValueRequired", "Required value"),
        (
            {"parts": [{"name": "x", "weight": 0}]},
            "spec.parts[0].weight",
            "FieldValueInvalid",
            "Invalid value: 0: spec.parts[0].weight in body should be greater than 0",
        ),
        (
            {"settings": {"a": 1}},
            "spec.settings.a",
            "FieldValueTypeInvalid",
            'Invalid value: "integer": spec.settings.a in body must be of type string: "integer"',
        ),
        (
            {"port": True},
            "spec.port",
            "FieldValueTypeInvalid",
            'Invalid value: "boolean": spec.port in body must be of type integer,string: "boolean"',
        ),
        (
            {"ttl": "long"},
            "spec.ttl",
            "FieldValueTypeInvalid",
            'Invalid value: "long": spec.ttl in body must be of type duration: "long"',
        ),
        (
            {"when": "yesterday"},
            "spec.when",
            "FieldValueTypeInvalid",
            'Invalid value: "yesterday": spec.when in body must be of type date-time: "yesterday"',
        ),
    ],
)
def test_violation_names_its_field(
    cluster: Any,
    widgets: str,
    widget: Any,
    spec: dict[str, Any],
    field: str,
    reason: str,
    message: str,
) -> None:
    refused = cluster.call("POST", widgets, widget("a", **spec), 422)
    found = causes(refused)
    assert found.pop(field) == (reason, message)
    assert set(found) <= {"<nil>"}  # "some validation rules were not checked"


@pytest.mark.parametrize(
    "spec",
    [
        {"label": None},
        {"port": 80},
        {"port": "http"},
        {"size": 100},
        {"when": "2026-01-01T00:00:00Z"},
        {"parts": [{"name": "x", "weight": 1}]},
    ],
)
def test_valid_values_are_accepted(
    cluster: Any, widgets: str, widget: Any, spec: dict[str, Any]
) -> None:
    cluster.call("POST", widgets, widget("a", **spec), 201)


@pytest.mark.parametrize(
    ("spec", "field", "message"),
    [
        ({"size": 10, "maximum": 5}, "spec.size", "Invalid value: size must not exceed maximum"),
        ({"settings": {"a-very-long-key": "x"}}, "spec.settings", "Invalid value: keys are short"),
        (
            {"parts": [{"name": "heavy", "weight": 11}]},
            "spec.parts[0]",
            "Invalid value: parts weigh 10 at most",
        ),
        ({"label": "zzz"}, "spec.label", 'Invalid value: "zzz": label may not be zzz'),
    ],
)
def test_cel_rules_are_evaluated(
    cluster: Any, widgets: str, widget: Any, spec: dict[str, Any], field: str, message: str
) -> None:
    refused = cluster.call("POST", widgets, widget("a", **spec), 422)
    found = causes(refused)
    assert list(found) == [field]
    assert found[field][1] == message


def test_transition_rule_compares_with_the_old_value(
    cluster: Any, widgets: str, widget: Any
) -> None:
    cluster.call("POST", widgets, widget("a", parts=[{"name": "x", "weight": 2}]), 201)
    refused = cluster.patch(f"{widgets}/a", {"spec": {"colour": "blue"}}, 422)
    assert causes(refused)["spec"][1] == "Invalid value: the colour stays"
    lighter = {"spec": {"parts": [{"name": "new", "weight": 1}, {"name": "x", "weight": 1}]}}
    refused = cluster.patch(f"{widgets}/a", lighter, 422)
    assert list(causes(refused)) == ["spec.parts[1]"]
    heavier = {"spec": {"parts": [{"name": "new", "weight": 1}, {"name": "x", "weight": 3}]}}
    cluster.patch(f"{widgets}/a", heavier)


def test_status_is_validated(cluster: Any, widgets: str, widget: Any) -> None:
    cluster.call("POST", widgets, widget("a"), 201)
    refused = cluster.patch(f"{widgets}/a/status", {"status": {"phase": 3}}, 422)
    assert "status.phase" in causes(refused)


def gadget_crd(group: str, **version: Any) -> dict[str, Any]:
    """Return a small CRD in a group of its own."""
    schema = {
        "type": "object",
        "properties": {"spec": {"type": "object", "properties": {"n": {"type": "integer"}}}},
    }
    versions = [
        {
            "name": "v1",
            "served": True,
            "storage": True,
            "schema": {"openAPIV3Schema": schema},
            **version,
        }
    ]
    names = {"plural": "gadgets", "kind": "Gadget"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"gadgets.{group}"},
        "spec": {"group": group, "scope": "Cluster", "names": names, "versions": versions},
    }


CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


def test_kind_is_served_as_long_as_its_crd_exists(collecting: Any, eventually: Any) -> None:
    cluster, body = collecting, gadget_crd("life.test")
    made = cluster.call("POST", CRDS, body, 201)
    assert made["spec"]["names"]["singular"] == "gadget"
    assert made["spec"]["names"]["listKind"] == "GadgetList"

    def established() -> bool:
        status = cluster.call("GET", f"{CRDS}/gadgets.life.test").get("status", {})
        return {c["type"] for c in status.get("conditions") or [] if c["status"] == "True"} == {
            "NamesAccepted",
            "Established",
        }

    eventually(established)
    path = "/apis/life.test/v1/gadgets"
    eventually(lambda: cluster.client.get(path).status_code == 200)
    cluster.call(
        "POST",
        path,
        {"apiVersion": "life.test/v1", "kind": "Gadget", "metadata": {"name": "g"}},
        201,
    )
    cluster.call("DELETE", f"{CRDS}/gadgets.life.test", code=200)
    eventually(lambda: cluster.client.get(f"{CRDS}/gadgets.life.test").status_code == 404)
    eventually(lambda: cluster.client.get(path).status_code == 404)


def test_changed_schema_takes_effect(cluster: Any, eventually: Any) -> None:
    cluster.call("POST", CRDS, gadget_crd("change.test"), 201)
    path = "/apis/change.test/v1/gadgets"
    eventually(lambda: cluster.client.get(path).status_code == 200)
    thing = {
        "apiVersion": "change.test/v1",
        "kind": "Gadget",
        "metadata": {"name": "g"},
        "spec": {"m": "x"},
    }
    assert cluster.call("POST", path, thing, 201)["spec"] == {}
    wider = {
        "type": "object",
        "properties": {"spec": {"type": "object", "properties": {"m": {"type": "string"}}}},
    }
    version = gadget_crd("change.test")["spec"]["versions"][0]
    version["schema"] = {"openAPIV3Schema": wider}
    changed = cluster.patch(f"{CRDS}/gadgets.change.test", {"spec": {"versions": [version]}})
    assert changed["metadata"]["generation"] == 2
    eventually(lambda: cluster.patch(f"{path}/g", {"spec": {"m": "y"}})["spec"] == {"m": "y"})
    cluster.call("DELETE", f"{CRDS}/gadgets.change.test", code=200)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"metadata": {"name": "other.bad.test"}}, "metadata.name"),
        ({"rule": "self.n >"}, "rule"),
        (
            {"schema": {"properties": {"spec": {"type": "object"}}}},
            "spec.validation.openAPIV3Schema.type",
        ),
        (
            {"schema": {"type": "object", "properties": {"spec": {"type": "array"}}}},
            "spec.validation.openAPIV3Schema.properties[spec].items",
        ),
        ({"storage": False}, "spec.versions"),
    ],
)
def test_invalid_crd_is_rejected(cluster: Any, change: dict[str, Any], field: str) -> None:
    body = gadget_crd("bad.test")
    version = body["spec"]["versions"][0]
    if "metadata" in change:
        body["metadata"] = change["metadata"]
    if "schema" in change:
        version["schema"] = {"openAPIV3Schema": change["schema"]}
    if "rule" in change:
        version["schema"]["openAPIV3Schema"]["x-kubernetes-validations"] = [
            {"rule": change["rule"], "message": "m"}
        ]
    version.update({name: value for name, value in change.items() if name == "storage"})
    refused = cluster.call("POST", CRDS, body, 422)
    assert any(name.endswith(field) for name in causes(refused)), causes(refused)


def test_crd_of_the_suite_is_read_back(cluster: Any) -> None:
    stored = cluster.call("GET", f"{CRDS}/widgets.contract.test", code=200)
    from pathlib import Path

    written = yaml.safe_load(Path(__file__).with_name("widgets.yaml").read_text())
    shown = stored["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    assert shown == written["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
