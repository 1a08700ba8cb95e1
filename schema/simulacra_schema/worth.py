"""What generated rows are worth in respondents: ratio, weight and sentence, from one place.

Every door (report, verdict, evidence of a generation, column of the table) says what `Worth` says.
Without a measured ratio there is no worth and no weight, and the sentence says so
(methods-worth.md).
"""

from collections.abc import Mapping
from dataclasses import dataclass

Figures = Mapping[str, float]

EVIDENCE_WEIGHT = "evidence_weight"
"""Last column of generated tables, with underscores added to avoid a clash."""
MANY_ROWS = 10_000
"""Generated rows that the worth of a model assumes."""
INFERENCE_RATIO = 0.2
"""Below this measured ratio, rows are not for inference about dependences."""
ENOUGH_TO_SEE = 200
"""Respondents from whom on columns that seem independent have no strong relation to lose."""
PRIVATE = (
    "The model is differentially private, and what its noise costs cannot be measured without"
    " telling more about the table."
)
TOO_FEW_ROWS = (
    "Columns depend on one another, but too few unseen rows have the same answers to measure what"
    " the model keeps of that."
)
NOTHING_SEEN = (
    f"Fewer than {ENOUGH_TO_SEE} respondents show no relation between columns, so what the model"
    " keeps of relations is not known."
)
UNMEASURED = "The fit did not measure what the model keeps of relations. Fit it again."
NOT_ASKED = "The request left out evidence_weight."
LINKED = (
    "Rows of a person are not independent, so no one weight is right for linked rows. Use ordinary"
    " rows for intervals."
)


@dataclass(frozen=True)
class Worth:
    """What some generated rows are worth.

    Attributes:
        rows: generated rows; of pairs, the rows of one world.
        worth: respondents that the rows are worth; None if it was not measured.
        ratio: share of the evidence on relations that the model kept, 0..1; None with `worth`.
        reason: why there is no worth; None if there is one.
        sentence: what to tell whoever gets the rows, without the reason.
    """

    rows: int
    worth: float | None
    ratio: float | None
    reason: str | None
    sentence: str

    @property
    def weight(self) -> float | None:
        """The evidence weight of each row; None if the worth was not measured."""
        return None if self.worth is None else self.worth / max(self.rows, 1)

    @property
    def for_inference(self) -> bool | None:
        """Whether the model kept enough of the relations; None if that was not measured."""
        return None if self.ratio is None else self.ratio >= INFERENCE_RATIO


def worth_of(evidence: float, rows: float, ratio: float = 1.0) -> float:
    """Return the respondents that `rows` generated rows are worth (methods-worth.md).

    Args:
        evidence: respondents behind the model, for this request.
        rows: independent draws; infinity for the limit of many rows.
        ratio: share of the evidence that the model kept of dependences, 0..1.
    """
    kept = ratio * evidence
    if kept <= 0 or rows <= 0:
        return 0.0
    return 1.0 / (1.0 / kept + 1.0 / rows)


def stated_worth(
    worth: float | None,
    ratio: float | None,
    rows: int,
    *,
    reason: str | None = None,
    column: str = EVIDENCE_WEIGHT,
    in_pairs: bool = False,
    of_model: bool = False,
) -> Worth:
    """Return what rows are worth, in words; nothing where a figure is missing.

    worth: in respondents; ratio: share of the evidence on relations that the model kept; None if
    not measured. rows: generated ones; in_pairs: of one world of counterfactual pairs; of_model:
    that the model could generate, not those of a table. reason: why there is no worth, where that
    is known.
    """
    they = f"{'this' if rows == 1 else 'these'} {_count(rows, in_pairs)}"
    they, are = "generated rows" if of_model else they, "is" if rows == 1 else "are"
    if worth is None or ratio is None or worth <= 0:
        text = (
            f"What {they} {are} worth was not measured: {column} is empty, and intervals from"
            f" {'it' if rows == 1 else 'them'} are not valid."
        )
        return Worth(rows, None, None, reason or UNMEASURED, text)
    they = _count(rows, in_pairs) if of_model else they[0].upper() + they[1:]
    text = (
        f"{they} {are} worth {worth:,.0f} {'respondent' if round(worth) == 1 else 'respondents'};"
        f" use {column} as frequency weights{' within one world' if in_pairs else ''}."
    )
    if ratio < INFERENCE_RATIO:
        text += " The model lost most dependences: use shares of single columns only."
    return Worth(rows, worth, ratio, None, text)


def worth_of_model(figures: Figures) -> Worth:
    """Return what `MANY_ROWS` rows of a model are worth, by the figures of its fit."""
    respondents, ratio = figures.get("respondents"), figures.get("kept_ratio")
    worth = None
    if respondents is not None and ratio is not None:
        worth = worth_of(respondents, MANY_ROWS, ratio)
    reason = why_unmeasured(figures)
    return stated_worth(worth, ratio, MANY_ROWS, reason=reason, of_model=True)


def why_unmeasured(figures: Figures) -> str:
    """Return why a fit with these figures has no ratio."""
    if "epsilon" in figures:
        return PRIVATE
    if figures.get("pairs_unmeasured", 0.0) > 0:
        return TOO_FEW_ROWS
    few = figures.get("respondents", ENOUGH_TO_SEE) < ENOUGH_TO_SEE
    return NOTHING_SEEN if few else UNMEASURED


def _count(rows: int, in_pairs: bool) -> str:
    unit = "pair" if in_pairs else "row"
    return f"{rows:,} {unit}" + ("" if rows == 1 else "s")
