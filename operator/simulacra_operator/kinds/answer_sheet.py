"""AnswerSheet: once its Model is Ready, a `sheet` Job compares all levers of an outcome."""

from simulacra_crds.tasks import SheetRequest
from simulacra_operator.work.jobs import Size
from simulacra_operator.work.questions import question

_SIZE = Size(cpu="1", memory="448Mi", memory_limit="4Gi", deadline_s=4 * 3600)
"""Measured: 395 MiB and 61 CPU seconds for a dozen levers, ten times one question's; open ones
take eight times that."""

KIND = question(SheetRequest, "sheet", _SIZE)
"""Answer sheets."""
