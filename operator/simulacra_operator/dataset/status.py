"""What a finished `prepare` says about a Dataset."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from simulacra_crds.reasons import Reason
from simulacra_crds.tasks import TaskResult


def prepared(results: Sequence[TaskResult]) -> tuple[Reason, dict[str, Any]]:
    """Return the reason of Prepared, and rows, columns and artefacts."""
    (result,) = results
    return Reason.PREPARED, {"rows": result.rows, "columns": result.columns, "artefacts": result.artefacts}
