"""Stage of the work of one resource: what its status shows and what to do."""

from dataclasses import dataclass, field
from typing import Any

from simulacra_crds.kinds.base import LastFailure, Phase
from simulacra_operator.observed.conditions import Finding
from simulacra_operator.work.actions import Action


@dataclass(frozen=True)
class Stage:
    """Stage of the work.

    Attributes:
        gate: finding of the kind's gate condition.
        work: finding of the kind's work condition.
        confirmed: finding of Confirmed, of a Dataset that is held.
        before: actions before the status is written.
        after: actions after the status is written.
        needs_key: whether to create the data key with the write of the status.
        ended: whether the work ended, in success or failure.
        failure: the failure to show; None keeps the current one.
        percent: progress; None keeps the current one.
        fields: further fields of status.
    """

    gate: Finding
    work: Finding
    phase: Phase
    before: tuple[Action, ...] = ()
    after: tuple[Action, ...] = ()
    needs_key: bool = False
    ended: bool = False
    failure: LastFailure | None = None
    confirmed: Finding | None = None
    percent: int | None = None
    fields: dict[str, Any] = field(default_factory=dict)
