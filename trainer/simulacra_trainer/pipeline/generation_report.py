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

from simulacra_crds.contract.tasks import GenerateRequest
from simulacra_trainer.conditions import AttainmentDetail
from simulacra_trainer.pipeline.trained_model import TrainedModel
from simulacra_trainer.relations.plan import counted
from simulacra_trainer.report import build_report
from simulacra_trainer.report.privacy import copied_share


def report_generation(
    trained: TrainedModel,
    request: GenerateRequest,
    attainment: AttainmentDetail | None,
    rows: pa.Table,
) -> dict[str, Any]:
    """Return a report like that of a model, with the request under `asked`.

    Args:
        trained: the model that drew the rows.
        request: the request.
        attainment: how well conditions are met, over all rows; None without conditions.
        rows: clean rows of the generation, all or a random part; at least one.
    """
    chosen = request.conditions.columns()
    if not request.counterfactual:
        chosen = [*chosen, *request.interventions]
    report = build_report(
        trained.table,
        None,
        rows,
        trained.schema,
        graph_json=json.loads(trained.graph.to_json()),
        conditions=attainment,
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
    report["asked"] = {
        "rows": request.row_count,
        "seed": request.seed,
        "interventions": dict(request.interventions),
        "counterfactual": request.counterfactual,
        "compared": rows.num_rows,
    }
    return report
