"""Tables of one wave of a summary: which cells are shown, and their counts with noise."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from simulacra_intake.matching.likeness import cramers_v
from simulacra_intake.rows_of_persons import MIN_PERSONS, Ints
from simulacra_intake.survey_weights import Floats
from simulacra_schema.wave_summary import BannerCells, SummaryQuestion, SummaryWave, digest_of
from simulacra_trainer.cell_keys import Keys, key_of_all, noise_of, noisy, summed
from simulacra_trainer.report.comparison.marginals import level_label
from simulacra_trainer.waves.shares import Bools, Question, Sample, band_names


class WaveRows(NamedTuple):
    """The rows of one wave.

    at: of the wave in the sample; rows: in the table, int64 [n]; codes: of each question there.
    """

    sample: Sample
    at: int
    rows: Ints
    questions: Mapping[str, Question]
    codes: Mapping[str, Ints]


class Cells(NamedTuple):
    """One table: the cell of each row, int64 [n], -1 where it has none, and what is published."""

    cell: Ints
    told: Bools


def _levels(question: Question) -> list[str]:
    values = question.values()
    if values is not None:
        return [level_label(question.column, value) for value in values]
    return band_names(question.edges or ())


def shape_of(question: Question) -> SummaryQuestion:
    """Return name and levels of a question, and nothing of its answers."""
    edges = None if question.edges is None else [*map(float, question.edges)]
    none: list[float | None] = [None] * question.count
    return SummaryQuestion(
        name=question.column.name,
        label=question.column.label,
        levels=_levels(question),
        edges=edges,
        respondents=0,
        worth=0,
        hits=none,
        effects=none,
        freedom=none,
    )


def rows_of_wave(sample: Sample, at: int, questions: Mapping[str, Question]) -> WaveRows:
    """Return one wave of a sample, with the answers of its rows."""
    rows = np.flatnonzero(sample.wave == at)
    codes = {name: question.of_rows()[rows] for name, question in questions.items()}
    return WaveRows(sample, at, rows, questions, codes)


def fingerprint_of(questions: Sequence[SummaryQuestion]) -> str:
    """Return the SHA-256 of names, labels and levels."""
    return digest_of([[one.name, one.label, one.levels] for one in questions])


def seen_in(wave: WaveRows, banner: Sequence[str]) -> list[SummaryQuestion]:
    """Return what a summary would say of a wave, without errors: enough to match questions."""
    found = []
    for name, question in wave.questions.items():
        rows = int((wave.codes[name] >= 0).sum())
        hits = [round(rows * float(share), 1) for share in question.shares[wave.at]]
        by = {one: _by(wave, name, one) for one in banner if one != name}
        update = {"respondents": rows, "hits": hits, "by": by}
        found.append(shape_of(question).model_copy(update=update))
    return found


def _crossed(wave: WaveRows, name: str, by: str) -> tuple[Ints, Ints]:
    """Return the cell of each row, -1 without one, and the shape of the table: levels, answers."""
    count = wave.questions[name].count
    of, level = wave.codes[name], wave.codes[by]
    cell = np.where((of >= 0) & (level >= 0), level * count + of, -1)
    return cell, np.array([wave.questions[by].count, count])


def _counts(wave: WaveRows, cell: Ints, shape: Ints) -> tuple[Floats, Floats]:
    """Return noise and persons of each cell with the noise, float64 of this shape."""
    known, size = cell >= 0, int(np.prod(shape))
    noise = noise_of(summed(wave.sample.keys[wave.rows][known], cell[known], size))
    persons = np.bincount(cell[known], minlength=size) + noise
    return noise.reshape(shape), persons.reshape(shape)


def told_cells(persons: Floats) -> Bools:
    """Return the cells that are shown: of five persons, and none that follows from the others."""
    told = persons >= MIN_PERSONS
    while True:
        before = told.copy()
        for lines, of in ((told, persons), (told.T, persons.T)):
            for line, size in zip(lines, of, strict=True):
                if line.size - line.sum() == 1 and line.any():
                    line[np.flatnonzero(line)[np.argmin(size[line])]] = False
        if np.array_equal(told, before):
            return told


def tables_of(wave: WaveRows, banner: Sequence[str]) -> list[Cells]:
    """Return all tables that would be told; whole margins, since the others give a rare answer."""
    found = [
        Cells(wave.codes[name], np.ones(question.count, np.bool_))
        for name, question in wave.questions.items()
    ]
    for name in wave.questions:
        for by in banner:
            if by != name:
                cell, shape = _crossed(wave, name, by)
                found.append(Cells(cell, told_cells(_counts(wave, cell, shape)[1]).ravel()))
    return found


def strength(wave: WaveRows, by: str) -> float:
    """Return how much the answers differ by a banner column: the mean of Cramer's V squared."""
    found = []
    for name in wave.questions:
        cell, shape = _crossed(wave, name, by)
        size = int(np.prod(shape))
        table = np.bincount(cell[cell >= 0], minlength=size).reshape(shape).astype(np.float64)
        if name != by and table.any():
            found.append(cramers_v(table) ** 2)
    return float(np.mean(found)) if found else 0.0


