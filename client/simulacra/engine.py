"""The engine in this process, without a server: fit, generate, estimate, report, save, load.

It runs the pipeline of the pods (`simulacra_trainer.in_process`). This is the only module of the
client that imports the engine, and only when it is used (ADR 0067).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simulacra import tables
from simulacra.corrections import Cell, Corrections, Missing
from simulacra.effect import Effect
from simulacra.models import Json, Report, Schema
from simulacra.operations.datasets import with_background
from simulacra.rows import Bounds, Rows, conditions_of
from simulacra.sheet import Sheet

if TYPE_CHECKING:
    from simulacra_crds.kinds.base import KubeModel
    from simulacra_trainer.in_process import Generated, MadeSheet
    from simulacra_trainer.pipeline.trained_model import TrainedModel


def fit(
    source: str | Path | tables.Frame,
    *,
    family: str = "auto",
    knowledge: Json | None = None,
    background: str | None = None,
    weights: str | None = None,
    epsilon: float | None = None,
    delta: float = 1e-6,
    privacy: str = "standard",
    description: Json | None = None,
    subject: str | None = None,
    key_column: str | None = None,
    order: str | None = None,
    drop: str | Sequence[str] | None = None,
    missing: Cell | Missing | None = None,
    seed: int = 0,
) -> Model:
    """Fit a model to a table in this process; nothing leaves the machine.

    The table is cleaned as an upload is. Temporary files are encrypted. The same table, options and
    seed give the same model, whether the table is a file or a pandas, polars or Arrow table.

    Args:
        source: path of a file (CSV, Parquet, Arrow, .xlsx, .sav), or an object with Arrow's
            `__arrow_c_stream__`.
        family: forest, neural or auto.
        knowledge: causal knowledge, as for `Client.upload`.
        background: ask or auto, as for `Client.upload`.
        weights: column of survey weights; the model represents the weighted population.
        epsilon: differential privacy of the model, 0.01 to 100; not together with weights.
        delta: of epsilon.
        privacy: standard, or strict: rows of a small table are besides no nearer to it than the
            DCR bar allows; not together with epsilon.
        description: what the columns are (Data Package v2), as far as it is not to be detected.
        subject: column of the persons that several rows belong to.
        key_column: column that numbers the rows; generated rows get fresh numbers.
        order: column that orders the rows of a person.
        drop: columns to leave out of everything.
        missing: cells that mean no answer: a list of all columns' ("k.A.", "age=99" for one
            column), or {column: cells}.
        seed: of the random numbers.

    Raises:
        ValueError: the table cannot be used, or an option; the message says which and why.
        ModuleNotFoundError: the engine is not installed; the message says how.
    """
    if privacy == "strict" and epsilon is not None:
        raise ValueError("privacy: strict cannot be combined with epsilon. Set either of them.")
    corrections = Corrections(subject, key_column, order, drop, missing)
    corrected = corrections.into(description)
    with _engine(corrections.in_words):
        from simulacra_crds.contract.description import parse_description
        from simulacra_crds.contract.tasks import FitRequest
        from simulacra_trainer.in_process import fit_table

        options = {
            "family": family,
            "knowledge": with_background(knowledge, background) or {},
            "privacy": None if epsilon is None else {"epsilon": epsilon, "delta": delta},
            "privacy_level": privacy,
            "seed": seed,
        }
        table = Path(source) if isinstance(source, str | Path) else tables.to_arrow(source)
        stated = None if corrected is None else parse_description(corrected)
        return Model(fit_table(table, FitRequest.model_validate(options), stated, weights))


def load(directory: str | Path) -> Model:
    """Load a model that `Model.save` or `python -m simulacra_trainer fit` wrote.

    Raises:
        ValueError: the directory has no model.
    """
    if not Path(directory).is_dir():
        raise ValueError(f"{directory}: no such folder. Name one that Model.save wrote.")
    with _engine():
        from simulacra_trainer.pipeline.trained_model import load_model

        return Model(load_model(Path(directory), linked=True))


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
            interventions: do(): {column: value}.
            counterfactual: rows in pairs: each row, then its twin under the interventions.
            evidence: add the column evidence_weight, what each row is worth in respondents.
            seed: of the random numbers.

        Raises:
            ValueError: the request does not match the schema, or has no support in the data.
        """
        if (row_count is None) == (persons is None):
            raise ValueError("Give either row_count or persons.")
        request = {
            "row_count": row_count or 0,
            "persons": persons,
            "conditions": conditions_of(conditions, shares, ranges) or {},
            "interventions": interventions or {},
            "counterfactual": counterfactual,
            "evidence": evidence,
            "seed": seed,
        }
        with _engine():
            from simulacra_crds.contract.tasks import GenerateRequest
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
        with _engine():
            from simulacra_crds.contract.tasks import EstimateRequest
            from simulacra_trainer.in_process import estimate

            asked = EstimateRequest.model_validate(question)
            return _effect(question, estimate(self._trained, asked, seed))

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
        with _engine():
            from simulacra_crds.contract.tasks import SheetRequest
            from simulacra_trainer.in_process import sheet

            asked = [_lever(one) for one in levers]
            request = SheetRequest.model_validate({**question, "levers": asked})
            return LocalSheet(question, sheet(self._trained, request, seed))

    def report(self) -> Report:
        """Return fidelity, privacy, graph and cleaning of the model."""
        return Report(self._trained.report)

    def report_page(self) -> str:
        """Return the report as one self-contained HTML page."""
        return _page(self._trained.report)

    def save(self, directory: str | Path) -> None:
        """Write the model into a directory, which is made if missing.

        It holds the training table unencrypted: keep it as you keep the table.
        """
        from simulacra_trainer.pipeline.trained_model import save_model

        save_model(self._trained, Path(directory))

    def __repr__(self) -> str:
        learned = len(self._trained.schema.learned())
        table = f"{self._trained.schema.rows:,} rows, {learned} learned columns"
        return f"Model({self._trained.family}, {table})"


