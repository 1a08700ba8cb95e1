"""Shares of answers in segments: the stored result.

The result names columns and levels, so it is stored encrypted (artifact segments.json). Only
`SegmentResult.summary` goes to a status.
"""

from pydantic import Field

from simulacra_schema.base import AnswerPart, KubeModel, optional
from simulacra_schema.conditions import ConditionSet
from simulacra_schema.prices import PriceAnswer
from simulacra_schema.questions.segments import MoveVerdict, SegmentSummary, SegmentVerdict


class SegmentLevel(AnswerPart):
    """One column of a segment and its level."""

    column: str
    level: str


class OwnShare(AnswerPart):
    """The share among the segment's respondents alone, with Wilson's interval."""

    share: float
    low: float
    high: float


class SegmentChange(AnswerPart):
    """What the respondents of a segment answered in a wave less what they did in the one before.

    low, high: an interval that holds together with those of the request.
    """

    since: str = Field(description="The wave before.")
    change: float
    low: float
    high: float
    certified: float = Field(
        description="Change of the certified shares: nearer to the truth than `change`, on average,"
        " and as a rule smaller. It is not tested."
    )
    verdict: MoveVerdict = Field(
        description="moved: Holm's test over all changes of the request; probably moved: Benjamini"
        " and Hochberg's; both at 5 %."
    )


class NextShare(AnswerPart):
    """What a share of the next wave rests on.

    low80, high80: the 80 % interval.
    """

    low80: float
    high80: float
    carried: float = Field(
        description="The last wave's share, with the targets' shares of people: what is said where"
        " the verdict is no better."
    )
    tests: int = Field(description="Past waves that were estimated from those before them.")
    error: float = Field(description="Root mean square error there, over the question's answers.")
    carried_error: float = Field(
        description="The same of repeating the wave before, whoever was asked."
    )


class SegmentShare(AnswerPart):
    """The share of one answer in one segment.

    question, answer: a column and its level; of several answers, the option's yes/no column.
    """

    segment: list[SegmentLevel]
    question: str
    answer: str
    respondents: float = Field(
        description="Effective respondents who answered (Kish), with a noise of about one that is"
        " the same for the same people; 0 where fewer than five."
    )
    share: float = Field(description="Of those who answered, 0..1.")
    low: float
    high: float
    worth: float = Field(
        description="Respondents of a simple survey that would know the share as well."
    )
    verdict: SegmentVerdict = Field(
        description="boosted: worth at least 1.5 times the respondents; slightly: 1.1 to 1.5 times;"
        " no better: use the respondents. Of the next wave: whether past waves were estimated"
        " better than by carrying the one before forward; where not, the last is carried forward."
    )
    own: OwnShare | None = optional(
        "Null where fewer than ten respondents answered, or fewer than five said so or"
        " anything else."
    )
    helped: float | None = optional(
        "Of a wave: respondents of other waves in this segment that helped; null where"
        " the share is that of its own respondents."
    )
    change: SegmentChange | None = optional(
        "Of a wave after the first: what moved since the one before. Null where either"
        " has no `own`."
    )
    next: NextShare | None = optional(
        "Of the next wave, whose `respondents` and `own` are those of the newest, and"
        " whose interval holds by itself."
    )
    text: str


class SegmentResult(KubeModel):
    """Artifact: certified shares of all answers in all segments.

    Attributes:
        summary: the figures without names, for the status.
        shares: by segment, then by question and answer.
        conditions: of a single segment, what makes generated rows agree with it.
        price_answer: the answer to a price question, which has no shares.
        reason: why nothing is certified, or the price question has no answer.
    """

    summary: SegmentSummary
    shares: list[SegmentShare] = Field(default_factory=list)
    conditions: ConditionSet | None = None
    price_answer: PriceAnswer | None = None
    reason: str | None = None