def told_wave(wave: WaveRows, banner: Sequence[str], found: float) -> SummaryWave:
    """Return what a summary says of a wave; found: AUC of the attacker on it."""
    questions = [_question(wave, name, banner) for name in wave.questions]
    sample, rows = wave.sample, wave.rows
    clusters = np.unique(sample.clusters[rows]).size
    return SummaryWave(
        label=sample.levels[wave.at],
        rows=_told(wave, sample.keys[rows]),
        clusters=None if clusters == rows.size else clusters,
        fingerprint=fingerprint_of(questions),
        attack=round(found, 3),
        banner=list(banner),
        questions=questions,
    )


def _told(wave: WaveRows, keys: Keys) -> float:
    """Return the number of rows with these keys, as it may be told."""
    return float(noisy(np.array([keys.size]), key_of_all(keys), wave.sample.keys.size)[0])


def _question(wave: WaveRows, name: str, banner: Sequence[str]) -> SummaryQuestion:
    question, at = wave.questions[name], wave.at
    answered = question.wave == at
    keys = wave.sample.keys[question.known][answered]
    respondents = max(_told(wave, keys), 1.0)
    hits: list[float | None] = []
    effects: list[float | None] = []
    freedom: list[float | None] = []
    for level in range(question.count):
        if not question.shown[at, level]:
            hits, effects, freedom = [*hits, None], [*effects, None], [*freedom, None]
            continue
        share, worth = question.exact[at, level], question.worth[at]
        parts = question.parts(level, {at: 1.0}, None)
        effect = parts.variance * worth / max(share * (1.0 - share), 1e-12)
        # Not finer than the noise: degrees of freedom, or tenths of persons, would tell how many
        # answered, and of two questions how few did not.
        hits.append(float(round(float(question.shares[at, level]) * respondents)))
        effects.append(float(f"{effect:.3g}"))
        freedom.append(float(f"{parts.freedom * respondents / max(keys.size, 1):.2g}"))
    by = {one: _by(wave, name, one) for one in banner if one != name}
    told = {"respondents": respondents, "hits": hits, "effects": effects, "freedom": freedom}
    told["worth"] = round(float(question.worth[at]) * respondents / max(keys.size, 1), 1)
    return shape_of(question).model_copy(update=told | {"by": by})


def _by(wave: WaveRows, name: str, by: str) -> BannerCells:
    cell, shape = _crossed(wave, name, by)
    known, size = cell >= 0, int(np.prod(shape))
    noise, persons = _counts(wave, cell, shape)
    told = told_cells(persons)
    weights = wave.sample.weights[wave.rows][known]
    weighted = np.bincount(cell[known], weights, size).reshape(shape)
    rows = np.bincount(cell[known], minlength=size).reshape(shape).sum(axis=1)
    mean = weighted.sum(axis=1) / np.maximum(rows, 1)
    hits = np.maximum(weighted / np.maximum(mean, 1e-300)[:, None] + noise, 0.0)
    of_level = np.where(told.any(axis=1), persons.sum(axis=1), 0.0)
    return BannerCells(
        respondents=[float(one) if one >= MIN_PERSONS else None for one in of_level],
        hits=[
            [round(float(hit), 1) if is_told else None for hit, is_told in zip(*pair, strict=True)]
            for pair in zip(hits, told, strict=True)
        ],
    )
