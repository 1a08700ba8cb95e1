"""Attainment: how well a generation meets its conditions.

AttainmentDetail names columns, levels and values: it is customer data and goes only to the
encrypted artifact attainment.json. Its summary holds figures without names, for a status.
"""

from typing import Literal

from pydantic import ConfigDict, Field

from simulacra_schema.base import KubeModel, is_none
from simulacra_schema.questions.rows import Attainment
from simulacra_schema.quotas import CellPart


class ConditionOutcome(KubeModel):
    """One share or one range, requested and attained.

    Attributes:
        asked: requested share of the rows, 0..1; 1 for a range.
        attained: attained share of the rows, 0..1.
        met: to the row; of a share, the count is n * asked, rounded down or up.
    """

    column: str
    level: str | None = None
    minimum: float | None = None
    maximum: float | None = None
    # Readers of an earlier release know neither dates nor quotas.
    earliest: str | None = Field(default=None, exclude_if=is_none)
    latest: str | None = Field(default=None, exclude_if=is_none)
    asked: float
    attained: float
    met: bool

    @property
    def moved_by(self) -> float:
        """Attained minus requested share."""
        return self.attained - self.asked


class QuotaOutcome(KubeModel):
    """One quota, requested and attained.

    Attributes:
        where: the cell, as it was asked for.
        share, min, max: requested share of the rows, 0..1: one, or its ends.
        attained: attained share of the rows, 0..1.
        rows: rows in the cell.
        met: to the row: the count is n * share, rounded down or up, or lies within the ends.
        backing: estimate of the effective number of real rows in the cell, as of all conditions.
        why: why it is not met.
    """

    where: dict[str, CellPart]
    share: float | None = None
    min: float | None = None
    max: float | None = None
    attained: float
    rows: int
    met: bool
    backing: float | None = None
    why: str | None = None


class AttainmentDetail(KubeModel):
    """The outcome of each condition, and the rows behind the result.

    Attributes:
        status: whether all conditions are met.
        quotas: the outcome of each quota; None without quotas.
        accepted: share of the learned distribution inside the hard conditions.
        kl_nats: Kullback-Leibler divergence of the generated from the learned distribution, in
            nats per row, ranges included.
        effective_sample_size: Kish's effective number of pool rows under the tilt.
        backing: estimate of the effective number of real rows (Kish) under the tilt, to two
            significant digits: those of the table times the share of the learned distribution.
            No real row is counted, so it tells of a person only what rows tell. As a rule of
            thumb, 300 is well backed and below 50 says little; None of a model without a table.
    """

    # A job that goes on after an upgrade reads what an older release wrote, with more fields.
    model_config = ConfigDict(extra="ignore")

    status: Literal["exact", "partial"]
    rows: int
    conditions: list[ConditionOutcome] = Field(default_factory=list)
    quotas: list[QuotaOutcome] | None = Field(default=None, exclude_if=is_none)
    accepted: float
    kl_nats: float
    effective_sample_size: float
    backing: float | None = None

    def errors(self) -> list[float]:
        """Return how far each share and range is from its request, 0..1; quotas come last."""
        found = [abs(one.moved_by) for one in self.conditions]
        for one in self.quotas or ():
            low = (one.min or 0.0) if one.share is None else one.share
            high = (1.0 if one.max is None else one.max) if one.share is None else one.share
            found.append(max(low - one.attained, one.attained - high, 0.0))
        return found

    def moved(self) -> list[ConditionOutcome]:
        """Return the conditions that are not met."""
        return [c for c in self.conditions if not c.met]

    def summary(self) -> Attainment:
        """Return the figures without names, with the estimate of the effective real rows."""
        return Attainment(
            status=self.status,
            asked=len(self.errors()),
            met=sum(c.met for c in [*self.conditions, *(self.quotas or ())]),
            max_abs_error=max(self.errors(), default=0.0),
            effective_sample_size=self.backing,
            kl_nats=self.kl_nats,
        )
