"""The quality report of synthetic rows: fidelity, privacy, conditions, causal graph, timings."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from simulacra_intake.arrow_values import sample_rows
from simulacra_intake.rows_of_persons import persons_in
from simulacra_intake.survey_weights import weights_in
from simulacra_schema.questions.fit import DifferentialPrivacy
from simulacra_schema.table import ColumnSchema, TableSchema
from simulacra_trainer.cell_keys import RowNoise, person_keys
from simulacra_trainer.cpus import threads
from simulacra_trainer.report.comparison.associations import associations
from simulacra_trainer.report.comparison.discriminator import two_sample_auc
from simulacra_trainer.report.comparison.fidelity import fidelity
from simulacra_trainer.report.comparison.marginals import marginals
from simulacra_trainer.report.facts import columns_read, guarantee_of, persons_of, weights_of
from simulacra_trainer.report.privacy import privacy

if TYPE_CHECKING:  # the solvers of conditions take 0.25 s to import, and a fit needs none
    from simulacra_trainer.conditions.attainment import AttainmentDetail

REPORT_VERSION = 1
MIN_UNSEEN = 2
MAX_PICTURED = 100_000
"""Real rows behind the pictures, which limits their time to a few seconds in wide tables."""


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
    guarantee: DifferentialPrivacy | None = None,
    leave_out: Collection[str] = (),
    weight: str | None = None,
    name: str | None = None,
) -> dict[str, Any]:
    """Return the report of a synthetic table as JSON values; it holds customer data (names).

    `generation_report` derives the report of a generation from it.

    holdout: real rows that the model did not see. If None (or fewer than 2 rows), fidelity is
    measured against half of the training rows, and there are no privacy figures. synthetic: rows
    drawn from the model; with conditions they differ from the holdout by design. guarantee:
    differential privacy that the model was fit with. leave_out: columns that are not compared,
    because the request set them. weight: column of weights of the real rows, instead of the survey
    weights.
    """
    rng = np.random.default_rng([seed, 23])
    columns = [c for c in schema.learned() if c.name not in leave_out]
    names = [c.name for c in columns]
    column = schema.weight()
    if weight is None and column is not None:
        weight = column.name
    unseen = holdout if holdout is not None and holdout.num_rows >= MIN_UNSEEN else None
    report: dict[str, Any] = {
        "version": REPORT_VERSION,
        "name": name,
        "made": {
            "date": datetime.now(UTC).date().isoformat(),
            "release": version("simulacra"),
            "seed": seed,
        },
        "rows": {
            "train": train.num_rows,
            "holdout": holdout.num_rows if holdout is not None else 0,
            "synthetic": synthetic.num_rows,
        },
        "columns": len(schema.learned()),
        "read": columns_read(schema),
        "weights": weights_of(train, schema),
        "persons": persons_of(schema),
        "differential_privacy": guarantee_of(guarantee),
        "fidelity": None,
        "privacy": None,
        "marginals": [],
        "associations": None,
        "conditions": conditions.model_dump(mode="json") if conditions is not None else None,
        "graph": dict(graph_json) if graph_json is not None else None,
        "cleaning": [note.model_dump() for note in schema.cleaning],
        "timings": {step: float(seconds) for step, seconds in (timings or {}).items()},
    }
    if synthetic.num_rows == 0 or train.num_rows < MIN_UNSEEN or not names:
        return report
    if guarantee is None:  # else pictures would tell of the table beyond the guarantee
        real = train if holdout is None else pa.concat_tables([train, holdout]).combine_chunks()
        chance = np.random.default_rng([seed, 31])
        report |= _pictured(real, synthetic, schema, columns, chance, weight)
    if unseen is None:
        noise = RowNoise.of(person_keys(train, schema), persons_in(train, schema))
        return report | {"fidelity": _against_halves(train, synthetic, names, noise, weight)}
    return report | _against_unseen(train, unseen, synthetic, names, rng, weight)


def _pictured(
    real: pa.Table,
    synthetic: pa.Table,
    schema: TableSchema,
    columns: list[ColumnSchema],
    rng: np.random.Generator,
    weight: str | None,
) -> dict[str, Any]:
    """Return the fields `marginals` and `associations`, of up to MAX_PICTURED real rows."""
    real = sample_rows(real, MAX_PICTURED, rng)
    persons, weights = persons_in(real, schema), weights_in(real, weight)
    names = [column.name for column in columns]
    return {
        "marginals": marginals(
            real,
            synthetic,
            columns,
            persons=persons,
            weights=weights,
            keys=person_keys(real, schema),
        ),
        "associations": associations(real, synthetic, names, rng, weight),
    }


def _against_halves(
    train: pa.Table, synthetic: pa.Table, names: list[str], noise: RowNoise, weight: str | None
) -> dict[str, Any]:
    """Return the fidelity against one half of the training rows, with the other as floor.

    A request may have chosen the rows, so their key decides the halves and a noise of one person:
    asking again with another seed tells no more.
    """
    rng = np.random.default_rng(noise.key)
    order = rng.permutation(train.num_rows)
    half = train.num_rows // 2
    against, seen = train.take(pa.array(order[:half])), train.take(pa.array(order[half:]))
    found = fidelity(against, seen, synthetic, names, rng, weight, noise)
    return {"against": "half of the training rows", **found}


def _against_unseen(
    train: pa.Table,
    unseen: pa.Table,
    synthetic: pa.Table,
    names: list[str],
    rng: np.random.Generator,
    weight: str | None,
) -> dict[str, Any]:
    """Return the fields `fidelity` and `privacy`, measured against unseen rows."""
    streams = rng.spawn(3)
    with ThreadPoolExecutor(threads()) as pool:
        auc = pool.submit(two_sample_auc, unseen, synthetic, names, streams[0], weight)
        private = pool.submit(privacy, train, unseen, synthetic, names, streams[1], weight)
        found = fidelity(unseen, train, synthetic, names, streams[2], weight)
        found = {"against": "holdout", **found, "c2st_auc": auc.result()}
        return {"fidelity": found, "privacy": private.result()}


def figures(report: Mapping[str, Any]) -> dict[str, float]:
    """Return the report's figures without names, for a status."""
    found: dict[str, float] = {}
    if report["persons"] is not None:
        found["persons"] = float(report["persons"]["persons"])
    if report["weights"] is not None:
        weights = report["weights"]
        found["effective_rows_share"] = weights["effective_rows"] / weights["rows"]
    if report["fidelity"] is not None:
        for kind in ("univariate", "bivariate"):
            for key in ("error", "floor"):
                found[f"{kind}_{key}_percent"] = report["fidelity"][kind][key]
        if report["fidelity"].get("c2st_auc") is not None:
            found["c2st_auc"] = report["fidelity"]["c2st_auc"]
    if report["privacy"] is not None:
        keys = ("dcr_share", "dcr_standard_error", "exact_copies", "exact_base")
        found |= {key: report["privacy"][key] for key in keys}
        attacks = report["privacy"].get("attacks")
        if attacks is not None:
            found["attacks_pass"] = float(attacks["passes"])
            found["attacks_measured"] = float(attacks.get("strong", {}) is not None)
        if report["privacy"].get("level") == "strict":
            found["strict"] = 1.0
        found["nearest_median"] = report["privacy"]["nearest"]["synthetic"]["median"]
        found["nearest_median_base"] = report["privacy"]["nearest"]["holdout"]["median"]
    if report["conditions"] is not None:
        found["conditions_asked"] = float(len(report["conditions"]["conditions"]))
        found["conditions_met"] = float(sum(c["met"] for c in report["conditions"]["conditions"]))
    return {key: round(value, 4) for key, value in found.items()}
