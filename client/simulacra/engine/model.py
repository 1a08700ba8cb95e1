"""A model in this process: rows, effects, sheets and reports of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simulacra.completion import Completed, read_rows, shape_of
from simulacra.effect import Effect
from simulacra.engine.errors import plain_errors
from simulacra.engine.results import LocalFile, LocalRows, LocalSheet, effect_of, page_of
from simulacra.models import Document, Json, Report, Schema, verdict_lines
from simulacra.named_values import TWICE, Do, interventions_of
from simulacra.operations.questions import SegmentLevels, asked_of_segments, asked_order, level_text
from simulacra.pair_lines import Pairs, stated_pairs
from simulacra.quota_cells import Quotas, quotas_of
from simulacra.rows import Bounds, conditions_of
from simulacra.segment import Segment
from simulacra.tables import Frame, as_file
from simulacra.target_shares import TargetShares

if TYPE_CHECKING:
    from simulacra_crds.tasks import GenerateRequest
    from simulacra_trainer.trained_model import TrainedModel

OnProgress = Callable[[Any], None]
"""Called with an object that has `percent`, `eta_seconds` and `step`."""


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
        quotas: Quotas | None = None,
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
            ranges: lowest and highest value, by column: {"price": (5, 6)}; None is an open end. Of
                a date, first and last: ("2024-01-01", None).
            quotas: shares of cells: [{"where": {"age": (18, 27), "segment": "switcher"}, "share":
                0.3}], also with "min" and "max"; as lines of `--quota`; or the path of a sheet.
            conditions: all as one object, as for `Client.generate`.
            do: interventions, {"price": 5.49}, or as the command line: "price=5.49", or several.
            interventions: the same as a mapping, as for `Client.generate`.
            counterfactual: rows in pairs: each row, then its twin under the interventions.
            evidence: add the column evidence_weight, what each row is worth in respondents.
            seed: of the random numbers.

        Raises:
            ValueError: the request does not match the schema, or has no support in the data.
        """
        if do is not None:
            if interventions is not None:
                raise ValueError(TWICE)
            interventions = interventions_of(do, self.schema)
        cells = None if quotas is None else quotas_of(quotas, self.schema, rows=row_count)
        wanted = conditions_of(conditions, shares, ranges, cells)
        with plain_errors():
            from simulacra_trainer.in_process import generate_table

            request = _generation(
                row_count, persons, wanted, interventions, counterfactual, evidence, seed
            )
            return LocalRows(self._trained, generate_table(self._trained, request))

    def complete(
        self,
        source: str | Path | Frame,
        *,
        columns: list[str] | None = None,
        implicates: int = 10,
        fill_codes: bool = False,
        unknown: str = "refuse",
        pairs: Pairs | None = None,
        independent: Pairs | None = None,
        sign: Pairs | None = None,
        impossible: Pairs | None = None,
        seed: int = 0,
        on_progress: OnProgress | None = None,
    ) -> Completed:
        """Fill in the gaps of given rows m times, and return the completed tables.

        The arguments are those of `Client.complete`, but `on_progress`, which is called with
        `percent`, `eta_seconds` and `step`.

        Raises:
            ValueError: the rows cannot be read or completed.
        """
        with plain_errors(), as_file(source) as path:
            from simulacra_schema.completion import GivenOptions
            from simulacra_trainer.in_process import complete_table
            from simulacra_trainer.progress import silent

            rows = read_rows(path)
            asked = {"columns": columns, "implicates": implicates, "fill_codes": fill_codes}
            asked |= stated_pairs(pairs, independent, sign, impossible)
            options = GivenOptions.model_validate({**asked, "unknown": unknown})
            done = complete_table(self._trained, path, options, seed, on_progress or silent)
            report = done.report.model_dump(mode="json")
            return Completed(rows, done.filled, report, shape=shape_of(source))

    def write(
        self,
        path: str | Path,
        row_count: int | None = None,
        *,
        plain: bool = False,
        on_progress: OnProgress | None = None,
        **request: Any,
    ) -> LocalFile:
        """Generate rows into a file, a part at a time: millions of rows need little memory.

        Args:
            path: the file; its suffix sets the format.
            row_count: number of rows.
            plain: as for `LocalRows.save`.
            on_progress: called with `percent`, `eta_seconds` and `step`.
            request: persons, conditions, interventions, counterfactual, evidence and seed, as for
                `generate`.

        Raises:
            ValueError: as `generate`.
        """
        with plain_errors():
            from simulacra_trainer.in_process import generate_file
            from simulacra_trainer.progress import silent

            asked = _generation(row_count, **request)
            sink = on_progress or silent
            made = generate_file(self._trained, asked, Path(path), plain=plain, sink=sink)
            return LocalFile(self._trained, made)

    def estimate(
        self,
        *,
        treatment: str,
        value: float | str,
        baseline: float | str,
        outcome: str,
        outcome_level: str | float | None = None,
        segment: str | None = None,
        by: Sequence[str] = (),
        before: Sequence[str] = (),
        after: Sequence[str] = (),
        dont_know: Sequence[str] = (),
        blocks: Sequence[Sequence[str]] = (),
        population: str = "all",
        negative_controls: Sequence[str] = (),
        instrument: str | None = None,
        parallel_trends: Mapping[str, float | str] | None = None,
        seed: int = 0,
    ) -> Effect:
        """Estimate E[outcome | do(treatment=value)] - E[outcome | do(treatment=baseline)].

        The arguments are those of `Client.estimate`, and so is the answer: `print` begins with what
        it rests on.

        Raises:
            ValueError: the question does not match the schema.
        """
        question: Json = {
            "treatment": treatment,
            "value": value,
            "baseline": baseline,
            "outcome": _leveled(outcome, outcome_level),
            "segment": segment,
            "by": list(by),
            **asked_order(before, after, dont_know, blocks),
            "population": population,
            "negative_controls": list(negative_controls),
        }
        if instrument is not None:
            question["instrument"] = instrument
        if parallel_trends:
            question["parallel_trends"] = {**parallel_trends}
        with plain_errors():
            from simulacra_crds.tasks import EstimateRequest
            from simulacra_trainer.in_process import estimate

            asked = EstimateRequest.model_validate(question)
            return effect_of(question, estimate(self._trained, asked, seed))

    def sheet(
        self,
        *,
        outcome: str,
        outcome_level: str | float | None = None,
        levers: Sequence[str | Mapping[str, Any]] = (),
        before: Sequence[str] = (),
        after: Sequence[str] = (),
        dont_know: Sequence[str] = (),
        blocks: Sequence[Sequence[str]] = (),
        population: str = "all",
        seed: int = 0,
        on_progress: OnProgress | None = None,
    ) -> LocalSheet:
        """Compare all levers of an outcome; the arguments are those of `Client.ask_sheet`.

        Raises:
            ValueError: the question does not match the schema, or no lever is left.
        """
        question: Json = {
            "outcome": _leveled(outcome, outcome_level),
            **asked_order(before, after, dont_know, blocks),
            "population": population,
        }
        with plain_errors():
            from simulacra_crds.tasks import SheetRequest
            from simulacra_trainer.in_process import sheet
            from simulacra_trainer.progress import silent

            asked = [_lever(one) for one in levers]
            request = SheetRequest.model_validate({**question, "levers": asked})
            made = sheet(self._trained, request, seed, on_progress or silent)
            return LocalSheet(question, made)

    def boost(
        self,
        segment: SegmentLevels | None = None,
        questions: Sequence[str] = (),
        *,
        targets: TargetShares | None = None,
        prices: Mapping[str, Any] | None = None,
    ) -> Segment:
        """Certify the shares of all answers in segments, or answer a price question.

        The arguments are those of `Client.boost`.

        Raises:
            ValueError: the question does not match the schema.
        """
        question = asked_of_segments(segment, questions, targets, prices)
        with plain_errors():
            from simulacra_crds.tasks import BoostRequest
            from simulacra_trainer.in_process import boost

            found = boost(self._trained, BoostRequest.model_validate(question))
            return Segment({**question, **found.model_dump(mode="json"), "status": "ready"})

    @property
    def verdicts(self) -> list[str]:
        """Likeness, privacy and worth of the model's rows, a line each."""
        from simulacra_schema.verdicts import verdicts

        return verdict_lines(one.model_dump() for one in verdicts(self._trained.figures))

    def report(self) -> Report:
        """Return fidelity, privacy, graph and cleaning of the model."""
        return Report(self._trained.report)

    def report_page(self) -> str:
        """Return the report as one self-contained HTML page."""
        return page_of(self._trained.report)

    def summary(self) -> Document:
        """Return the summary of the table's waves, without rows; it is not signed.

        Raises:
            ValueError: there is none; the message says why.
        """
        found = self._trained.summary
        if found is None or not found.waves:
            raise ValueError(getattr(found, "reason", None) or "Fit the model again to get it.")
        return Document(summary=found.model_dump(mode="json"))

    def knowledge(self) -> Json:
        """Return what is stated of the order of the columns, as the model is fit with it."""
        found: Json = self._trained.graph.knowledge.model_dump(mode="json", exclude_none=True)
        return found

    def usual_order(self) -> Document:
        """Return the usual order of the columns, which nobody has confirmed: `Client.usual_order`.

        Give its blocks to `estimate` or `sheet` if that is the order.
        """
        from simulacra_schema.usual_order import usual_order

        return Document(usual_order(self._trained.schema).model_dump(mode="json"))

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


