"""What a finished `estimate` says about an EffectEstimate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from simulacra_crds.contract.reasons import Reason
from simulacra_crds.contract.tasks import TaskResult


def estimated(results: Sequence[TaskResult]) -> tuple[Reason, dict[str, Any]]:
    """Return the reason of Estimated, and the estimate and artifacts."""
    (result,) = results
    return Reason.ESTIMATED, {"estimate": result.estimate, "artefacts": result.artefacts}
