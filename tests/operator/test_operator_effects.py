"""EffectEstimates: what the pod is asked, and what of its answer reaches the status."""

from __future__ import annotations

from operator_facts import CREATED, SECRET, observed, resource
from simulacra_crds.kinds.effect_estimate import EffectEstimate
from simulacra_crds.tasks import EstimateRequest, TaskResult
from simulacra_operator.kinds.effect_estimate import KIND
from simulacra_schema.questions.effect import Estimate


def test_pod_is_asked_with_the_statements_their_author_and_time() -> None:
    seen = observed(resource("EffectEstimate", "eff-1"))
    request = KIND.request(seen)
    assert isinstance(request, EstimateRequest)
    assert request.before == request.after == request.dont_know == [SECRET]
    assert request.negative_controls == [SECRET]
    assert (request.author, request.stated_at) == (SECRET, CREATED)
    assert request.population == "all"
    assert (request.instrument, request.parallel_trends) == (SECRET, {SECRET: SECRET})


def test_status_gets_the_kind_of_the_verdict_and_figures_without_names() -> None:
    estimate = Estimate(
        effect=1,
        low=0,
        high=2,
        rows=9,
        support=1,
        identified=False,
        verdict="open",
        precision="not significant",
        effective_rows=4.5,
        robustness=0.2,
    )
    result = TaskResult(outcome="Succeeded", reason="Estimated", estimate=estimate)
    _, status = KIND.done([result])
    body = resource("EffectEstimate", "eff-1", None, {"estimate": status["estimate"].to_wire()})
    shown = EffectEstimate.model_validate(body)
    assert shown.status.estimate == estimate
    columns = {column.name: column.json_path for column in EffectEstimate.PRINTER_COLUMNS}
    assert columns["Verdict"] == ".status.estimate.verdict"
