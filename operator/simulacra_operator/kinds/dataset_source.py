"""Source of a Dataset after it was read: how long it is kept, and when the table is read again.

By default the pod erases the upload, as soon as the cleaned table is stored. With `hold` the
Dataset stops after reading and its upload is kept, one hour at most, until `hold` is false. With
`keepSource` the table as it was read is kept until the Dataset expires. All of it is decided from
spec, status and clock, so that a restart changes nothing (ADR 0053).
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from simulacra_crds.kinds.base import GROUP, Artifact, Phase
from simulacra_crds.kinds.dataset import DatasetSpec, DatasetStatus, DescriptionStatus
from simulacra_crds.reasons import Reason
from simulacra_crds.tasks import READ_TABLE, UPLOAD, TaskResult
from simulacra_operator.observed.conditions import Finding
from simulacra_operator.observed.observe import Observed
from simulacra_operator.work.actions import Action, DiscardArtifacts, EraseSource
from simulacra_operator.work.dependencies import is_current
from simulacra_operator.work.stage import Stage

HOLD = timedelta(minutes=58)
"""How long a held source is kept. A sweep looks at it twice a minute: one hour at most."""
JOB_DESCRIPTION = f"{GROUP}/description"
"""Annotation of a Job: digest of the description that it reads with, or `-`."""
_SOURCES = (UPLOAD, READ_TABLE)
_CORRECTABLE = (Reason.DESCRIPTION_MISMATCH, Reason.TABLE_TOO_SMALL, Reason.UPLOAD_INVALID)
"""Why a reading fails that another description may correct: its encoding, a dropped column."""
_CONFIRM = (
    "The table was read. Set spec.hold to false to confirm the description; the source is kept "
    "until status.sourceUntil."
)
_CONFIRM_ERASED = (
    "The table was read and its source is erased. Set spec.hold to false to confirm the "
    "description as it is, or create another Dataset."
)
_ERASED = (
    "The description changed after the source was erased. Set it back, or create another Dataset."
)


def stays(seen: Observed) -> bool:
    """Return whether the pod leaves the upload: it is held, or was, and the operator erases it."""
    return bool(seen.resource.spec.hold) or seen.resource.status.source_until is not None


def job_notes(seen: Observed) -> dict[str, str]:
    """Return the annotation by which a Job of an earlier description is found."""
    return {JOB_DESCRIPTION: seen.resource.spec.description_digest or "-"}


def is_outdated(seen: Observed) -> bool:
    """Return whether the Job reads with a description that has changed since."""
    if seen.job is None or seen.resource.spec is None:
        return False
    notes = seen.job["metadata"].get("annotations") or {}
    return bool(notes.get(JOB_DESCRIPTION, "-") != job_notes(seen)[JOB_DESCRIPTION])


def is_due(seen: Observed) -> bool:
    """Return whether a Dataset that was read must be read again, or its source be erased."""
    spec: DatasetSpec | None = seen.resource.spec
    if spec is None or seen.resource.status.wrapped_key is None or seen.job is not None:
        return False
    if is_current(seen.resource):
        return bool(_sources(seen)) and not spec.keep_source and seen.resource.ready
    return _is_available(seen)


def is_correctable(seen: Observed, reason: str) -> bool:
    """Return whether another description may correct a failed reading, as the source stays.

    An Object stays where it is, so nothing is kept for it.
    """
    spec, until = seen.resource.spec, seen.resource.status.source_until
    if spec is None or reason not in _CORRECTABLE:
        return False
    return bool(spec.keep_source or (until is None and spec.hold) or (until and seen.now < until))


def ending(seen: Observed, stage: Stage, results: Sequence[TaskResult]) -> Stage:
    """Return the stage of a reading that has just ended."""
    spec: DatasetSpec = seen.resource.spec
    status: DatasetStatus = seen.resource.status
    read = status.description or DescriptionStatus()
    fields: dict[str, Any] = {"source_until": status.source_until}
    if spec.hold and status.source_until is None:
        fields["source_until"] = seen.now.replace(microsecond=0) + HOLD
    if not results:
        described = read.model_copy(update={"requested": spec.description_digest})
        correctable = is_correctable(seen, stage.failure.reason if stage.failure else "")
        artifacts = _upload(seen) if correctable else []
        known = _artifacts(seen, without=(UPLOAD,))
        if not correctable:
            known = _artifacts(seen, without=_SOURCES)
            fields["source_until"] = None
        fields |= {"artefacts": [*artifacts, *known], "description": described}
        return replace(stage, ended=not correctable, fields=stage.fields | fields)
    counted = results[0].description
    described = DescriptionStatus(
        requested=spec.description_digest,
        revision=read.revision + 1,
        **(counted.model_dump() if counted is not None else {}),
    )
    artifacts = stage.fields.get("artefacts", [])
    if stays(seen):
        artifacts = [*_upload(seen), *(one for one in artifacts if one.name != UPLOAD)]
    if not any(one.name == READ_TABLE for one in artifacts):  # what was read may be that table
        artifacts = [*artifacts, *_sources(seen, (READ_TABLE,))]
    fields |= {"artefacts": artifacts, "description": described}
    stage = replace(stage, fields=stage.fields | fields)
    if spec.hold:
        confirmed = Finding("False", Reason.AWAITING_CONFIRMATION, _CONFIRM)
        return replace(stage, phase=Phase.HELD, confirmed=confirmed, ended=False)
    return _released(seen, stage, artifacts)


def hold_stage(seen: Observed) -> Stage | None:
    """Return the stage of a table that was read and is not read again, None when it is read now."""
    status: DatasetStatus = seen.resource.status
    if status.description is None:
        return None
    gate = _gate(seen)
    prepared = Finding("True", Reason.PREPARED)
    if not is_current(seen.resource):
        if _is_available(seen):
            return None
        changed = Finding("False", Reason.SOURCE_ERASED, _ERASED)
        return Stage(gate, prepared, Phase.HELD, confirmed=changed)
    if seen.resource.condition("Prepared") != "True":
        return _mismatched(seen, gate)
    if not seen.resource.spec.hold:
        stage = Stage(gate, prepared, Phase.READY, ended=True, percent=100)
        return _released(seen, stage, status.artefacts)
    erased = not _sources(seen, (UPLOAD,)) if gate.reason == Reason.UPLOADED else False
    confirmed = Finding(
        "False", Reason.AWAITING_CONFIRMATION, _CONFIRM_ERASED if erased else _CONFIRM
    )
    stage = Stage(gate, prepared, Phase.HELD, confirmed=confirmed)
    if not _is_over(seen) or not _sources(seen, (UPLOAD,)):
        return stage
    confirmed = replace(confirmed, message=_CONFIRM_ERASED)
    return _erasing(
        replace(stage, confirmed=confirmed), status.artefacts, _sources(seen, (UPLOAD,))
    )


def _mismatched(seen: Observed, gate: Finding) -> Stage | None:
    """Return the stage of a failed reading: kept to be corrected, or failed for good."""
    failure = seen.resource.status.last_failure
    reasons = {one.type: one.reason for one in seen.resource.status.conditions}
    if failure is None or reasons.get("Prepared") not in _CORRECTABLE:
        return None
    work = Finding("False", Reason(failure.reason), failure.message)
    if is_correctable(seen, failure.reason):
        return Stage(gate, work, Phase.FAILED)
    kept = _artifacts(seen, without=_SOURCES)
    source = seen.resource.spec.source
    discard = (DiscardArtifacts(source.sha256, source.bytes),) if _sources(seen) else ()
    return Stage(gate, work, Phase.FAILED, before=discard, ended=True, fields={"artefacts": kept})


def _released(seen: Observed, stage: Stage, artifacts: Sequence[Artifact]) -> Stage:
    """Return the stage of a Dataset that is not held: what it need not keep is erased."""
    needless = (UPLOAD,) if seen.resource.spec.keep_source else _SOURCES
    gone = [one for one in artifacts if one.name in needless]
    stage = replace(stage, fields=stage.fields | {"source_until": None})
    return _erasing(stage, artifacts, gone)


def _erasing(stage: Stage, artifacts: Sequence[Artifact], gone: Sequence[Artifact]) -> Stage:
    if not gone:
        return stage
    before: tuple[Action, ...] = (*stage.before, *(EraseSource(one) for one in gone))
    left = [one for one in artifacts if one not in gone]
    return replace(stage, before=before, fields=stage.fields | {"artefacts": left})


def _gate(seen: Observed) -> Finding:
    is_upload = seen.resource.spec.source.type == "Upload"
    return Finding("True", Reason.UPLOADED if is_upload else Reason.SOURCE_ALLOWED)


def _upload(seen: Observed) -> list[Artifact]:
    """Return the entry of an upload that the pod has left: none was erased before."""
    source, read = seen.resource.spec.source, seen.resource.status.description
    erased = read is not None and read.revision > 0 and not _sources(seen, (UPLOAD,))
    if source.type != "Upload" or source.sha256 is None or erased:
        return []
    return [Artifact(name=UPLOAD, bytes=source.bytes or 0, sha256=source.sha256)]


def _artifacts(seen: Observed, without: Sequence[str]) -> list[Artifact]:
    known: Sequence[Artifact] = seen.resource.status.artefacts
    return [one for one in known if one.name not in without]


def _sources(seen: Observed, names: Sequence[str] = _SOURCES) -> list[Artifact]:
    known: Sequence[Artifact] = seen.resource.status.artefacts
    return [one for one in known if one.name in names]


def _is_available(seen: Observed) -> bool:
    return seen.resource.spec.source.type == "Object" or bool(_sources(seen))


def _is_over(seen: Observed) -> bool:
    until = seen.resource.status.source_until
    return until is not None and seen.now >= until
