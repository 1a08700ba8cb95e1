"""SegmentEstimates: what the pod is asked, and what of its answer reaches the status."""

from __future__ import annotations

from operator_facts import SECRET, observed, resource
from simulacra_crds.kinds.segment_estimate import SegmentEstimate
from simulacra_crds.tasks import BoostRequest, TaskResult
from simulacra_operator.kinds.segment_estimate import KIND
from simulacra_schema.questions.segments import SegmentSummary


def test_pod_is_asked_for_the_segment_and_the_questions() -> None:
    request = KIND.request(observed(resource("SegmentEstimate", "seg-1")))
    assert isinstance(request, BoostRequest)
    assert (request.segment[0].column, request.segment[0].levels) == (SECRET, [SECRET])
    assert request.questions == [SECRET]


def test_status_gets_the_number_of_verdicts_without_names() -> None:
    summary = SegmentSummary(intervals=3, boosted=1, slightly=0, no_better=2, worth=76.5)
    result = TaskResult(outcome="Succeeded", reason="Estimated", segments=summary)
    _, status = KIND.done([result])
    body = resource("SegmentEstimate", "seg-1", None, {"segments": status["segments"].to_wire()})
    assert SegmentEstimate.model_validate(body).status.segments == summary
    columns = {column.name: column.json_path for column in SegmentEstimate.PRINTER_COLUMNS}
    assert columns["Boosted"] == ".status.segments.boosted"
