"""Answer to a causal question: a verdict of what it rests on, its interval, and what was checked.

All of it names columns and levels, so it is stored encrypted (artifact estimate.json). Only
the figures in `EffectResult.estimate` go to a status.
"""

from typing import Literal

from pydantic import Field

from simulacra_schema.base import (
    AnswerPart,
    ColumnName,
    KubeModel,
    Timestamp,
    VerdictKind,
    is_none,
    optional,
)
from simulacra_schema.questions.effect import Estimate, Population, Precision

Method = Literal["aipw", "aipw-window", "dml", "did", "iv"]
Origin = Literal["request", "tiers", "required", "proposed"]
AuthorKind = Literal["client", "automatic"]
CheckName = Literal[
    "graph against itself", "placebo", "negative control", "overlap", "earlier waves", "first stage"
]
VERDICT_KINDS: tuple[VerdictKind, ...] = (
    "unanswerable",
    "contradicted",
    "open",
    "usual order",
    "suggested",
    "parallel trends",
    "instrument",
    "assumed",
)
"""From the least to the most that may be claimed."""
ANSWERED = (
    "union", "answered", "alternatives", "sensitivity", "segments", "unshown_segments",
    "groups_differ", "elasticity",
)  # fmt: skip
"""Figures that an unanswerable question lacks: an extrapolation is never shown as an effect."""
STATUS_DIGITS = 4
"""Significant digits of a status's figures; the artifact has all."""


class Statement(KubeModel):
    """What somebody said: each of the columns `earlier` came before each of those in `later`.

    Attributes:
        origin: request: of this question; tiers or required: knowledge of the model; proposed:
            recognized by the product and confirmed by a person.
        author, time: who said it and when; None if that was not recorded.
        author_kind: client: the author stated it; automatic: the product recognized it, and the
            author asked for that (`background: auto`).
    """

    earlier: list[ColumnName]
    later: list[ColumnName]
    origin: Origin
    author: str | None = Field(default=None, max_length=256)
    time: Timestamp | None = None
    author_kind: AuthorKind | None = None


class Verdict(KubeModel):
    """What may be claimed.

    Attributes:
        kind: assumed: follows from what was stated, if nothing unseen moves both columns;
            instrument, parallel trends: follows from that assumption, which was stated; suggested:
            the data suggest a sign, and nobody said what comes first; usual order: what follows if
            the usual order holds, which nobody has confirmed; open: none of these; contradicted: a
            placebo or a negative control failed, or statements contradict the question;
            unanswerable: too few people to compare, or an instrument that hardly moves the
            treatment.
        text: the verdict in words, to be shown before any number.
        rests_on: the statements that the verdict uses.
        asks: the column whose place (before, after) would narrow the interval most; None if no
            answer would.
        presumes: of a usual order, the blocks that it presumes, the earliest first: to be stated as
            `blocks` if that is the order. None of any other verdict.
    """

    kind: VerdictKind
    text: str
    rests_on: list[Statement] = Field(default_factory=list)
    asks: ColumnName | None = None
    presumes: list[list[ColumnName]] | None = Field(default=None, exclude_if=is_none)


class Span(AnswerPart):
    """The union of the 95 % intervals of all adjustment sets left open."""

    low: float
    high: float


class Limit(AnswerPart):
    """A limit of a group of people; a missing value keeps none."""

    column: str
    test: Literal[">", "<=", "=", "!="]
    value: float | str


class Answered(AnswerPart):
    """Whom the answer is for, where people asked about have no counterparts with a value."""

    share: float = Field(description="Of the people asked about, 0..1.")
    text: str = Field(description="These people, as the verdict's text names them.")
    why: str = Field(description="Why the others have none, and the interval for everybody.")
    left_out: list[list[Limit]] = Field(
        default=[],
        description="Groups that are left out: who keeps all limits of one is in none of the"
        " answers. Empty where no two columns describe them.",
    )
    everybody: Span = Field(
        description="The effect on all who were asked about, by an assumption on the others: with"
        " the value that they lack, their mean would lie in the middle 90 % of those who have it."
    )


class AdjustmentSpan(KubeModel):
    """The 95 % interval of the effect if these columns come before the treatment.

    Attributes:
        support: share of the people asked about who have counterparts with both values.
        effective_rows: rows that the smaller arm's weights are worth (Kish).
        reverses: the outcome may be a cause of the treatment; then the effect is 0.
    """

    adjustment: list[str]
    low: float
    high: float
    support: float
    effective_rows: float
    reverses: bool = False


class AdjustmentEffect(AdjustmentSpan):
    """The effect if these columns come before the treatment, with its own 95 % interval."""

    effect: float


class Check(KubeModel):
    """A check of the answer, with the figures that it saw.

    outcome: not checked: it did not apply, or could not have seen half of the effect.
    """

    name: CheckName
    outcome: Literal["passed", "failed", "not checked"]
    detail: str


class Yardstick(AnswerPart):
    """A stated column as a measure of an unseen cause (Chernozhukov et al., 2022)."""

    column: str
    shift: float = Field(description="How far leaving it out moves the effect.")
    strength: float = Field(
        description="Share of what is left of treatment and outcome that a cause must explain to"
        " move the effect as far (0..1)."
    )
    of_outcome: float | None = optional(
        "Share of what is left of the outcome that it explains (0..1)."
    )
    of_weights: float | None = optional("Share of the weights' variance that it explains (0..1).")
    move: float | None = optional("How far an unseen cause as strong could move the effect.")


