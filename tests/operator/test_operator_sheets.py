"""AnswerSheets: what the pod is asked, and what of its answer reaches the status."""

from __future__ import annotations

from effect_results import sheet_result
from operator_facts import SECRET, observed, resource
from simulacra_crds.kinds.answer_sheet import AnswerSheet
from simulacra_crds.tasks import SheetRequest, TaskResult
from simulacra_operator.runtime.planner import KINDS
from simulacra_schema.questions.sheet import SheetSummary


def test_pod_is_asked_for_levers_and_statements() -> None:
    request = KINDS["AnswerSheet"].request(observed(resource("AnswerSheet", "sht-1")))
    assert isinstance(request, SheetRequest)
    lever = request.levers[0]
    assert lever.value is not None
    assert (lever.column, lever.value.value) == (SECRET, SECRET)
    assert (request.before, request.author, request.population) == ([SECRET], SECRET, "all")
    assert request.stated_at is not None


def test_job_has_more_time_and_cpu_than_that_of_one_question() -> None:
    key = {"wrappedKey": "vault:v1:abc"}
    works = [
        kind.work(observed(resource(name, "r-1", None, key)))
        for kind, name in ((KINDS[name], name) for name in ("AnswerSheet", "EffectEstimate"))
    ]
    assert [work.size.deadline_s for work in works] == [14_400, 3_600]
    assert [work.size.cpu for work in works] == ["1", "500m"]


def test_status_gets_the_number_of_verdicts_without_names() -> None:
    summary = sheet_result().summary
    result = TaskResult(outcome="Succeeded", reason="Estimated", sheet=summary)
    _, status = KINDS["AnswerSheet"].done([result])
    body = resource("AnswerSheet", "sht-1", None, {"sheet": status["sheet"].to_wire()})
    assert AnswerSheet.model_validate(body).status.sheet == summary
    assert {type(value) for value in body["status"]["sheet"].values()} == {int}
    assert {field.annotation for field in SheetSummary.model_fields.values()} == {int}
    columns = {column.name: column.json_path for column in AnswerSheet.PRINTER_COLUMNS}
    assert columns["Ranked"] == ".status.sheet.ranked"