class LocalSheet(Sheet):
    """An answer sheet that was made in this process."""

    def __init__(self, question: Json, made: MadeSheet) -> None:
        found = made.result.model_dump(mode="json", exclude={"summary", "outcome"})
        found["levers"] = [_sheet_lever(one) for one in found["levers"]]
        super().__init__({**question, **found, "status": "ready"})
        self._files = made.files

    def save(self, path: str | Path) -> None:
        """Write the appendix (.html), the workbook (.xlsx) or the answers (.json) to a file."""
        path = Path(path)
        if path.suffix == ".json":
            path.write_text(json.dumps(self, indent=2))
        elif path.suffix[1:] in self._files:
            path.write_bytes(self._files[path.suffix[1:]])
        else:
            raise ValueError(f"{path.name}: name a file that ends in .html, .xlsx or .json.")


class LocalRows(Rows):
    """Rows that were generated in this process."""

    def __init__(self, trained: TrainedModel, made: Generated) -> None:
        from simulacra_trainer.pipeline.generation_report import verdicts_on

        plan = made.plan
        judged = [one.model_dump() for one in verdicts_on(trained, plan)]
        super().__init__(
            made.rows,
            evidence=_plain(plan.evidence),
            attainment=_plain(plan.attainment),
            identification=_plain(plan.identification),
            verdicts=judged,
        )
        self._trained = trained
        self._made = made

    def save(self, path: str | Path) -> None:
        """Write the rows to a file: .parquet, .csv, .arrow, .sav or .xlsx, by its suffix."""
        from simulacra_trainer.table.output.files import write_tables

        write_tables([self.table], Path(path))

    def report(self) -> Report:
        """Return the report of these rows: attainment, and fidelity against the real rows."""
        from simulacra_trainer.in_process import report_rows

        return Report(report_rows(self._trained, self._made))

    def report_page(self) -> str:
        """Return the same report as one self-contained HTML page."""
        return _page(self.report())


def _plain(found: KubeModel | None) -> Json | None:
    """Return a part of a plan as the service answers it."""
    return None if found is None else found.model_dump(mode="json", exclude_none=True)


def _page(report: Json) -> str:
    from simulacra_trainer.report import render_html

    return render_html(report)


def _effect(question: Json, found: Json) -> Effect:
    """Return an estimate as the service answers it."""
    from simulacra_crds.contract.answers import ANSWERED

    figures = {"ace": found.pop("estimate")} | {name: found.pop(name) for name in ANSWERED}
    is_answered = figures["union"] is not None
    opened = {"open_columns": found.pop("dont_know"), "status": "ready"}
    return Effect({**question, **found, **(figures if is_answered else {}), **opened})


def _lever(lever: str | Mapping[str, Any]) -> Json:
    """Return a lever as a pod is asked for it."""
    found: Json = {"column": lever} if isinstance(lever, str) else dict(lever)
    for field in ("value", "baseline"):
        given = found.get(field)
        if given is not None:
            unit = "level" if isinstance(given, str) else "number"
            found[field] = {unit: given}
    return found


def _sheet_lever(lever: Json) -> Json:
    """Return the answer about a lever as the service gives it."""
    found = _effect({}, lever.pop("answer"))
    return {**lever, **found, "ace": found.get("ace")}


@contextmanager
def _engine(place: Callable[[str], str] = str) -> Iterator[None]:
    """Run the engine; its errors become a ValueError in plain words.

    Args:
        place: returns what a pointer stands for.
    """
    if find_spec("numba") is None:
        how = "pip install 'simulacra[trainer]'"
        raise ModuleNotFoundError(f"Without a server this needs the engine. Run {how}.")
    from pydantic import ValidationError

    from simulacra_crds.contract.description import DescriptionInvalid
    from simulacra_trainer.families.base import ModelFileError
    from simulacra_trainer.kernel_cache import is_cold
    from simulacra_trainer.table.errors import InputError

    if is_cold():
        sys.stderr.write("note: compiling the engine for the first run, up to half a minute\n")
    try:
        yield
    except (DescriptionInvalid, InputError) as error:
        raise ValueError(_in_words(error, place)) from None
    except ValidationError as error:
        wrong = [f"/{'/'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()]
        raise ValueError("; ".join(wrong)) from None
    except ModelFileError as error:
        raise ValueError(str(error)) from None


def _in_words(error: Any, place: Callable[[str], str]) -> str:
    faults = [f"{place(one.pointer) or '/'}: {one.detail}" for one in error.errors]
    return "; ".join(faults) or str(error.detail)
