"""From a request to the answer sheet: contrasts, simultaneous intervals, verdicts, ranking."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from itertools import chain

import numpy as np
import pyarrow as pa

from simulacra_crds.tasks import EstimateRequest, SheetRequest
from simulacra_intake.arrow_values import sample_rows
from simulacra_intake.errors import invalid_request, refuse
from simulacra_intake.rows_of_persons import MIN_PERSONS, persons_a_group
from simulacra_schema.answers import Span
from simulacra_schema.claims import mask_unclaimed
from simulacra_schema.questions.knowledge import check_edges
from simulacra_schema.sheets import (
    LeftOut,
    LeverAnswer,
    MissingShare,
    PropensityCounts,
    SheetResult,
)
from simulacra_trainer.cell_keys import noise_of, person_keys, summed
from simulacra_trainer.design import units_in
from simulacra_trainer.effects.column_timing import ColumnTiming, presumed, read_timing
from simulacra_trainer.effects.estimate import MAX_ROWS, MIN_ROWS, as_usual, result_of, warnings_of
from simulacra_trainer.effects.estimator import Estimator
from simulacra_trainer.effects.findings import check
from simulacra_trainer.effects.models.contrast import read_outcome
from simulacra_trainer.effects.models.features import Floats
from simulacra_trainer.effects.scores import Scores, row_influence
from simulacra_trainer.effects.simultaneous import critical_value, on_table, student_width
from simulacra_trainer.effects.tried_sets import Tried, try_sets
from simulacra_trainer.evidence import coarse
from simulacra_trainer.progress import ProgressMeter, Sink, silent
from simulacra_trainer.sheet.curves import lever_curve
from simulacra_trainer.sheet.levers import read_levers
from simulacra_trainer.sheet.ranking import headline, ranked, summary_of
from simulacra_trainer.trained_model import TrainedModel

CLASSES = 10
"""Equal classes of the propensities that are counted."""
BLOCK = 1 << 16
"""Rows of texts that are hashed at a time."""


@dataclass(frozen=True)
class _Open:
    """One contrast before its checks; influences are by row or person of the whole table.

    Its estimator has a copy of the table, so it is made again for the checks.
    """

    asked: EstimateRequest
    timing: ColumnTiming
    tried: Tried
    influences: list[Floats]
    usual: tuple[ColumnTiming, Tried] | None = None


def answer_sheet(
    trained: TrainedModel, request: SheetRequest, *, seed: int, sink: Sink = silent
) -> SheetResult:
    """Return the effects of all levers on one outcome, with intervals that hold together.

    seed: of folds, samples and multipliers; the same seed gives the same sheet on one platform.
    sink: gets two steps for each contrast, its effects and its checks.

    Raises:
        InputError: the request does not match the schema, or no lever is left.
    """
    schema, graph = trained.schema, trained.graph
    column, level = read_outcome(schema, request.outcome)
    faults = chain(request.faults(schema), check_edges(graph.knowledge, request.blocks, schema))
    refuse(faults, "A lever or a list of the sheet names what it cannot have.")
    table = sample_rows(trained.table, MAX_ROWS, np.random.default_rng(seed))
    contrasts, left = read_levers(table, schema, graph, request, column.name)
    effects, checks = (_steps(name, len(contrasts)) for name in ("effect", "checks"))
    meter = ProgressMeter(dict.fromkeys([*effects, *checks], 1.0), sink)
    opened: list[_Open] = []
    for step, asked in zip(effects, contrasts, strict=True):
        meter.step(step)
        found = _open(table, trained, asked, seed)
        if found is None:
            detail = f"Fewer than {MIN_ROWS} rows have this lever and the outcome."
            left.append(LeftOut(column=asked.treatment, reason=detail))
        else:
            opened.append(found)
    if not opened:
        message = "No column is left that could be a lever."
        raise invalid_request(message, f"{message} Name some.", "/levers")
    family = [values for one in opened for values in one.influences]
    critical = critical_value(family, seed)
    answers = []
    for step, one in zip(checks, opened, strict=False):
        meter.step(step)
        answers.append(_answer(one, table, trained, critical, seed))
    meter.step(checks[-1])(1.0)
    levers = ranked(answers)
    return SheetResult(
        outcome=column.name,
        outcome_level=level,
        population=request.population,
        text=headline(levers),
        critical=critical,
        intervals=len(family),
        levers=levers,
        left_out=left,
        rows=table.num_rows,
        missing=[*_missing(trained, column.name, levers)],
        seed=seed,
        version=version("simulacra"),
        model_sha256=_digest(trained),
        summary=summary_of(levers),
    )


def _steps(name: str, count: int) -> list[str]:
    """Return the step of each contrast; without its column, because operators may see steps."""
    return [f"{name} {at + 1} of {count}" for at in range(count)]


def _open(
    table: pa.Table, trained: TrainedModel, asked: EstimateRequest, seed: int
) -> _Open | None:
    """Return the effects under each open set; None if too few rows know lever and outcome."""
    estimator = Estimator(table, trained.schema, asked, seed)
    contrast, graph = estimator.contrast, trained.graph
    if contrast.rows.size < MIN_ROWS:
        return None
    timing = read_timing(
        graph.knowledge, trained.schema, asked, contrast.outcome_column, graph.stated
    )
    tried = try_sets(estimator, timing, graph)
    usual = presumed(timing, trained.schema, asked.treatment, contrast.outcome_column)
    presuming = None if usual is None else try_sets(estimator, usual, graph)
    both = (tried, presuming) if presuming is not None else (tried,)
    influences = [row_influence(runs[0]) for one in both for _, runs, _ in one.found]
    if contrast.shifts is not None:
        influences = [one @ contrast.shifts for one in influences]
    else:
        units = units_in(table, trained.schema)
        influences = [on_table(one, contrast.rows, units, table.num_rows) for one in influences]
    # Only the main set's cross-fits are used again; the others would fill the memory.
    thinned = None if usual is None or presuming is None else (usual, _thinned(presuming))
    return _Open(asked, timing, _thinned(tried), influences, thinned)


def _thinned(tried: Tried) -> Tried:
    """Return what was tried with the cross-fits of the main set, and one of each other set."""
    kept = [(s, runs if k == 0 else runs[:1], i) for k, (s, runs, i) in enumerate(tried.found)]
    return replace(tried, found=kept)


def _widened(estimator: Estimator, tried: Tried, critical: float) -> Tried:
    """Return what was tried with intervals that hold together."""
    effective = np.array([runs[0].effective_units() for _, runs, _ in tried.found])
    widths = student_width(critical, effective, estimator.contrast.shifts).tolist()
    wide = [
        (s, runs, replace(i, critical=width))
        for (s, runs, i), width in zip(tried.found, widths, strict=True)
    ]
    return replace(tried, found=wide)


def _answer(
    one: _Open, table: pa.Table, trained: TrainedModel, critical: float, seed: int
) -> LeverAnswer:
    """Return the answer about one contrast, judged by its simultaneous interval."""
    estimator, tried = Estimator(table, trained.schema, one.asked, seed), one.tried
    timing = one.timing
    found = check(estimator, timing, trained.graph, _widened(estimator, tried, critical))
    answer = result_of(estimator, timing, found)
    if answer.verdict.kind == "open" and one.usual is not None:
        presuming, tried_so = one.usual
        widened = _widened(estimator, tried_so, critical)
        own = check(estimator, presuming, trained.graph, widened)
        if (usual := as_usual(estimator, presuming, own, found, answer)) is not None:
            timing, tried, found, answer = presuming, tried_so, own, usual
    answer.warnings = [*warnings_of(estimator, timing, found, trained.graph)]
    answer = mask_unclaimed(answer)
    alone = [i for _, _, i in tried.found]
    ends = [coarse(end, i.error) for i in alone for end in (i.low, i.high)]
    ends += [coarse(end, alone[0].error) for one in tried.bounded for end in one.answered]
    ends += [0.0 for _ in tried.reversing]
    span = answer.union
    near = 0.0
    if span is not None and not span.low <= 0 <= span.high:
        near = min(abs(span.low), abs(span.high))
    lever = LeverAnswer(
        near=near,
        alone=Span(low=min(ends), high=max(ends)) if span is not None else None,
        answer=answer,
        propensities=_counts(estimator, tried.found[0][1][0]) if tried.found else None,
    )
    if trained.schema.column(answer.treatment).is_numeric and tried.found:
        lever.curve = lever_curve(estimator, answer, seed)
    return lever


def _counts(estimator: Estimator, scores: Scores) -> PropensityCounts:
    """Return the rows of each arm by propensity, with noise and without classes of few persons."""
    keys = person_keys(estimator.table, estimator.schema)
    which = np.minimum((scores.propensities[0] * CLASSES).astype(np.int64), CLASSES - 1)
    persons = estimator.contrast.persons
    counts = []
    for arm in (estimator.contrast.value, estimator.contrast.baseline):
        found = which[arm.rows]
        noise = noise_of(summed(keys[arm.rows], found, CLASSES)).astype(np.int64)
        who = persons_a_group(found, None if persons is None else persons[arm.rows], CLASSES)
        rows = np.bincount(found, minlength=CLASSES)
        is_shown = (who > 0) & (who + noise >= MIN_PERSONS)
        counts.append(np.where(is_shown, rows + noise, 0).tolist())
    return PropensityCounts(value=counts[0], baseline=counts[1])


def _missing(
    trained: TrainedModel, outcome: str, levers: Sequence[LeverAnswer]
) -> Iterator[MissingShare]:
    """Yield the share of missing values of each column that the sheet uses."""
    used = {outcome}
    for lever in levers:
        used |= {lever.answer.treatment, *lever.answer.adjustment}
    for name in trained.table.column_names:
        column = trained.schema.find(name)
        if column is not None and name in used:
            yield MissingShare(column=name, share=column.missing_share)


def _digest(trained: TrainedModel) -> str:
    """Return the digest of all that the figures depend on: schema, graph and clean table.

    Of the table count names, types and values, not how Arrow cuts it or what lies under a null.
    """
    found = hashlib.sha256(trained.schema.model_dump_json().encode())
    found.update(trained.graph.to_json().encode())
    for name in trained.table.column_names:
        column = trained.table.column(name)
        found.update(json.dumps([name, len(column)]).encode())
        for part in _bytes_of(column):
            found.update(part)
    return found.hexdigest()


def _bytes_of(column: pa.ChunkedArray) -> Iterator[bytes]:
    """Yield type, validity and known values of a column."""
    known = column.drop_null()
    is_coded = pa.types.is_dictionary(column.type)
    yield str(column.type.value_type if is_coded else column.type).encode()
    yield np.packbits(column.is_valid().to_numpy()).tobytes()
    if is_coded:
        coded = known.unify_dictionaries().combine_chunks()
        codes, words = coded.indices.to_numpy(), coded.dictionary.to_pylist()
        used = sorted(np.unique(codes).tolist(), key=lambda code: str(words[code]))
        place = np.zeros(len(words), np.int64)
        place[used] = np.arange(len(used))
        yield json.dumps([words[code] for code in used]).encode()
        yield place[codes].tobytes()
    elif pa.types.is_primitive(column.type):
        yield known.to_numpy().tobytes()
    else:
        for start in range(0, len(known), BLOCK):
            yield json.dumps(known.slice(start, BLOCK).to_pylist()).encode()
