"""Requests that do not fit the schema of their Dataset, found before a pod is made.

The checks are those of the API and of the pods. The finding has the path in the spec, with the
place of a column among the keys instead of its name; names and levels stay in memory.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from pydantic import ValidationError

from simulacra_crds.spec_path import brief, spec_path
from simulacra_crds.tasks import RESULT_LIMIT, SCHEMA
from simulacra_custody.errors import CustodyError
from simulacra_custody.refs import ArtifactRef, ResourceRef
from simulacra_operator.work.custom_resource import CustomResource, tenant_of
from simulacra_schema.conditions import FieldError, check_interventions, check_request
from simulacra_schema.did_you_mean import unknown_column
from simulacra_schema.knowledge import check_knowledge
from simulacra_schema.segment_shares import check_segments
from simulacra_schema.sheets import check_sheet
from simulacra_schema.statements import LISTS, check_statements, split_outcome
from simulacra_schema.table import TableSchema

MOST = 16
"""Schemas that are kept, by their digest."""
_SAID = "{}: {}. The request does not fit the schema of the dataset; create another resource."


class ArtifactReader(Protocol):
    """What the checks use of custody."""

    async def result(self, result: ArtifactRef, wrapped_key: str) -> bytes:
        """Return an artifact of at most `RESULT_LIMIT` bytes."""


class SchemaCheck:
    """Reads the schemas of Datasets and compares specs with them."""

    def __init__(self, reader: ArtifactReader) -> None:
        self._reader = reader
        self._schemas: dict[str, TableSchema] = {}

    async def misfit(self, resource: CustomResource, dataset: CustomResource | None) -> str:
        """Return why a spec cannot fit the schema of a Dataset, empty if it may.

        A schema that cannot be read is left to the pod, and so is one of a table that was read
        again: the Model may be of an earlier reading.
        """
        check = _CHECKS.get(resource.kind)
        if check is None or resource.spec is None or dataset is None or not dataset.ready:
            return ""
        schema = await self._schema(dataset)
        errors = [] if schema is None else check(resource.spec, schema)
        if not errors:
            return ""
        spec = resource.spec.model_dump(mode="json", by_alias=True, exclude_none=True)
        return _SAID.format(spec_path(errors[0].pointer, spec), brief(errors[0].detail))

    async def _schema(self, dataset: CustomResource) -> TableSchema | None:
        read, key = dataset.status.description, dataset.status.wrapped_key
        stored = {one.name: one for one in dataset.status.artefacts}.get(SCHEMA)
        tenant = tenant_of(dataset.meta.namespace)
        if stored is None or key is None or tenant is None or stored.bytes > RESULT_LIMIT:
            return None
        if read is not None and read.revision > 1:
            return None
        if (known := self._schemas.get(stored.sha256)) is not None:
            return known
        ref = ResourceRef(tenant, dataset.plural, dataset.meta.uid).artifact(SCHEMA)
        try:
            schema = TableSchema.model_validate_json(await self._reader.result(ref, key))
        except (CustodyError, ValidationError):
            return None
        if len(self._schemas) >= MOST:
            self._schemas.clear()
        self._schemas[stored.sha256] = schema
        return schema


def _of_rows(spec: Any, schema: TableSchema) -> list[FieldError]:
    values = {column: one.value for column, one in spec.interventions.items()}
    return check_request(
        spec.conditions,
        values,
        schema,
        counterfactual=spec.counterfactual,
        rows=spec.row_count or 0,
        persons=spec.persons,
    )


def _of_effect(spec: Any, schema: TableSchema) -> list[FieldError]:
    values = (("/value", spec.value), ("/baseline", spec.baseline))
    wrong = [
        FieldError(pointer=at if schema.find(spec.treatment) else "/treatment", detail=one.detail)
        for at, given in values
        for one in check_interventions({spec.treatment: given.value}, schema)
    ]
    outcome, _ = split_outcome(spec.outcome, schema)
    lists = {name: getattr(spec, name) for name in LISTS}
    stated = check_statements(lists, spec.treatment, outcome, schema)
    return [*wrong, *_of_outcome(outcome, schema), *stated]


def _of_outcome(outcome: str, schema: TableSchema) -> list[FieldError]:
    if schema.find(outcome) is not None:
        return []
    return [FieldError(pointer="/outcome", detail=unknown_column(outcome, schema.names()))]


def _of_sheet(spec: Any, schema: TableSchema) -> list[FieldError]:
    outcome, _ = split_outcome(spec.outcome, schema)
    lists = {name: getattr(spec, name) for name in ("before", "after", "dont_know")}
    found = _of_outcome(outcome, schema)
    return [*found, *check_sheet(outcome, spec.levers, lists, schema)]


def _of_segments(spec: Any, schema: TableSchema) -> list[FieldError]:
    return check_segments(spec.segment, spec.questions, schema)


def _of_model(spec: Any, schema: TableSchema) -> list[FieldError]:
    return check_knowledge(spec.knowledge, schema)


_CHECKS: dict[str, Callable[[Any, TableSchema], list[FieldError]]] = {
    "Model": _of_model,
    "GenerationJob": _of_rows,
    "EffectEstimate": _of_effect,
    "AnswerSheet": _of_sheet,
    "SegmentEstimate": _of_segments,
}
