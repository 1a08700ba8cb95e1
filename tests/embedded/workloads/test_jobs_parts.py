"""The small parts: index sets, failure policy, pod names and templates."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulacra_embedded.jobs import indexes, pods
from simulacra_embedded.jobs.policy import judge
from simulacra_embedded.jobs.template import pod_for, pod_name


@given(st.sets(st.integers(0, 60)))
def test_indexes_come_back(found: set[int]) -> None:
    assert indexes.parse(indexes.render(found)) == found


@pytest.mark.parametrize(
    ("found", "text"), [(set(), ""), ({3}, "3"), ({0, 1}, "0,1"), ({0, 1, 2, 5}, "0-2,5"), ({1, 3, 4, 5, 7}, "1,3-5,7")]
)
def test_indexes_as_kubernetes_writes_them(found: set[int], text: str) -> None:
    assert indexes.render(found) == text


def failed(code: int, name: str = "main", **conditions: str) -> dict[str, Any]:
    return {
        "metadata": {"name": "p", "namespace": "n"},
        "status": {
            "containerStatuses": [{"name": name, "state": {"terminated": {"exitCode": code}}}],
            "conditions": [{"type": kind, "status": value} for kind, value in conditions.items()],
        },
    }


def codes(operator: str, *values: int, action: str = "FailJob", name: str | None = None) -> dict[str, Any]:
    requirement: dict[str, Any] = {"operator": operator, "values": list(values)}
    return {"action": action, "onExitCodes": requirement | ({"containerName": name} if name else {})}


DISRUPTED = {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}


@pytest.mark.parametrize(
    ("pod", "rules", "action"),
    [
        (failed(42), [codes("In", 42)], "FailJob"),
        (failed(1), [codes("In", 42)], "Count"),
        (failed(1), [codes("NotIn", 42)], "FailJob"),
        (failed(42), [codes("NotIn", 42)], "Count"),
        (failed(42), [codes("In", 42, name="other")], "Count"),
        (failed(42), [codes("In", 42, name="main")], "FailJob"),
        (failed(0), [codes("NotIn", 42)], "Count"),  # exit 0 matches nothing
        (failed(137, DisruptionTarget="True"), [codes("In", 42), DISRUPTED], "Ignore"),
        (failed(137, DisruptionTarget="False"), [DISRUPTED], "Count"),
        (failed(42, DisruptionTarget="True"), [DISRUPTED, codes("In", 42)], "Ignore"),  # the first that matches
        (failed(1), [], "Count"),
    ],
)
def test_failure_policy(pod: dict[str, Any], rules: list[dict[str, Any]], action: str) -> None:
    assert judge(pod, rules).action == action


def job(name: str = "work", uid: str = "u") -> dict[str, Any]:
    spec = {"containers": [{"name": "main", "env": [{"name": "A", "value": "1"}]}]}
    return {
        "metadata": {"name": name, "namespace": "n", "uid": uid},
        "spec": {"template": {"metadata": {"labels": {"mine": "x"}}, "spec": spec}},
    }


def test_names_are_computed_and_fit() -> None:
    assert pod_name(job(), 0, 0) == pod_name(job(), 0, 0)
    different = {pod_name(job(uid=uid), index, attempt) for uid in "ab" for index in (0, 1) for attempt in (0, 1)}
    assert len(different) == 8
    assert len(pod_name(job("x" * 63), 12345, 3)) <= 63
    assert pod_name(job(), None, 1).startswith("work-")


def test_pod_belongs_to_its_job_and_knows_its_index() -> None:
    source = job()
    pod = pod_for(source, 3, 1)
    (owner,) = pod["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["uid"], owner["controller"]) == ("Job", "u", True)
    assert pod["metadata"]["labels"]["mine"] == "x"
    assert pods.index_of(pod) == 3
    assert pods.attempt_of(pod) == 1
    names = [entry["name"] for entry in pod["spec"]["containers"][0]["env"]]
    assert names == ["A", "JOB_COMPLETION_INDEX"]
    assert len(source["spec"]["template"]["spec"]["containers"][0]["env"]) == 1  # the Job itself is left alone
