"""AnswerSheet: once its Model is Ready, a `sheet` Job compares all levers of an outcome."""

from __future__ import annotations

from simulacra_crds.kinds.answer_sheet import AnswerSheetSpec
from simulacra_crds.tasks import SheetRequest
from simulacra_operator.work.jobs import Size
from simulacra_operator.work.observe import Observed
from simulacra_operator.work.questions import question
from simulacra_schema.base import KubeModel

_SIZE = Size(cpu="1", memory="448Mi", memory_limit="4Gi", deadline_s=4 * 3600)
"""Measured: 395 MiB and 61 CPU seconds for a dozen levers, ten times one question's; open ones
take eight times that."""


def _request(seen: Observed) -> KubeModel:
    spec: AnswerSheetSpec = seen.resource.spec
    return SheetRequest(
        outcome=spec.outcome,
        levers=spec.levers,
        before=spec.before,
        after=spec.after,
        dont_know=spec.dont_know,
        population=spec.population,
        author=spec.stated_by,
        stated_at=seen.resource.meta.creation_timestamp,
    )


ANSWER_SHEET = question(_request, "sheet", _SIZE)
"""Answer sheets."""
