"""A model in this process: rows, effects, sheets and reports of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simulacra.effect import Effect
from simulacra.engine.errors import plain_errors
from simulacra.engine.results import LocalRows, LocalSheet, effect_of, page_of
from simulacra.models import Json, Report, Schema
from simulacra.named_values import TWICE, Do, interventions_of
from simulacra.rows import Bounds, conditions_of

if TYPE_CHECKING:
    from simulacra_trainer.trained_model import TrainedModel


class Model:
    """A model that was fit in this process."""

    def __init__(self, trained: TrainedModel) -> None:
        self._trained = trained

    @property
    def schema(self) -> Schema:
        """The cleaned schema, against which conditions are written."""
        return Schema(self._trained.schema.model_dump(mode="json", exclude_none=True))

    def generate(
        self,
        row_count: int | None = None,
        *,
        persons: int | None = None,
        shares: Mapping[str, Mapping[str, float]] | None = None,
        ranges: Mapping[str, Bounds] | None = None,
        conditions: Json | None = None,
        do: Do | None = None,
        interventions: Json | None = None,
        counterfactual: bool = False,
        evidence: bool = True,
        seed: int = 0,
    ) -> LocalRows:
        """Generate rows; the same request and seed give the same rows.

        Args:
            row_count: number of rows.
            persons: linked rows: number of persons, each with its history, instead of row_count.
            shares: share (0..1) of levels, by column: {"happiness": {"very happy": 0.5}}.
            ranges: lowest and highest value, by column: {"price": (5, 6)}; None is an open end.
            conditions: both as one object, as for `Client.generate`.
            do: interventions, {"price": 5.49}, or as the command line: "price=5.49", or several.
            interventions: the same as a mapping, as for `Client.generate`.
            counterfactual: rows in pairs: each row, then its twin under the interventions.
            evidence: add the column evidence_weight, what each row is worth in respondents.
            seed: of the random numbers.

        Raises:
            ValueError: the request does not match the schema, or has no support in the data.
        """
        if (row_count is None) == (persons is None):
            raise ValueError("Give either row_count or persons.")
        if do is not None:
            if interventions is not None:
                raise ValueError(TWICE)
            interventions = interventions_of(do, self.schema)
        request = {
            "row_count": row_count or 0,
            "persons": persons,
            "conditions": conditions_of(conditions, shares, ranges) or {},
            "interventions": interventions or {},
            "counterfactual": counterfactual,
            "evidence": evidence,
            "seed": seed,
        }
        with plain_errors():
            from simulacra_crds.tasks import GenerateRequest
            from simulacra_trainer.in_process import generate_table

            made = generate_table(self._trained, GenerateRequest.model_validate(request))
            return LocalRows(self._trained, made)

    def estimate(
        self,
        *,
        treatment: str,
        value: float | str,
        baseline: float | str,
        outcome: str,
        outcome_level: str | None = None,
        segment: str | None = None,
        before: Sequence[str] = (),
        after: Sequence[str] = (),
        dont_know: Sequence[str] = (),
        population: str = "all",
        negative_controls: Sequence[str] = (),
        seed: int = 0,
    ) -> Effect:
        """Estimate E[outcome | do(treatment=value)] - E[outcome | do(treatment=baseline)].

        The arguments are those of `Client.estimate`, and so is the answer: `print` begins with what
        it rests on.

        Raises:
            ValueError: the question does not match the schema.
        """
        question = {
            "treatment": treatment,
            "value": value,
            "baseline": baseline,
            "outcome": outcome if outcome_level is None else f"{outcome}={outcome_level}",
            "segment": segment,
            "before": list(before),
            "after": list(after),
            "dont_know": list(dont_know),
            "population": population,
            "negative_controls": list(negative_controls),
        }
        with plain_errors():
            from simulacra_crds.tasks import EstimateRequest
            from simulacra_trainer.in_process import estimate

            asked = EstimateRequest.model_validate(question)
            return effect_of(question, estimate(self._trained, asked, seed))

    def sheet(
        self,
        *,
        outcome: str,
        outcome_level: str | None = None,
        levers: Sequence[str | Mapping[str, Any]] = (),
        before: Sequence[str] = (),
        after: Sequence[str] = (),
        dont_know: Sequence[str] = (),
        population: str = "all",
        seed: int = 0,
    ) -> LocalSheet:
        """Compare all levers of an outcome; the arguments are those of `Client.ask_sheet`.

        Raises:
            ValueError: the question does not match the schema, or no lever is left.
        """
        question: Json = {
            "outcome": outcome if outcome_level is None else f"{outcome}={outcome_level}",
            "before": list(before),
            "after": list(after),
            "dont_know": list(dont_know),
            "population": population,
        }
        with plain_errors():
            from simulacra_crds.tasks import SheetRequest
            from simulacra_trainer.in_process import sheet

            asked = [_lever(one) for one in levers]
            request = SheetRequest.model_validate({**question, "levers": asked})
            return LocalSheet(question, sheet(self._trained, request, seed))

    def report(self) -> Report:
        """Return fidelity, privacy, graph and cleaning of the model."""
        return Report(self._trained.report)

    def report_page(self) -> str:
        """Return the report as one self-contained HTML page."""
        return page_of(self._trained.report)

    def save(self, directory: str | Path) -> None:
        """Write the model into a directory, which is made if missing.

        It holds the training table unencrypted: keep it as you keep the table. Only the user who
        saves it may read its files (mode 0600).
        """
        from simulacra_trainer.trained_model import save_model

        save_model(self._trained, Path(directory))

    def __repr__(self) -> str:
        learned = len(self._trained.schema.learned())
        table = f"{self._trained.schema.rows:,} rows, {learned} learned columns"
        return f"Model({self._trained.family}, {table})"


def _lever(lever: str | Mapping[str, Any]) -> Json:
    """Return a lever as a pod is asked for it."""
    found: Json = {"column": lever} if isinstance(lever, str) else dict(lever)
    for field in ("value", "baseline"):
        given = found.get(field)
        if given is not None:
            unit = "level" if isinstance(given, str) else "number"
            found[field] = {unit: given}
    return found
