"""Tasks and results fit an environment variable and a termination message."""

import pytest
from pydantic import ValidationError

from simulacra_crds.contract.tasks import (
    TERMINATION_LIMIT,
    KeyedRef,
    TaskResult,
    TaskSpec,
    part_name,
)
from simulacra_crds.kinds.base import Artifact


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


def test_largest_result_fits_a_termination_message() -> None:
    artifacts = [
        Artifact(name=f"model/{i}.safetensors", bytes=1 << 40, sha256="0" * 64, rows=10**7)
        for i in range(16)
    ]
    figures = {f"figure_{i:02d}": 0.123456789 for i in range(32)}
    result = TaskResult(
        outcome="Succeeded", reason="Fitted", artefacts=artifacts, figures=figures, rows=10**7
    )
    assert len(result.model_dump_json(by_alias=True, exclude_none=True)) < TERMINATION_LIMIT


def test_parts_sort_by_shard() -> None:
    assert sorted(part_name(i) for i in (10, 2, 999)) == [
        part_name(2),
        part_name(10),
        part_name(999),
    ]
