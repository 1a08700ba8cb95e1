"""The quality report of synthetic rows: fidelity, privacy, conditions, causal graph, timings."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from simulacra_crds.contract.schema import TableSchema
from simulacra_crds.kinds.model import DifferentialPrivacy
from simulacra_trainer.cpus import threads
from simulacra_trainer.report.discriminator import two_sample_auc
from simulacra_trainer.report.fidelity import fidelity
from simulacra_trainer.report.privacy import privacy
from simulacra_trainer.survey_weights import effective_rows, row_weights

if TYPE_CHECKING:  # a fit has no conditions, and their solvers take a quarter of a second to import
    from simulacra_trainer.conditions.attainment import AttainmentDetail

REPORT_VERSION = 1
MIN_UNSEEN = 2


def build_report(
    train: pa.Table,
    holdout: pa.Table | None,
    synthetic: pa.Table,
    schema: TableSchema,
    *,
    graph_json: Mapping[str, Any] | None = None,
    conditions: AttainmentDetail | None = None,
    timings: Mapping[str, float] | None = None,
    seed: int = 0,
    privacy_asked: DifferentialPrivacy | None = None,
    leave_out: Collection[str] = (),
) -> dict[str, Any]:
    """Judge a synthetic table with the clean tables alone; the result is JSON and holds customer
    data (names).

    `generation_report` makes that of a generation from it.

    Args:
        train: the rows that the model saw.
        holdout: real rows that it did not see. None (or fewer than 2 rows): fidelity is measured
            between halves of the training rows, and there are no privacy figures, because nothing
            unseen is there to compare with.
        synthetic: rows that the model drew; under conditions they differ from the holdout on
            purpose.
        schema: its learned columns are compared.
        graph_json: the causal graph, shown as it is (key `edges`).
        conditions: what was asked and attained.
        timings: seconds of each step.
        seed: decides the subsamples.
        privacy_asked: the guarantee that the model was fit with.
        leave_out: columns that are not compared, because they were set.
    """
    rng = np.random.default_rng([seed, 23])
    names = [c.name for c in schema.learned() if c.name not in leave_out]
    column = schema.weight()
    weight = column.name if column is not None else None
    unseen = holdout if holdout is not None and holdout.num_rows >= MIN_UNSEEN else None
    report: dict[str, Any] = {
        "version": REPORT_VERSION,
        "rows": {
            "train": train.num_rows,
            "holdout": holdout.num_rows if holdout is not None else 0,
            "synthetic": synthetic.num_rows,
        },
        "columns": len(schema.learned()),
        "weights": _weights(train, schema),
        "differential_privacy": _guarantee(privacy_asked),
        "fidelity": None,
        "privacy": None,
        "conditions": conditions.model_dump(mode="json") if conditions is not None else None,
        "graph": dict(graph_json) if graph_json is not None else None,
        "cleaning": [note.model_dump() for note in schema.cleaning],
        "timings": {step: float(seconds) for step, seconds in (timings or {}).items()},
    }
    if synthetic.num_rows == 0 or train.num_rows < MIN_UNSEEN or not names:
        return report
    if unseen is None:
        return report | {"fidelity": _against_halves(train, synthetic, names, rng, weight)}
    return report | _against_unseen(train, unseen, synthetic, names, rng, weight)


def _against_halves(
    train: pa.Table,
    synthetic: pa.Table,
    names: list[str],
    rng: np.random.Generator,
    weight: str | None,
) -> dict[str, Any]:
    """Return the fidelity beside what two halves of the training rows differ by."""
    order = rng.permutation(train.num_rows)
    half = train.num_rows // 2
    against, seen = train.take(pa.array(order[:half])), train.take(pa.array(order[half:]))
    return {
        "against": "half of the training rows",
        **fidelity(against, seen, synthetic, names, rng, weight),
    }


def _against_unseen(
    train: pa.Table,
    unseen: pa.Table,
    synthetic: pa.Table,
    names: list[str],
    rng: np.random.Generator,
    weight: str | None,
) -> dict[str, Any]:
    """Return the report's parts `fidelity` and `privacy`, by rows that the model did not see."""
    streams = rng.spawn(3)
    with ThreadPoolExecutor(threads()) as pool:
        told_apart = pool.submit(two_sample_auc, unseen, synthetic, names, streams[0], weight)
        private = pool.submit(privacy, train, unseen, synthetic, names, streams[1], weight)
        found = {
            "against": "holdout",
            **fidelity(unseen, train, synthetic, names, streams[2], weight),
        }
        found["c2st_auc"] = told_apart.result()
        return {"fidelity": found, "privacy": private.result()}


def _guarantee(asked: DifferentialPrivacy | None) -> dict[str, Any] | None:
    if asked is None:
        return None
    return {
        "epsilon": asked.epsilon,
        "delta": asked.delta,
        "neighbours": "tables of as many rows that differ in one row",
        "covers": "the model, and with it generated rows, graph and effects",
        "not_covered": (
            "the schema (names, levels, ranges, decimals), the number of rows, and the measured"
            " figures of this report, which compare with real rows"
        ),
    }


def _weights(train: pa.Table, schema: TableSchema) -> dict[str, float] | None:
    """Return what the survey weights leave of the rows, and the largest weight (1: the mean)."""
    weights = row_weights(train, schema)
    if weights is None:
        return None
    return {
        "rows": float(weights.size),
        "effective_rows": effective_rows(weights),
        "largest": float(weights.max()),
    }


def figures(report: Mapping[str, Any]) -> dict[str, float]:
    """Return the report's figures without any name, for a status."""
    found: dict[str, float] = {}
    if report["weights"] is not None:
        found["effective_rows_share"] = (
            report["weights"]["effective_rows"] / report["weights"]["rows"]
        )
    if report["fidelity"] is not None:
        for kind in ("univariate", "bivariate"):
            for key in ("error", "floor"):
                found[f"{kind}_{key}_percent"] = report["fidelity"][kind][key]
        if report["fidelity"].get("c2st_auc") is not None:
            found["c2st_auc"] = report["fidelity"]["c2st_auc"]
    if report["privacy"] is not None:
        keys = ("dcr_share", "dcr_standard_error", "exact_copies", "exact_base")
        found |= {key: report["privacy"][key] for key in keys}
        found["nearest_median"] = report["privacy"]["nearest"]["synthetic"]["median"]
        found["nearest_median_base"] = report["privacy"]["nearest"]["holdout"]["median"]
    if report["conditions"] is not None:
        found["conditions_asked"] = float(len(report["conditions"]["conditions"]))
        found["conditions_met"] = float(sum(c["met"] for c in report["conditions"]["conditions"]))
    return {key: round(value, 4) for key, value in found.items()}
