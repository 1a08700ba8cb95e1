"""What a finished `prepare` says about a Dataset."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from simulacra_crds.contract.reasons import Reason
from simulacra_crds.contract.tasks import TaskResult


def prepared(results: Sequence[TaskResult]) -> tuple[Reason, dict[str, Any]]:
    """Return the reason of Prepared; rows, columns, artifacts and what was read from an object."""
    (result,) = results
    found = {
        "rows": result.rows,
        "columns": result.columns,
        "source": result.source,
        "artefacts": result.artefacts,
    }
    return Reason.PREPARED, found
