"""Tasks and results fit an environment variable and a termination message."""

from datetime import timedelta
from typing import Any, get_args

import pytest
from pydantic import BaseModel, ValidationError

from simulacra_crds.kinds.base import MAX_ARTIFACTS, Artifact, utcnow
from simulacra_crds.kinds.model import ModelStatus
from simulacra_crds.reasons import Reason
from simulacra_crds.tasks import (
    RESULT_LIMIT,
    TERMINATION_LIMIT,
    KeyedRef,
    ProgressReport,
    TaskResult,
    TaskSpec,
    part_name,
    result_name,
)
from simulacra_schema.base import MAX_FIGURES
from simulacra_schema.completion import PairVerdict
from simulacra_schema.questions.fit import check_strict


def test_task_spec_reads_back() -> None:
    spec = TaskSpec(
        task="fit",
        tenant="acme",
        resource=KeyedRef(kind="models", uid="u1", wrapped_key="local.v1.k.x"),
        dataset=KeyedRef(kind="datasets", uid="u0", wrapped_key="local.v1.k.y"),
    )
    assert TaskSpec.model_validate_json(spec.model_dump_json(by_alias=True)) == spec


def test_unknown_fields_are_rejected() -> None:
    with pytest.raises(ValidationError):
        TaskSpec.model_validate({"task": "fit", "tenant": "acme", "resource": {}, "conditions": {}})


def bounds(model: type[BaseModel], path: str = "") -> dict[str, int]:
    """Return the bound of every list, mapping and text in a model, by its place."""
    schema = model.model_json_schema(by_alias=False)
    found: dict[str, int] = {}

    def walk(node: dict[str, Any], place: str, inside: tuple[str, ...]) -> None:
        if (ref := node.get("$ref")) is not None:
            name = ref.rsplit("/", 1)[1]
            if name not in inside:
                walk(schema["$defs"][name], place, (*inside, name))
        for bound in ("maxItems", "maxProperties", "maxLength"):
            if bound in node:
                found[place] = node[bound]
        for one in node.get("anyOf", ()):
            walk(one, place, inside)
        for name, one in node.get("properties", {}).items():
            walk(one, f"{place}.{name}".strip("."), inside)
        for more in (node.get("items"), node.get("additionalProperties")):
            if isinstance(more, dict):
                walk(more, f"{place}[]", inside)

    walk(schema, path, ())
    return found


def test_every_bound_of_a_result_has_room_for_what_the_product_makes() -> None:
    """A new bound fails here until somebody has said what the product can make at most."""
    files_of_persons = 100 * 3 + 8  # a hundred layers with two files each, and one over
    most = {
        "reason": max(map(len, Reason)),
        "message": 1024,  # cut by the pod
        "artefacts": max(1_000, files_of_persons),
        "artefacts[].name": len(f"model/{'first-' * 4}model.safetensors"),
        "artefacts[].sha256": 64,
        "artefacts[].message_id": 64,
        "artefacts[].key_arn": 256,  # as long as in the Tenant's spec
        "source.sha256": 64,
        "description.sha256": 64,
        "given.pairs": len(get_args(PairVerdict)),
        "figures": 21 + 3 * 10,  # a fit, and three layers that are tested on their own
    }
    most |= {
        f"stored{key.removeprefix('artefacts[]')}": value
        for key, value in most.items()
        if key.startswith("artefacts[].")
    }
    found = bounds(TaskResult)
    assert found.keys() == most.keys()
    assert {place: limit for place, limit in found.items() if limit < most[place]} == {}
    assert bounds(ModelStatus)["figures"] == found["figures"]
    assert bounds(ModelStatus)["artefacts"] == found["artefacts"]


def test_the_reference_to_the_longest_result_fits_a_termination_message() -> None:
    stored = Artifact(name=result_name(999), bytes=RESULT_LIMIT, sha256="0" * 64)
    result = TaskResult(outcome="Succeeded", reason=max(Reason, key=len), stored=stored)
    assert len(result.model_dump_json(by_alias=True, exclude_none=True)) < TERMINATION_LIMIT
    artifacts = [
        Artifact(name=f"model/{i:0122d}", bytes=1 << 40, sha256="0" * 64, rows=10**7)
        for i in range(MAX_ARTIFACTS)
    ]
    figures = {f"figure_{i:02d}": 0.123456789 for i in range(MAX_FIGURES)}
    longest = TaskResult(
        outcome="Succeeded", reason="Fitted", artefacts=artifacts, figures=figures, rows=10**7
    )
    assert len(longest.model_dump_json(by_alias=True, exclude_none=True)) < RESULT_LIMIT


def test_parts_sort_by_shard() -> None:
    assert sorted(part_name(i) for i in (10, 2, 999)) == [
        part_name(2),
        part_name(10),
        part_name(999),
    ]


def test_an_estimate_holds_until_the_pod_is_silent() -> None:
    then = utcnow()
    report = ProgressReport(percent=50, eta_seconds=20, step="learning", reported_at=then)
    assert report.seconds_left(then + timedelta(seconds=9)) == 20
    assert report.seconds_left(then + timedelta(seconds=30)) == 50
    assert report.seconds_left(then + timedelta(seconds=100)) == 120


def test_a_strict_fit_runs_on_cpus() -> None:
    check_strict("auto", None, gpu=0)
    check_strict("forest", None, gpu=1)
    for family, gpu in (("auto", 1), ("neural", 0)):
        with pytest.raises(ValueError, match="needs family forest"):
            check_strict(family, None, gpu)
