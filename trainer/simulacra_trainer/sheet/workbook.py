"""The answer sheet as an Excel workbook: ranking, adjustment sets, checks, curves, statements."""

from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any

import pyarrow as pa

from simulacra_schema.answers import AdjustmentEffect
from simulacra_schema.formats.xlsx import write_sheets
from simulacra_schema.sheets import LeverAnswer, SheetResult
from simulacra_trainer.sheet.page import contrast

Row = Mapping[str, Any]
Lever = tuple[str, LeverAnswer]


def write_workbook(sheet: SheetResult) -> bytes:
    """Return the workbook."""
    levers = [(contrast(lever), lever) for lever in sheet.levers]
    parts: dict[str, Sequence[Row]] = {
        "Ranking": [_ranking(name, lever) for name, lever in levers],
        "Adjustment sets": _alternatives(levers),
        "Checks": [
            {"lever": name, "check": one.name, "outcome": one.outcome, "detail": one.detail}
            for name, lever in levers
            for one in lever.answer.checks
        ],
        "Curves": _curves(levers),
        "Statements": _statements(levers),
        "About": _about(sheet),
    }
    sink = BytesIO()
    write_sheets(sink, {name: _table(rows) for name, rows in parts.items() if rows})
    return sink.getvalue()


def _ranking(name: str, lever: LeverAnswer) -> Row:
    answer, span, alone = lever.answer, lever.answer.union, lever.alone
    found, whom = answer.sensitivity, answer.answered
    return {
        "rank": lever.rank,
        "lever": name,
        "verdict": answer.verdict.kind,
        "in words": answer.verdict.text,
        "why not ranked": lever.unranked,
        "precision": None if answer.verdict.kind == "contradicted" else answer.precision,
        "effect": answer.estimate.effect,
        "low, all together": None if span is None else span.low,
        "high, all together": None if span is None else span.high,
        "low, alone": None if alone is None else alone.low,
        "high, alone": None if alone is None else alone.high,
        "answered for": None if whom is None else whom.text,
        "low, everybody": None if whom is None else whom.everybody.low,
        "high, everybody": None if whom is None else whom.everybody.high,
        "plain difference": answer.naive,
        "effective rows": answer.effective_rows,
        "robustness": None if found is None else found.robustness,
        "low, unseen cause": None if found is None or found.unseen is None else found.unseen.low,
        "high, unseen cause": None if found is None or found.unseen is None else found.unseen.high,
    }


def _alternatives(levers: Sequence[Lever]) -> list[Row]:
    return [
        {
            "lever": name,
            "adjusted for": ", ".join(one.adjustment),
            "outcome came first": one.reverses,
            "effect": one.effect if isinstance(one, AdjustmentEffect) else None,
            "low": one.low,
            "high": one.high,
            "effective rows": one.effective_rows,
        }
        for name, lever in levers
        for one in lever.answer.alternatives
    ]


def _curves(levers: Sequence[Lever]) -> list[Row]:
    return [
        {
            "lever": lever.answer.treatment,
            "at": point.at,
            "mean": point.mean,
            "low": point.low,
            "high": point.high,
            "effective rows": point.effective_rows,
        }
        for _, lever in levers
        if lever.curve is not None
        for point in lever.curve.points
    ]


def _statements(levers: Sequence[Lever]) -> list[Row]:
    return [
        {
            "lever": name,
            "came before": ", ".join(said.earlier),
            "came after": ", ".join(said.later),
            "origin": said.origin,
            "by": said.author,
            "when": None if said.time is None else said.time.isoformat(),
        }
        for name, lever in levers
        for said in lever.answer.verdict.rests_on
    ]


def _about(sheet: SheetResult) -> list[Row]:
    facts = {
        "outcome": sheet.outcome,
        "level": sheet.outcome_level or "",
        "population": sheet.population,
        "in words": sheet.text,
        "rows": str(sheet.rows),
        "intervals that hold together": str(sheet.intervals),
        "half-width in standard errors": f"{sheet.critical:.4g}",
        "seed": str(sheet.seed),
        "version": sheet.version,
        "model SHA-256": sheet.model_sha256,
    }
    facts |= {f"missing: {one.column}": f"{100 * one.share:.1f} %" for one in sheet.missing}
    facts |= {f"no lever: {one.column}": one.reason for one in sheet.left_out}
    return [{"what": what, "value": value} for what, value in facts.items()]


def _table(rows: Sequence[Row]) -> pa.Table:
    return pa.Table.from_pylist([dict(row) for row in rows])
