"""What a finished `fit` says about a Model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from simulacra_crds.contract.reasons import Reason
from simulacra_crds.contract.tasks import TaskResult


def fitted(results: Sequence[TaskResult]) -> tuple[Reason, dict[str, Any]]:
    """Return the reason of Fitted, and family, figures and artifacts."""
    (result,) = results
    return Reason.FITTED, {
        "family": result.family,
        "figures": result.figures,
        "artefacts": result.artefacts,
    }
