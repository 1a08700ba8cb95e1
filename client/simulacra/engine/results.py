"""Rows, sheets and effects that were made in this process, as the service answers them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from simulacra.csv_reading import reading_of
from simulacra.effect import Effect
from simulacra.models import Generation, Json, Report
from simulacra.rows import Rows
from simulacra.sheet import Sheet

if TYPE_CHECKING:
    from simulacra_schema.base import KubeModel
    from simulacra_trainer.in_process import Generated, MadeSheet
    from simulacra_trainer.trained_model import TrainedModel


class LocalSheet(Sheet):
    """An answer sheet that was made in this process."""

    def __init__(self, question: Json, made: MadeSheet) -> None:
        found = made.result.model_dump(mode="json", exclude={"summary", "outcome"})
        found["levers"] = [_sheet_lever(one) for one in found["levers"]]
        super().__init__({**question, **found, "status": "ready"})
        self.files = made.files

    def save(self, path: str | Path) -> None:
        """Write appendix (.html), workbook (.xlsx), program (.py) or answers (.json) to a file."""
        path = Path(path)
        if path.suffix == ".json":
            path.write_text(json.dumps(self, indent=2))
        elif path.suffix[1:] in self.files:
            path.write_bytes(self.files[path.suffix[1:]])
        else:
            raise ValueError(f"{path.name}: name a file that ends in .html, .xlsx, .py or .json.")


class _Reported:
    """Generated rows with their report."""

    _trained: TrainedModel
    _made: Generated

    def report(self) -> Report:
        """Return the report of these rows: attainment, and fidelity against the real rows."""
        from simulacra_trainer.in_process import report_rows

        return Report(report_rows(self._trained, self._made))

    def report_page(self) -> str:
        """Return the same report as one self-contained HTML page."""
        return page_of(self.report())


class LocalFile(_Reported, Generation):
    """A generation in this process, whose rows are in a file."""

    def __init__(self, trained: TrainedModel, made: Generated) -> None:
        asked = made.request.model_dump(mode="json", exclude_defaults=True)
        found = _found(trained, made)
        is_met = (found["attainment"] or {}).get("status") != "partial"
        status = "ready" if is_met else "partial"
        super().__init__({"status": status, **asked, "rows": made.plan.rows, **found})
        self._trained = trained
        self._made = made


class SavedRows(Rows):
    """Rows of this process, which a method writes to a file."""

    def save(self, path: str | Path, *, plain: bool = False) -> None:
        """Write the rows to a file: .parquet, .csv, .arrow, .sav or .xlsx, by its suffix.

        A CSV has the delimiter, decimal sign and cells of the table that was fit, or those that
        the description of a draft states; plain: commas, decimal points and ISO dates. Of
        generated rows, `read_csv` says how to read it.
        """
        from simulacra_intake.output.files import write_tables

        write_tables([self.table], Path(path), plain=plain)


class LocalRows(_Reported, SavedRows):
    """Rows that were generated in this process."""

    def __init__(self, trained: TrainedModel, made: Generated) -> None:
        super().__init__(made.rows, **_found(trained, made))
        self._trained = trained
        self._made = made

    def read_csv(self, path: str | Path, *, plain: bool = False) -> str:
        """Return the call of pandas that reads a saved CSV as the same table as Parquet."""
        schema = self._trained.schema.model_dump(mode="json", exclude_none=True)
        return reading_of(schema, plain=plain).call(str(path))


def effect_of(question: Json, found: Json) -> Effect:
    """Return an estimate as the service answers it."""
    from simulacra_schema.answers import ANSWERED

    figures = {"ace": found.pop("estimate")} | {name: found.pop(name, None) for name in ANSWERED}
    is_answered = figures["union"] is not None
    opened = {"open_columns": found.pop("dont_know"), "status": "ready"}
    return Effect({**question, **found, **(figures if is_answered else {}), **opened})


def page_of(report: Json) -> str:
    """Return a report as one self-contained HTML page."""
    from simulacra_trainer.report import render_html

    return render_html(report)


def _sheet_lever(lever: Json) -> Json:
    """Return the answer about a lever as the service gives it."""
    found = effect_of({}, lever.pop("answer"))
    return {**lever, **found, "ace": found.get("ace")}


def _found(trained: TrainedModel, made: Generated) -> Json:
    """Return what rows are worth and rest on, as the service answers it."""
    from simulacra_trainer.pipeline.generation_report import verdicts_on

    plan = made.plan
    return {
        "evidence": _plain(plan.evidence),
        "attainment": _plain(plan.attainment),
        "identification": _plain(plan.identification),
        "verdicts": [one.model_dump() for one in verdicts_on(trained, plan)],
    }


def _plain(found: KubeModel | None) -> Json | None:
    """Return a part of a plan as the service answers it."""
    return None if found is None else found.model_dump(mode="json", exclude_none=True)