class Sensitivity(AnswerPart):
    """How strong an unseen cause must be to bring the effect to 0 (Chernozhukov et al., 2022)."""

    robustness: float = Field(
        description="Share of what is left of treatment and outcome that it must explain (0..1)."
    )
    robustness_near: float = Field(
        description="The same for the nearer end of the interval; 0 if that contains 0."
    )
    yardsticks: list[Yardstick] = Field(
        default=[], description="Stated columns, each left out, the farthest move first."
    )
    unseen: Span | None = optional(
        "The interval even with an unseen cause as strong as the first of these."
    )


class Elasticity(AnswerPart):
    """The elasticity with its 95 % interval, or why there is none."""

    value: float | None = optional(
        "Percent of the outcome, of a yes/no outcome percentage points, for 1 % more "
        "of the treatment. Null unless the verdict is assumed."
    )
    low: float | None = None
    high: float | None = None
    text: str = Field(description="What it is of, or why there is none.")


class GroupsDiffer(AnswerPart):
    """Whether the effect differs between the groups at all."""

    p: float = Field(
        ge=0,
        le=1,
        description="Chance of groups at least as far from their mean, if all had the same effect; "
        "the largest of all adjustment sets left open.",
    )
    text: str = Field(description="The same in words.")


class SegmentDifference(AnswerPart):
    """The effect in a segment minus that in the first one: 95 % for all differences together."""

    effect: float | None = optional("Null unless the verdict is assumed.")
    low: float
    high: float


class SegmentEffect(AnswerPart):
    """The effect in one segment; the intervals hold for all segments together.

    They hold for every adjustment set left open, too. support: share of the people asked about who
    have counterparts with both values.
    """

    level: str = Field(description="With two columns: the levels of both, with a comma between.")
    effect: float | None = optional("Null unless the verdict is assumed.")
    low: float
    high: float
    alone: Span | None = optional(
        "The interval for who looks at this segment alone, and chose it beforehand. "
        "Null in answers made before it was given."
    )
    rows: int
    support: float
    effective_rows: float | None = optional(
        "Rows that the smaller arm's weights are worth (Kish), a person's rows counted"
        " as one. Null in answers made before the intervals held for all segments together."
    )
    thin_support: bool = Field(default=False, description="Fewer than 50 effective rows.")
    difference: SegmentDifference | None = optional("From the first segment. Null for the first.")


class EffectResult(KubeModel):
    """E[outcome | do(treatment=value)] - E[outcome | do(treatment=baseline)].

    Attributes:
        estimate: the figures without names, for the status. Its interval is the union. Those that
            the verdict does not claim (claims.py) are None.
        union: of the intervals of all adjustment sets left open; None without an answer.
        otherwise: of a usual order, the union whatever comes first. None of any other verdict.
        precision: clear: the union excludes 0; thin support, very thin: the weights leave less than
            half, less than a fifth of an arm's rows, or more than 1 % have no counterparts.
        answered: whom the answer is for; None for all of the population.
        effective_rows: of the smaller arm (Kish).
        naive: difference of the two arms' means, without adjustment for confounding.
        method: aipw: rows with exactly the two values; dml: a curve of all rows; aipw-window: of
            earlier releases, a model of all rows, corrected by those near the two numbers.
        adjustment: columns adjusted for: those stated to come before the treatment, or without
            statements the learned causes.
        alternatives: one entry for each adjustment set left open, the chosen one first; empty
            without an answer. Without points where the verdict claims none.
        dont_know: columns whose place relative to the treatment nobody stated.
        sensitivity: None unless the verdict is assumed.
        elasticity: of a treatment that is a number; None of others.
        segments: effect by level of the segment column, or by group of one or two columns (by).
        groups_differ: None where fewer than two groups are shown.
        unshown_segments: levels with fewer than 20 effective persons in an arm, and those beyond
            the 50 largest.
        warnings: limits of the estimate, in plain words.
    """

    treatment: str
    value: float | str
    baseline: float | str
    outcome: str
    outcome_level: str | None = None
    population: Population = "all"
    verdict: Verdict
    precision: Precision
    estimate: Estimate
    union: Span | None
    otherwise: Span | None = Field(default=None, exclude_if=is_none)
    answered: Answered | None = None
    effective_rows: float
    naive: float | None
    method: Method
    adjustment: list[str]
    alternatives: list[AdjustmentEffect | AdjustmentSpan]
    dont_know: list[str] = Field(default_factory=list)
    checks: list[Check] = Field(default_factory=list)
    sensitivity: Sensitivity | None = None
    elasticity: Elasticity | None = Field(default=None, exclude_if=is_none)
    segment: str | None = None
    by: list[str] | None = Field(default=None, exclude_if=is_none)
    segments: list[SegmentEffect] = Field(default_factory=list)
    unshown_segments: list[str] = Field(default_factory=list)
    groups_differ: GroupsDiffer | None = Field(default=None, exclude_if=is_none)
    warnings: list[str] = Field(default_factory=list)

    @property
    def summary(self) -> Estimate:
        """The figures without names, for a status; short, because kubectl prints all digits."""
        figures = self.estimate.model_dump()
        short = {k: _short(v) if isinstance(v, float) else v for k, v in figures.items()}
        return Estimate.model_validate(short)

    def to_json(self) -> str:
        """Return the result as JSON, camelCase."""
        return self.model_dump_json(by_alias=True)


def _short(number: float) -> float:
    return float(f"{number:.{STATUS_DIGITS}g}")
