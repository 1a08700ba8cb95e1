"""Answer sheet: effects of many levers on one outcome, ranked, with simultaneous intervals.

All of it names columns and levels, so it is stored encrypted (artifacts sheet.json, sheet.html and
sheet.xlsx). Only the counts of `SheetResult.summary` go to a status.
"""

from pydantic import Field

from simulacra_schema.answers import EffectResult, Span
from simulacra_schema.base import AnswerPart, KubeModel, optional
from simulacra_schema.questions.effect import Population
from simulacra_schema.questions.sheet import SheetSummary


class CurvePoint(AnswerPart):
    """The mean outcome if everybody had this value; null where too few rows are near it."""

    at: float
    mean: float | None = None
    low: float | None = None
    high: float | None = None
    effective_rows: float | None = optional("Null where fewer than five people are near.")


class Elasticity(AnswerPart):
    """Percent by which the mean changes for one percent of the lever, between two points."""

    start: float
    end: float
    elasticity: float
    low: float
    high: float


class Curve(AnswerPart):
    """Dose or price curve; its band holds for all points and elasticities together."""

    points: list[CurvePoint] = Field(default=[], description="In the order of the lever's values.")
    elasticities: list[Elasticity] = Field(
        default=[], description="Between neighbors with positive values and means."
    )
    missing: str | None = optional("Why there is no curve.")


class PropensityCounts(AnswerPart):
    """Rows of each arm by their probability of the value, in ten classes from 0 to 1.

    A class of fewer than five people counts 0.
    """

    value: list[int]
    baseline: list[int]


class LeverAnswer(KubeModel):
    """The answer about one contrast of one lever.

    Attributes:
        rank: place among the assumed effects whose interval excludes 0; None for all others, which
            must not be read as a ranking of causes.
        unranked: why it has no rank; None if it has one.
        near: the interval's end nearer to 0, by which levers are ranked; 0 if it contains 0 or
            nothing may be claimed.
        alone: interval that holds for this lever alone; `answer.union` holds together with those
            of all levers. None where nothing may be claimed.
        answer: verdict, effects, checks and sensitivity as for an effect estimate, with the figures
            that its verdict may claim (`claims.mask_unclaimed`).
        propensities: None without an answer.
        curve: of a lever that is a number; None for others.
    """

    rank: int | None = None
    unranked: str | None = None
    near: float = 0.0
    alone: Span | None = None
    answer: EffectResult
    propensities: PropensityCounts | None = None
    curve: Curve | None = None


class LeftOut(AnswerPart):
    """A column that is no lever of this sheet, and why."""

    column: str
    reason: str


class MissingShare(AnswerPart):
    """Share (0..1) of the rows in which a column is missing."""

    column: str
    share: float


class SheetResult(KubeModel):
    """Artifact: the answer sheet.

    Attributes:
        text: what is ranked and what is not, to be shown before any figure.
        critical: half-width of the simultaneous intervals in standard errors (1.96 for one alone).
        intervals: number of intervals that hold together: contrasts times adjustment sets.
        levers: ranked ones first, then by verdict and nearer end.
        left_out: learned columns that are no levers, if the sheet was asked for all.
        rows: of the table used.
        seed, version, model_sha256: what the figures depend on: seed of folds and samples, release
            of the engine, digest of the model's schema, graph and clean table.
    """

    outcome: str
    outcome_level: str | None = None
    population: Population = "all"
    text: str
    critical: float
    intervals: int
    levers: list[LeverAnswer]
    left_out: list[LeftOut] = Field(default_factory=list)
    rows: int
    missing: list[MissingShare] = Field(default_factory=list)
    seed: int
    version: str
    model_sha256: str
    summary: SheetSummary
