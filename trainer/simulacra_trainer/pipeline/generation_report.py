"""The report of one generation: what was asked and attained, and how its rows compare with the real
ones.

The model has seen every real row, so none is left to hold out: distances are taken from one half of
the real rows, beside those of the other half, which are what sampling alone costs. Copies are
counted among these very rows; how near rows lie to what the model has seen, and the base rates,
were measured at the fit, on a model of half the rows. Columns that were asked for are not compared:
their distance from the real ones is what was wanted.
"""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa

from simulacra_crds.contract.tasks import GenerateRequest
from simulacra_trainer.conditions import AttainmentDetail
from simulacra_trainer.pipeline.fit import TrainedModel
from simulacra_trainer.report import build_report
from simulacra_trainer.report.privacy import copied_share


def report_generation(
    trained: TrainedModel,
    request: GenerateRequest,
    attainment: AttainmentDetail | None,
    rows: pa.Table,
) -> dict[str, Any]:
    """Return the report, in the form of a model's with `asked` besides.

    Args:
        trained: the model that drew the rows.
        request: what was asked for.
        attainment: how well conditions are met, over all rows; None without conditions.
        rows: clean rows of the generation, a random part of it or all; at least one.
    """
    report = build_report(
        trained.table,
        None,
        rows,
        trained.schema,
        graph_json=json.loads(trained.graph.to_json()),
        conditions=attainment,
        seed=request.seed,
        leave_out={
            *request.conditions.columns(),
            *(() if request.counterfactual else request.interventions),
        },
    )
    names = [column.name for column in trained.schema.learned()]
    report["privacy"] = {
        "exact_copies": copied_share(trained.table, rows, names),
        "of_model": trained.report.get("privacy"),
    }
    report["differential_privacy"] = trained.report.get("differential_privacy")
    report["asked"] = {
        "rows": request.row_count,
        "seed": request.seed,
        "interventions": dict(request.interventions),
        "counterfactual": request.counterfactual,
        "compared": rows.num_rows,
    }
    return report
