"""The report of a generation: its request, its attainment, and its rows compared with real ones.

The model has seen every real row, so there is no holdout: distances are measured to one half of the
real rows, beside those of the other half, which show the sampling error. Copies are counted in
these rows; nearness to seen rows and the base rates come from the half-model of the fit. Columns
with a condition or an intervention are not compared, because they differ on purpose.
"""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa

from simulacra_crds.contract.several_answers import expand_conditions
from simulacra_crds.contract.tasks import GenerateRequest
from simulacra_crds.contract.verdicts import Verdict, worth_verdict
from simulacra_trainer.pipeline.generate import Plan
from simulacra_trainer.pipeline.trained_model import TrainedModel
from simulacra_trainer.relations.plan import counted
from simulacra_trainer.report import build_report
from simulacra_trainer.report.privacy import copied_share
from simulacra_trainer.report.worth import rows_worth


def report_generation(
    trained: TrainedModel,
    request: GenerateRequest,
    plan: Plan,
    rows: pa.Table,
) -> dict[str, Any]:
    """Return a report like that of a model, with the request under `asked`.

    Args:
        trained: the model that drew the rows.
        request: the request.
        plan: its attainment and evidence, over all rows.
        rows: clean rows of the generation, all or a random part; at least one.
    """
    chosen = expand_conditions(request.conditions, trained.schema).columns()
    if not request.counterfactual:
        chosen = [*chosen, *request.interventions]
    report = build_report(
        trained.table,
        None,
        rows,
        trained.schema,
        graph_json=json.loads(trained.graph.to_json()),
        conditions=plan.attainment,
        seed=request.seed,
        leave_out=set(chosen),
    )
    names = [column.name for column in trained.schema.learned()]
    report["privacy"] = {
        "exact_copies": copied_share(trained.table, rows, names),
        "of_model": trained.report.get("privacy"),
    }
    report["relations"] = counted(rows, trained.schema)
    report["differential_privacy"] = trained.report.get("differential_privacy")
    report["worth"] = _worth(trained, plan, rows, names)
    report["verdicts"] = [*_of_model(trained), _worth_verdict(plan, plan.rows).model_dump()]
    report["asked"] = {
        "rows": plan.rows,
        "persons": request.persons,
        "seed": request.seed,
        "interventions": dict(request.interventions),
        "counterfactual": request.counterfactual,
        "compared": rows.num_rows,
    }
    return report


def _of_model(trained: TrainedModel) -> list[dict[str, Any]]:
    """Return the verdicts on the model's rows; conditions and do() change them by design."""
    found = trained.report.get("verdicts", ())
    return [one for one in found if one["code"] in ("likeness", "privacy")]


def _worth_verdict(plan: Plan, rows: int) -> Verdict:
    evidence = plan.evidence
    if evidence is None:
        return worth_verdict(None, rows, None)
    return worth_verdict(evidence.worth, evidence.rows, evidence.ratio)


def _worth(
    trained: TrainedModel, plan: Plan, rows: pa.Table, names: list[str]
) -> dict[str, Any] | None:
    """Return what the rows are worth, with the dependences that the model kept; None without."""
    evidence = plan.evidence
    if evidence is None:
        return None
    sentence = {"sentence": evidence.sentence, "reason": evidence.reason}
    if evidence.worth is None:
        return {"worth": None, **sentence}
    measured = trained.report["worth"]
    found = {key: measured[key] for key in ("ratio", "for_inference", "pairs", "kept")}
    classes = [one.model_dump() for one in evidence.classes]
    of_rows = rows_worth(evidence.worth, evidence.rows, rows, names)
    return {**sentence, **found, "basis": evidence.basis, "classes": classes, **of_rows}
