"""A model on the service, with the names of `simulacra.fit`: each call waits for its result."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from simulacra.core import Steps
from simulacra.effect import Effect
from simulacra.models import Dataset, Report, Schema
from simulacra.operations import datasets, one_call, resources, sheets
from simulacra.rows import Rows
from simulacra.sheet import Sheet


class FittedModel:
    """A model on the service. `dataset` is its dataset, `dataset_id` names it in other calls.

    `name` is that of its table, None if nobody named it.

    It is erased with its dataset, by `delete` or at the end of the retention.
    """

    def __init__(
        self, run: Callable[[Steps[Any]], Any], dataset: Dataset, name: str | None = None
    ) -> None:
        self.dataset = dataset
        self.dataset_id = str(dataset.dataset_id)
        self.name = name
        self._run = run

    def generate(self, row_count: int | None = None, **request: Any) -> Rows:
        """Generate rows, wait, and return them.

        Args:
            row_count: number of rows.
            request: shares and ranges as for `simulacra.Model.generate`; persons (instead of
                row_count), conditions, do, interventions, counterfactual, evidence, seed and key as
                for `Client.generate`.
        """
        rows: Rows = self._run(one_call.generate_rows(self.dataset_id, row_count, **request))
        return rows

    def estimate(self, **question: Any) -> Effect:
        """Estimate an effect, wait, and return it; the question is that of `Client.estimate`."""
        found: Effect = self._run(one_call.answer(self.dataset_id, **question))
        return found

    def sheet(self, **question: Any) -> Sheet:
        """Compare all levers of an outcome, wait, and return the answer sheet.

        The question is that of `Client.ask_sheet`.
        """
        found: Sheet = self._run(sheets.answer_sheet(self.dataset_id, **question))
        return found

    def report(self) -> Report:
        """Return fidelity, privacy, graph and cleaning of the model."""
        found: Report = self._run(resources.report(self.dataset_id))
        return found

    def report_page(self) -> str:
        """Return the report as one self-contained HTML page."""
        return str(self._run(resources.report_page(self.dataset_id)))

    @property
    def schema(self) -> Schema:
        """The cleaned schema, against which conditions are written."""
        found: Schema = self._run(datasets.schema(self.dataset_id))
        return found

    def delete(self) -> None:
        """Erase the dataset, its model and all that was made from it; wait until it is gone."""
        self._run(resources.delete(self.dataset_id))

    def __repr__(self) -> str:
        return _shown("FittedModel", self.dataset, self.name)


class AsyncFittedModel:
    """The same for `AsyncClient`: its calls are coroutines."""

    def __init__(
        self, run: Callable[[Steps[Any]], Awaitable[Any]], dataset: Dataset, name: str | None = None
    ) -> None:
        self.dataset = dataset
        self.dataset_id = str(dataset.dataset_id)
        self.name = name
        self._run = run

    async def generate(self, row_count: int | None = None, **request: Any) -> Rows:
        """Generate rows, wait, and return them; see `FittedModel.generate`."""
        rows: Rows = await self._run(one_call.generate_rows(self.dataset_id, row_count, **request))
        return rows

    async def estimate(self, **question: Any) -> Effect:
        """Estimate an effect, wait, and return it; the question is that of `Client.estimate`."""
        found: Effect = await self._run(one_call.answer(self.dataset_id, **question))
        return found

    async def sheet(self, **question: Any) -> Sheet:
        """Compare all levers of an outcome, wait, and return it; see `FittedModel.sheet`."""
        found: Sheet = await self._run(sheets.answer_sheet(self.dataset_id, **question))
        return found

    async def report(self) -> Report:
        """Return fidelity, privacy, graph and cleaning of the model."""
        found: Report = await self._run(resources.report(self.dataset_id))
        return found

    async def report_page(self) -> str:
        """Return the report as one self-contained HTML page."""
        return str(await self._run(resources.report_page(self.dataset_id)))

    async def schema(self) -> Schema:
        """Return the cleaned schema, against which conditions are written."""
        found: Schema = await self._run(datasets.schema(self.dataset_id))
        return found

    async def delete(self) -> None:
        """Erase the dataset, its model and all that was made from it; wait until it is gone."""
        await self._run(resources.delete(self.dataset_id))

    def __repr__(self) -> str:
        return _shown("AsyncFittedModel", self.dataset, self.name)


def _shown(kind: str, dataset: Dataset, name: str | None) -> str:
    rows = f", {dataset.rows:,} rows" if dataset.rows else ""
    called = f"{name}, " if name else ""
    return f"{kind}({called}{dataset.dataset_id}, {dataset.status}{rows})"
