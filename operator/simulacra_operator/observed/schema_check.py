"""Requests that do not fit the schema of their Dataset, found before a pod is made.

The checks are those of the API and of the pods. The finding has the path in the spec, with the
place of a column among the keys instead of its name; names and levels stay in memory.
"""

from typing import Protocol

from pydantic import ValidationError

from simulacra_crds.spec_path import spec_path
from simulacra_crds.tasks import RESULT_LIMIT, SCHEMA
from simulacra_custody.errors import CustodyError
from simulacra_custody.refs import ArtifactRef, ResourceRef
from simulacra_operator.observed.custom_resource import CustomResource, tenant_of
from simulacra_schema.faults import Question
from simulacra_schema.table import TableSchema

MOST = 16
"""Schemas that are kept, by their digest."""
_SAID = "{}: {}. The request does not fit the schema of the dataset; create another resource."


class ArtifactReader(Protocol):
    """What the checks use of custody."""

    async def result(self, result: ArtifactRef, wrapped_key: str) -> bytes:
        """Return an artifact of at most `RESULT_LIMIT` bytes."""


class SchemaCheck:
    """Reads the schemas of Datasets and compares the questions of specs with them."""

    def __init__(self, reader: ArtifactReader) -> None:
        self._reader = reader
        self._schemas: dict[str, TableSchema] = {}

    async def misfit(self, resource: CustomResource, dataset: CustomResource | None) -> str:
        """Return why a spec cannot fit the schema of a Dataset, empty if it may.

        A schema that cannot be read is left to the pod, and so is one of a table that was read
        again: the Model may be of an earlier reading.
        """
        question = resource.spec
        if not isinstance(question, Question) or dataset is None or not dataset.ready:
            return ""
        schema = await self._schema(dataset)
        faults = [] if schema is None else question.faults(schema)
        if not faults:
            return ""
        return _SAID.format(spec_path(faults[0].pointer, question.to_wire()), faults[0].brief)

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
