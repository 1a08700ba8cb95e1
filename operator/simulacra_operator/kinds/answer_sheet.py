"""AnswerSheet: once its Model is Ready, a `sheet` Job compares all levers of an outcome."""

from __future__ import annotations

from typing import Any

from simulacra_crds.tasks import SheetRequest
from simulacra_operator.observed.schema_check import check_outcome
from simulacra_operator.work.jobs import Size
from simulacra_operator.work.questions import question
from simulacra_schema.conditions import FieldError
from simulacra_schema.sheets import LISTS, check_sheet
from simulacra_schema.statements import split_outcome
from simulacra_schema.table import TableSchema

_SIZE = Size(cpu="1", memory="448Mi", memory_limit="4Gi", deadline_s=4 * 3600)
"""Measured: 395 MiB and 61 CPU seconds for a dozen levers, ten times one question's; open ones
take eight times that."""


def _misfits(spec: Any, schema: TableSchema) -> list[FieldError]:
    outcome, _ = split_outcome(spec.outcome, schema)
    lists = {name: getattr(spec, name) for name in LISTS}
    found = check_outcome(outcome, schema)
    return [*found, *check_sheet(outcome, spec.levers, lists, schema)]


KIND = question(SheetRequest, _misfits, "sheet", _SIZE)
"""Answer sheets."""
