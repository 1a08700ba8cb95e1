"""Asked and attained: how well a generation meets its conditions.

AttainmentDetail holds names, levels and values: it is customer data and goes to the encrypted
attainment.json artifact only. Its summary has figures alone and may stand in a status.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from simulacra_crds.kinds.base import KubeModel
from simulacra_crds.kinds.generation_job import Attainment


class ConditionOutcome(KubeModel):
    """One share or one range, asked and attained.

    asked, attained: shares of the rows, 0..1; a range is asked of every row. met: to the row, so
    for a share that its count is n * asked, rounded down or up.
    """

    column: str
    level: str | None = None
    minimum: float | None = None
    maximum: float | None = None
    asked: float
    attained: float
    met: bool

    @property
    def moved_by(self) -> float:
        """Attained less asked share."""
        return self.attained - self.asked


class AttainmentDetail(KubeModel):
    """The outcome of a request, condition by condition, and what it rests on.

    accepted: share of the learned distribution that the hard conditions (ranges, fixed values)
    leave. kl_nats: Kullback-Leibler divergence of the generated from the learned distribution, nats
    a row, ranges included. effective_sample_size: Kish's effective number of the pool's rows under
    the tilt. backing: Kish's effective number of real rows under the tilt (as a rule of thumb: 300
    and more is well backed, 50 to 300 is "based on about that many rows", fewer says little); None
    without a reference table.
    """

    status: Literal["exact", "partial"]
    rows: int
    conditions: list[ConditionOutcome] = Field(default_factory=list)
    accepted: float
    kl_nats: float
    effective_sample_size: float
    backing: float | None = None
    backing_rows: int | None = None

    def moved(self) -> list[ConditionOutcome]:
        """Return the conditions that could not be met."""
        return [c for c in self.conditions if not c.met]

    def summary(self) -> Attainment:
        """Return the figures without names; the effective sample size is that of real rows."""
        return Attainment(
            status=self.status,
            asked=len(self.conditions),
            met=sum(c.met for c in self.conditions),
            max_abs_error=max((abs(c.moved_by) for c in self.conditions), default=0.0),
            effective_sample_size=self.backing,
            kl_nats=self.kl_nats,
        )
