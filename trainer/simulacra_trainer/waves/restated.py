"""A summary of earlier waves under the names and levels that its questions have now."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from simulacra_intake.matching.levels import joined_levels
from simulacra_intake.matching.questions import few_values, spelled
from simulacra_intake.rows_of_persons import MIN_PERSONS
from simulacra_schema.table import EarlierQuestion
from simulacra_schema.wave_summary import BannerCells, SummaryQuestion, SummaryWave, WaveSummary
from simulacra_trainer.report.comparison.marginals import level_label
from simulacra_trainer.waves.shares import Sample
from simulacra_trainer.waves.told_tables import fingerprint_of

Values = Sequence[float | None]


class Restated(NamedTuple):
    """A sample in which few whole numbers are levels, and what may be compared of the waves."""

    sample: Sample
    waves: list[SummaryWave]
    edges: Mapping[str, Sequence[float]]
    """Upper ends of the bands of numbers, by question."""


def restated(sample: Sample, summary: WaveSummary | None) -> Restated:
    """Return earlier waves with names and levels of today, as the description states them.

    Under a name of today they have only what may be compared with it: not what is to confirm, nor
    another question that had the name.
    """
    summary = summary or WaveSummary(waves=[])
    schema = sample.schema
    said = {one.name: one.earlier for one in schema.columns if one.earlier is not None}
    bands = {name for name, one in summary.questions().items() if one.edges is not None}
    called = {name: of.question for name, of in said.items() if of.stated}
    numbers = [n for n in sample.table.column_names if called.get(n, n) in bands]
    sample = _with_scales(sample, numbers)
    levels = {}
    for name in sample.table.column_names:
        values, column = sample.table.column(name).combine_chunks(), schema.find(name)
        if column is not None and pa.types.is_dictionary(values.type):
            levels[name] = [level_label(column, one) for one in values.dictionary.to_pylist()]
    waves = [_restated(wave, said, levels) for wave in summary.waves]
    edges = {q.name: q.edges for wave in waves for q in wave.questions if q.edges is not None}
    return Restated(sample, waves, edges)


def _with_scales(sample: Sample, numbers: Sequence[str]) -> Sample:
    """Return a sample whose few whole numbers, as of a scale, are levels; those of few rows go.

    numbers: columns that stay numbers.
    """
    table = sample.table
    for place, name in enumerate(table.column_names):
        column, values = sample.schema.find(name), table.column(name).combine_chunks()
        if column is None or column.role is not None or not column.is_numeric or name in numbers:
            continue
        coded = few_values(values)
        if not pa.types.is_dictionary(coded.type):
            continue
        codes = coded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
        kept = np.bincount(codes[codes >= 0], minlength=len(coded.dictionary)) >= MIN_PERSONS
        at = np.append(np.where(kept, np.cumsum(kept) - 1, -1), -1)[codes].astype(np.int32)
        levels = coded.dictionary.filter(pa.array(kept))
        coded = pa.DictionaryArray.from_arrays(pa.array(at, mask=at < 0), levels)
        table = table.set_column(place, name, coded)
    return replace(sample, table=table)


def _restated(
    wave: SummaryWave, said: Mapping[str, EarlierQuestion], levels: Mapping[str, Sequence[str]]
) -> SummaryWave:
    names = {one.name for one in wave.questions}
    stated = {of.question: n for n, of in said.items() if of.stated and of.question in names}
    doubtful = {n for n, of in said.items() if not (of.stated and of.question)}
    others = (doubtful | set(stated.values())) - stated.keys()
    pairs = []
    for one in wave.questions:
        if one.name not in others:
            name = stated.get(one.name, one.name)
            pairs.append((one, _called(one, name, said.get(name), levels.get(name, ()))))
    if [new for _, new in pairs] == wave.questions:
        return wave
    banner = {old.name: new.name for old, new in pairs if len(old.levels) == len(new.levels)}
    questions = [
        new.model_copy(update={"by": {banner[b]: c for b, c in new.by.items() if b in banner}})
        for _, new in pairs
    ]
    kept = [banner[name] for name in wave.banner if name in banner]
    update = {"banner": kept, "questions": questions, "fingerprint": fingerprint_of(questions)}
    return wave.model_copy(update=update)


def _called(
    one: SummaryQuestion, name: str, of: EarlierQuestion | None, levels: Sequence[str]
) -> SummaryQuestion:
    """Return a question under its name and levels of today; several that became one are summed."""
    if one.edges is not None or not levels:
        return one.model_copy(update={"name": name})
    if of is not None and of.question == one.name:
        joined = joined_levels(levels, one.levels, of.levels) or {}
    else:
        by_key = {spelled(level): level for level in levels}
        joined = {old: by_key[spelled(old)] for old in one.levels if spelled(old) in by_key}
    apart = {old: f"{old} (earlier)" if old in levels else old for old in one.levels}
    places: dict[str, list[int]] = {}
    for at, old in enumerate(one.levels):
        places.setdefault(joined.get(old, apart[old]), []).append(at)

    def told(values: Values, of_group: Callable[[Sequence[float]], float]) -> Values:
        groups = [[values[at] for at in group] for group in places.values()]
        return [None if None in g else of_group([v for v in g if v is not None]) for g in groups]

    cells = {
        by: BannerCells(respondents=cell.respondents, hits=[[*told(row, sum)] for row in cell.hits])
        for by, cell in one.by.items()
    }
    update = {"name": name, "levels": [*places], "hits": told(one.hits, sum), "by": cells}
    update |= {"effects": told(one.effects, max), "freedom": told(one.freedom, min)}
    return one.model_copy(update=update)
