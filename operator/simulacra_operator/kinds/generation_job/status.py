"""What the shards of a finished `generate` say about a GenerationJob."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from simulacra_crds.contract.reasons import Reason
from simulacra_crds.contract.tasks import TaskResult
from simulacra_crds.kinds.generation_job import Attainment


def generated(results: Sequence[TaskResult]) -> tuple[Reason, dict[str, Any]]:
    """Return the reason of Generated, and rows, attainment and artifacts of all shards together."""
    attainment = merge([result.attainment for result in results if result.attainment is not None])
    partial = attainment is not None and attainment.status == "partial"
    artefacts = {artefact.name: artefact for result in results for artefact in result.artefacts}
    fields = {
        "rows": sum(result.rows or 0 for result in results),
        "attainment": attainment,
        "identified": results[0].identified,
        "artefacts": [artefacts[name] for name in sorted(artefacts)],
    }
    return (Reason.GENERATED_PARTIALLY if partial else Reason.GENERATED), fields


def merge(parts: Sequence[Attainment]) -> Attainment | None:
    """Return the attainment of a whole table: as good as its worst shard. Every shard tells of the whole plan."""
    if not parts:
        return None
    samples = [
        part.effective_sample_size for part in parts if part.effective_sample_size is not None
    ]
    divergences = [part.kl_nats for part in parts if part.kl_nats is not None]
    return Attainment(
        status="partial" if any(part.status == "partial" for part in parts) else "exact",
        asked=max(part.asked for part in parts),
        met=min(part.met for part in parts),
        max_abs_error=max(part.max_abs_error for part in parts),
        effective_sample_size=min(samples) if samples else None,
        kl_nats=max(divergences) if divergences else None,
    )
