"""What the rows of one generation are worth, and the column that says so to other software.

The weight is one number for all rows: weights that differ by row would undo conditions
(docs/explanation/methods-worth.md).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from pydantic import Field

from simulacra_crds.tasks import GenerateRequest
from simulacra_intake.rows_of_persons import Ints
from simulacra_schema.base import KubeModel
from simulacra_schema.formats.csv_dialect import number_field
from simulacra_schema.formats.file_labels import Declared
from simulacra_schema.table import TableSchema
from simulacra_schema.worth import (
    EVIDENCE_WEIGHT,
    LINKED,
    PRIVATE,
    UNMEASURED,
    Worth,
    stated_worth,
    why_unmeasured,
    worth_of,
)
from simulacra_trainer.conditions import AttainmentDetail
from simulacra_trainer.effects.overlap.support import Support
from simulacra_trainer.effects.words import sentence
from simulacra_trainer.evidence import (
    Basis,
    basis_of,
    respondents,
    rows_a_respondent,
    two_digits,
)
from simulacra_trainer.pipeline.identification import FROM_MODEL
from simulacra_trainer.segments.answers import certified_worth
from simulacra_trainer.trained_model import TrainedModel

if TYPE_CHECKING:
    from simulacra_trainer.pipeline.row_plan import GenerationPlan

RAISED = 1.5
"""A class whose share a condition raised by more than this factor claims too many respondents."""
MAX_CLASSES = 200
SELECTED = "Conditions and interventions together were not measured."
UNBACKED = "No respondents meet the conditions, so rows come from the model."


class ClassWorth(KubeModel):
    """One class of a conditioned column: what its rows claim and what is there.

    Attributes:
        share: of the generated rows, 0..1.
        claimed: sum of the weights of its rows.
        worth: respondents of the class inside the ranges, as many as the model expects, less the
            noise of its rows.
        raised: whether its share is more than 1.5 times that of the learned distribution.
    """

    column: str
    level: str
    share: float
    claimed: float
    worth: float
    raised: bool


class Evidence(KubeModel):
    """Artifact: what the rows of a generation are worth. It names columns and levels.

    Attributes:
        column: name of the weight in the table.
        rows: of the table; of pairs, the rows of one world.
        worth: respondents that the rows are worth, the sum of the weights of these rows; None if
            it was not measured.
        weight: of each row.
        ratio: share of the respondents that the model kept of dependences, as measured at the fit.
        design_effect: rows / worth.
        basis: where the number of respondents comes from.
        reason: why there is no worth.
        for_inference: whether the model kept enough of the dependences.
        classes: of conditioned columns; none where the conditions are certified shares.
        sentence: what to tell whoever gets the rows.
    """

    column: str
    rows: int
    worth: float | None = None
    weight: float | None = None
    ratio: float | None = None
    design_effect: float | None = None
    basis: Basis
    reason: str | None = None
    for_inference: bool | None = None
    classes: list[ClassWorth] = Field(default_factory=list)
    sentence: str

    def as_worth(self) -> Worth:
        """Return the worth that it was made from."""
        return Worth(self.rows, self.worth, self.ratio, self.reason, self.sentence)


def weigh(
    trained: TrainedModel,
    request: GenerateRequest,
    plan: GenerationPlan | None,
    support: Support | None,
    nowcast: float | None = None,
) -> Evidence | None:
    """Return what the rows of a request are worth; None if it asks for no weights.

    Every shard of a generation computes the same.

    plan: of the rows; None of linked rows. support: who stands behind do(); None without it.
    nowcast: respondents that rows of the next wave are worth; None of other rows.
    """
    if not request.evidence:
        return None
    in_pairs = request.counterfactual
    rows = request.row_count // 2 if in_pairs else request.row_count
    ratio = trained.figures.get("kept_ratio")
    attainment = None if plan is None else plan.attainment
    worth: float | None = None
    basis: Basis = "not measured"
    classes: list[ClassWorth] = []
    reason = _why_not(trained, request, support)
    if reason is None and ratio is not None:
        behind, of_request, reason = _respondents(trained, request, attainment, support, nowcast)
        if behind:
            draws = float(rows)
            if attainment is not None:
                draws = min(draws, max(attainment.effective_sample_size, 1.0))
            worth, basis = worth_of(behind, draws, ratio), of_request
            # Certified shares are known better than by the respondents of their classes.
            if plan is not None and basis not in ("segment", "nowcast"):
                everyone = respondents(trained.table, trained.schema)
                classes = [*_classes(plan, request.conditions.categorical, everyone, worth, ratio)]
    column = _free_name(trained.schema)
    of = stated_worth(worth, ratio, rows, reason=reason, column=column, in_pairs=in_pairs)
    return Evidence(
        column=column,
        rows=rows,
        worth=of.worth,
        weight=of.weight,
        ratio=of.ratio,
        design_effect=None if of.worth is None else rows / of.worth,
        basis=basis,
        reason=of.reason,
        for_inference=of.for_inference,
        classes=classes,
        sentence=of.sentence,
    )


def _why_not(
    trained: TrainedModel, request: GenerateRequest, support: Support | None
) -> str | None:
    """Return why rows of this model, or rows like these, have no worth; None if they may have."""
    if request.persons is not None:
        return LINKED
    if trained.report.get("differential_privacy") is not None:
        return PRIVATE
    if trained.report.get("worth") is None:
        return UNMEASURED
    if support is not None and support.missing is not None:
        return f"{sentence(support.missing)} {FROM_MODEL}"
    return why_unmeasured(trained.figures) if "kept_ratio" not in trained.figures else None


def _respondents(
    trained: TrainedModel,
    request: GenerateRequest,
    attainment: AttainmentDetail | None,
    support: Support | None,
    nowcast: float | None,
) -> tuple[float | None, Basis, str]:
    """Return the respondents behind a request, their basis, and why there may be none."""
    # Twins have the evidence of their factual rows.
    if support is not None and not request.counterfactual:
        if attainment is not None:
            return None, "not measured", SELECTED
        return support.respondents or 0.0, "do", UNBACKED
    if attainment is not None:
        if nowcast is not None:
            return nowcast, "nowcast", UNBACKED
        certified = certified_worth(trained, request.conditions)
        if certified is not None:
            return certified, "segment", UNBACKED
        backing = attainment.backing or 0.0
        people = backing / rows_a_respondent(trained.table, trained.schema)
        return people, "backing", UNBACKED
    return respondents(trained.table, trained.schema), basis_of(trained.schema), UNBACKED


def with_weight(table: pa.Table, evidence: Evidence | None) -> pa.Table:
    """Return the table with the weight as its last column; null where it was not measured."""
    if evidence is None:
        return table
    values = pa.repeat(pa.scalar(evidence.weight, pa.float64()), table.num_rows)
    field = pa.field(evidence.column, pa.float64(), metadata={"label": evidence.sentence})
    field = Declared(label=evidence.sentence, measure="scale").on(field)
    field = number_field(field, table.schema)
    return table.append_column(field, values)


def _free_name(schema: TableSchema) -> str:
    name = EVIDENCE_WEIGHT
    while schema.find(name) is not None:
        name += "_"
    return name


def _classes(
    plan: GenerationPlan, asked: Iterable[str], everyone: float, worth: float, ratio: float
) -> Iterator[ClassWorth]:
    """Yield the classes of columns with conditions on shares, largest first."""
    given, picks, weights = plan.given, plan.picks, plan.weights
    if given is None or picks is None:
        return
    drawn = np.bincount(picks, minlength=given.num_rows).astype(np.float64)
    for name in asked:
        codes, levels = _codes(given.column(name))
        shares = np.bincount(codes, drawn, minlength=len(levels)) / drawn.sum()
        size = codes.size if weights is None else weights.sum()
        learned = np.bincount(codes, weights, minlength=len(levels)) / size
        for at in np.argsort(-shares, kind="stable")[:MAX_CLASSES]:
            level, share = levels[at], float(shares[at])
            if level is None or share == 0:
                continue
            behind = two_digits(plan.share * everyone * float(learned[at]))
            yield ClassWorth(
                column=name,
                level=level,
                share=share,
                claimed=share * worth,
                worth=worth_of(behind, share * drawn.sum(), ratio),
                raised=share > RAISED * float(learned[at]),
            )


def _codes(values: pa.ChunkedArray) -> tuple[Ints, list[str | None]]:
    """Return the code of each value, int64 [n], and the levels; missing is the last code."""
    coded = values.cast(pa.string()).combine_chunks().dictionary_encode()
    levels = coded.dictionary.to_pylist()
    codes = coded.indices.fill_null(len(levels)).to_numpy(zero_copy_only=False)
    return codes.astype(np.int64), [*levels, None]