def _generation(
    row_count: int | None,
    persons: int | None = None,
    conditions: Json | None = None,
    interventions: Json | None = None,
    counterfactual: bool = False,
    evidence: bool = True,
    seed: int = 0,
) -> GenerateRequest:
    """Return a request for rows as a pod gets it."""
    from simulacra_crds.tasks import GenerateRequest

    if (row_count is None) == (persons is None):
        raise ValueError("Give either row_count or persons.")
    request = {
        "row_count": row_count or 0,
        "persons": persons,
        "conditions": conditions or {},
        "interventions": interventions or {},
        "counterfactual": counterfactual,
        "evidence": evidence,
        "seed": seed,
    }
    return GenerateRequest.model_validate(request)


def _leveled(outcome: str, level: str | float | None) -> str:
    """Return an outcome with the level whose share is compared, as a request names it."""
    return outcome if level is None else f"{outcome}={level_text(level)}"


def _lever(lever: str | Mapping[str, Any]) -> Json:
    """Return a lever as a pod is asked for it."""
    found: Json = {"column": lever} if isinstance(lever, str) else dict(lever)
    for field in ("value", "baseline"):
        given = found.get(field)
        if given is not None:
            unit = "level" if isinstance(given, str) else "number"
            found[field] = {unit: given}
    return found
