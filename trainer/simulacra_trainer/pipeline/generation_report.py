"""The report of a generation: its request, its attainment, and its rows compared with real ones.

The model has seen every real row, so there is no holdout: distances are measured to one half of the
real rows, beside those of the other half, which show the sampling error. Real rows are reweighted
to the conditions first. Copies, nearness to seen rows and the base rates come from the half-model
of the fit: copies among the rows themselves would tell, under conditions that name one person's
answers, whether the person is in the table. Columns with a condition or an intervention are not
compared, because they differ on purpose.
"""

import json
from typing import Any

import pyarrow as pa

from simulacra_crds.tasks import GenerateRequest
from simulacra_intake.rows_of_persons import persons_in
from simulacra_intake.survey_weights import row_weights
from simulacra_schema.conditions import ConditionSet
from simulacra_schema.next_wave import of_known_waves
from simulacra_schema.questions.fit import DifferentialPrivacy
from simulacra_schema.several_answers import expand_conditions
from simulacra_schema.verdict_parts import Verdict
from simulacra_schema.verdicts import verdicts_of_rows
from simulacra_schema.worth import NOT_ASKED, stated_worth
from simulacra_trainer.cell_keys import person_keys
from simulacra_trainer.pipeline.generate import Plan
from simulacra_trainer.pipeline.linked_rows import LinkedPlan
from simulacra_trainer.relations.plan import counted
from simulacra_trainer.report import build_report
from simulacra_trainer.report.comparison.slices import slice_worth
from simulacra_trainer.report.left_out import left_out
from simulacra_trainer.report.reweighting import quotas_as_columns, reweighted
from simulacra_trainer.report.worth import rows_worth
from simulacra_trainer.trained_model import TrainedModel

WEIGHT = "real_weight"
"""Column of the weights of real rows, with underscores added to avoid a clash."""


def report_generation(
    trained: TrainedModel, request: GenerateRequest, plan: Plan, rows: pa.Table
) -> dict[str, Any]:
    """Return a report like that of a model, with the request under `asked`.

    rows: clean rows of the generation, all or a random part; at least one.
    """
    known, _ = of_known_waves(request.conditions, trained.schema)
    conditions = expand_conditions(known, trained.schema)
    chosen = conditions.columns()
    if not request.counterfactual:
        chosen = [*chosen, *request.interventions]
    real, weight = _comparable(trained, rows, conditions)
    said = trained.report.get("differential_privacy")
    guarantee = None
    if said is not None:
        guarantee = DifferentialPrivacy(epsilon=said["epsilon"], delta=said["delta"])
    report = build_report(
        real,
        None,
        rows,
        trained.schema,
        graph_json=json.loads(trained.graph.to_json()),
        conditions=plan.attainment,
        seed=request.seed,
        guarantee=guarantee,
        leave_out=set(chosen),
        weight=weight,
        name=trained.report.get("name"),
    )
    report["rows"]["train"] = trained.table.num_rows
    report["made"]["family"] = trained.family
    report["weights"] = trained.report.get("weights")
    names = [column.name for column in trained.schema.learned()]
    part = "privacy" if request.persons is None else "linked"
    report["privacy"] = {
        "exact_copies": (trained.report.get(part) or {}).get("exact_copies"),
        "of_model": trained.report.get("privacy") if request.persons is None else None,
    }
    report["linked"] = trained.report.get("linked") if request.persons is not None else None
    report["left_out"] = left_out(
        trained.table, rows, trained.schema, report["read"], report["marginals"]
    )
    report["relations"] = counted(rows, trained.schema, request.interventions)
    report["differential_privacy"] = said
    found = plan.identification
    report["identification"] = None if found is None else found.model_dump(mode="json")
    report["design"] = trained.report.get("design")
    report["worth"] = _worth(trained, plan, rows, names, report["marginals"])
    report["verdicts"] = [one.model_dump() for one in verdicts_on(trained, plan)]
    report["asked"] = {
        "rows": plan.rows,
        "persons": request.persons,
        "seed": request.seed,
        "interventions": dict(request.interventions),
        "counterfactual": request.counterfactual,
        "compared": rows.num_rows,
        "reweighted": None if weight is None else real.num_rows > 0,
    }
    return report


def verdicts_on(trained: TrainedModel, plan: Plan) -> list[Verdict]:
    """Return likeness and privacy of the model's rows, and the worth of the planned ones."""
    worth = stated_worth(None, None, plan.rows, reason=NOT_ASKED)
    if plan.evidence is not None:
        worth = plan.evidence.as_worth()
    found = plan.identification
    of_do = None if found is None or found.verdict is None else found.verdict.kind
    is_linked = isinstance(plan, LinkedPlan)
    return verdicts_of_rows(trained.figures, worth, linked=is_linked, of_do=of_do)


def _comparable(
    trained: TrainedModel, rows: pa.Table, conditions: ConditionSet
) -> tuple[pa.Table, str | None]:
    """Return the real rows to compare with, and the column of their weights if conditions ask so.

    No rows where the conditions leave too few.
    """
    if not conditions.columns():
        return trained.table, None
    weight = WEIGHT
    while weight in trained.table.column_names:
        weight += "_"
    weights = row_weights(trained.table, trained.schema)
    persons = persons_in(trained.table, trained.schema)
    keys = person_keys(trained.table, trained.schema)
    real, drawn, asked = quotas_as_columns(trained.table, rows, conditions, persons)
    found = reweighted(real, drawn, asked, weights, persons, keys)
    if found is None:
        return trained.table.slice(0, 0), weight
    kept = found[0].select(trained.table.column_names)
    return kept.append_column(weight, pa.array(found[1])), weight


def _worth(
    trained: TrainedModel,
    plan: Plan,
    rows: pa.Table,
    names: list[str],
    columns: list[dict[str, Any]],
) -> dict[str, Any] | None:
    """Return what the rows are worth, with the dependences that the model kept; None without."""
    evidence = plan.evidence
    if evidence is None:
        return None
    sentence = {"sentence": evidence.sentence, "reason": evidence.reason}
    part = "linked" if isinstance(plan, LinkedPlan) else "worth"
    measured = trained.report.get(part) or {}
    found = {"pairs": measured.get("pairs", []), "kept": measured.get("kept", {})}
    found |= {"ratio": evidence.ratio, "for_inference": evidence.for_inference}
    if evidence.worth is None or evidence.ratio is None:
        return {"worth": None, **sentence, **found}
    design = trained.report.get("design")
    found["classes"] = [one.model_dump() for one in evidence.classes]
    found["basis"] = evidence.basis
    # Respondents behind do() are of the treated, whose answers are not those of all.
    shown = [] if evidence.basis == "do" else columns
    found["slices"] = slice_worth(
        evidence.worth,
        shown,
        trained.table,
        trained.schema,
        rows=evidence.rows,
        ratio=evidence.ratio,
    )
    return {**sentence, **found, **rows_worth(evidence.worth, evidence.rows, rows, names, design)}
