"""A model on the service, with the names of `simulacra.fit`: each call waits for its result."""

from collections.abc import Callable
from typing import Any

from simulacra.core import Steps
from simulacra.models import Dataset, Schema
from simulacra.operation import Awaiting, Blocking, DatasetOperation
from simulacra.operations import completions, datasets, one_call, resources


class _Fitted:
    def __init__(
        self, run: Callable[[Steps[Any]], Any], dataset: Dataset, name: str | None = None
    ) -> None:
        self.dataset = dataset
        self.dataset_id = str(dataset.dataset_id)
        self.name = name
        self._run = run

    generate = DatasetOperation(one_call.generate_rows)
    complete = DatasetOperation(completions.complete)
    estimate = DatasetOperation(one_call.answer_effect)
    sheet = DatasetOperation(one_call.answer_sheet)
    report = DatasetOperation(resources.report)
    report_page = DatasetOperation(resources.report_page)
    delete = DatasetOperation(one_call.delete)

    def __repr__(self) -> str:
        rows = f", {self.dataset.rows:,} rows" if self.dataset.rows else ""
        called = f"{self.name}, " if self.name else ""
        return f"{type(self).__name__}({called}{self.dataset_id}, {self.dataset.status}{rows})"


class FittedModel(_Fitted, Blocking):
    """A model on the service. `dataset` is its dataset, `dataset_id` names it in other calls.

    `name` is that of its table, None if nobody named it.

    It is erased with its dataset, by `delete` or at the end of the retention.
    """

    @property
    def schema(self) -> Schema:
        """The cleaned schema, against which conditions are written."""
        found: Schema = self._run(datasets.schema(self.dataset_id))
        return found


class AsyncFittedModel(_Fitted, Awaiting):
    """The same for `AsyncClient`: its calls are coroutines."""

    schema = DatasetOperation(datasets.schema)
