"""The generated CRDs are structural and bounded, and equal the files of the chart."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from simulacra_crds.crd_yaml import crd, main, render, structural
from simulacra_crds.kinds.dataset import Dataset
from simulacra_crds.kinds.effect_estimate import EffectEstimate
from simulacra_crds.kinds.generation_job import GenerationJob
from simulacra_crds.kinds.model import Model
from simulacra_crds.registry import KINDS

ROOT = Path(__file__).parents[2]
CHART_CRDS = "charts/simulacra/templates/crds"


def nodes(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    yield path, schema
    for name, child in schema.get("properties", {}).items():
        yield from nodes(child, f"{path}.{name}")
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            yield from nodes(schema[key], f"{path}[{key}]")


def schema_of(kind: type) -> dict[str, Any]:
    return crd(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_schema_is_structural_and_bounded(kind: type) -> None:
    for path, node in nodes(schema_of(kind)):
        assert "$ref" not in node, path
        assert "anyOf" not in node, path
        assert "type" in node, path
        if path in ("", ".apiVersion", ".kind", ".metadata"):
            continue
        if node["type"] == "array":
            assert "maxItems" in node, path
        if node["type"] == "string" and "enum" not in node:
            assert "maxLength" in node or node.get("format") == "date-time", path
        if "additionalProperties" in node:
            assert "maxProperties" in node, path
            assert "properties" not in node, path


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_status_is_a_subresource_and_kubectl_has_columns(kind: type) -> None:
    version = crd(kind)["spec"]["versions"][0]
    assert version["subresources"] == {"status": {}}
    assert version["additionalPrinterColumns"][-1]["name"] == "Age"


def test_files_equal_the_generated_definitions() -> None:
    written = {path.name: path.read_text() for path in (ROOT / CHART_CRDS).iterdir()}
    assert written == render(chart=True)


def test_check_names_the_stale_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path)]) == 0
    assert main([str(tmp_path), "--check"]) == 0
    definition = yaml.safe_load((tmp_path / "models.yaml").read_text())
    assert definition["spec"]["names"]["kind"] == "Model"
    (tmp_path / "models.yaml").write_text("old")
    assert main([str(tmp_path), "--check"]) == 1
    assert "models.yaml" in capsys.readouterr().err


def test_union_that_kubernetes_cannot_express_is_an_error() -> None:
    with pytest.raises(TypeError, match="union"):
        structural({"anyOf": [{"type": "string"}, {"type": "integer"}]}, {})


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        (Model, ("privacyLevel",)),
        (Model, ("knowledge", "background")),
        (GenerationJob, ("evidence",)),
        (EffectEstimate, ("population",)),
        (Model, ("resources", "workers")),
        (GenerationJob, ("counterfactual",)),
        (Dataset, ("hold",)),
        (Dataset, ("keepSource",)),
    ],
)
def test_fields_of_a_later_release_are_not_defaulted_into_stored_objects(
    kind: type, path: tuple[str, ...]
) -> None:
    found = schema_of(kind)["properties"]["spec"]
    for name in path:
        found = found["properties"][name]
    assert "default" not in found


def late_defaults(new: dict[str, Any], old: dict[str, Any], path: str = "spec") -> Iterator[str]:
    """Yield the fields with a default that the old schema lacks, though it has their parent."""
    for name, field in new.get("properties", {}).items():
        known = old.get("properties", {}).get(name)
        if known is not None:
            yield from late_defaults(field, known, f"{path}.{name}")
        elif "default" in field:
            yield f"{path}.{name}"
    if "items" in new and "items" in old:
        yield from late_defaults(new["items"], old["items"], f"{path}[]")


def test_no_field_since_the_former_release_has_a_default() -> None:
    release = re.search(r'^COMMIT = "(\w+)"', (ROOT / "images/previous.py").read_text(), re.M)
    assert release is not None
    compared = 0
    for kind in KINDS:
        path = f"{release[1]}:{CHART_CRDS}/{kind.PLURAL}.yaml"
        done = subprocess.run(["git", "show", path], cwd=ROOT, capture_output=True, text=True)
        if done.returncode:  # a kind of a later release, or a clone without history
            continue
        definition = yaml.safe_load(re.sub(r"(?m)^\{\{.*", "", done.stdout))
        former = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
        specs = (found["properties"]["spec"] for found in (schema_of(kind), former))
        assert [*late_defaults(*specs)] == [], kind.__name__
        compared += 1
    if not compared:
        pytest.skip("this clone does not have the former release")
