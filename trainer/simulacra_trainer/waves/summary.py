"""The wave summary of a table: shares of each answer, over all and by banner columns.

Banner columns are left out, the weakest first, until the strong attacker cannot tell who took part;
without any the answers alone are in it, and where even they tell too much there is no summary.
"""

from collections.abc import Collection, Mapping, Sequence
from itertools import chain

import numpy as np
import pyarrow as pa
from scipy.special import ndtr, ndtri

from simulacra_intake.arrow_values import as_floats
from simulacra_intake.persons.cross_sections import FEWEST_ROWS
from simulacra_intake.survey_weights import Floats
from simulacra_schema.background import propose_background
from simulacra_schema.questions.knowledge import Knowledge
from simulacra_schema.table import ColumnSchema, TableSchema
from simulacra_schema.wave_summary import (
    BANNER_LEVELS,
    MAX_CONTENT_BYTES,
    MOST_BANNERS,
    MOST_WAVES,
    WaveSummary,
)
from simulacra_trainer.design import CLASSES
from simulacra_trainer.report.attackers.attacks import auc
from simulacra_trainer.report.attackers.published_tables import CAP, PRIOR_COUNT
from simulacra_trainer.waves.labels import label_of
from simulacra_trainer.waves.restated import restated
from simulacra_trainer.waves.shares import Bools, Question, Sample, sample_in, sample_of
from simulacra_trainer.waves.told_tables import Cells, rows_of_wave, strength, tables_of, told_wave

MOST_BACKGROUND = 6
MOST_LEVELS = 40
"""Levels of a question, above which it is left out."""
LINKED = "Rows belong to persons who answer several times; a summary is of other persons each time."
PRIVATE = "The model has differential privacy, and a summary of its rows is beyond the guarantee."
FEW = f"No wave has {FEWEST_ROWS} rows, and shares of fewer tell of single persons."
TELLING = (
    "Even shares of single answers let whoever knows the population tell who took part (AUC {found}"
    ", and {cap} at most). Leave questions out, or ask more persons."
)
CAPS = {"standard": CAP, "strict": 0.60}
"""AUC that the attacker may have, by the model's privacy level."""
SIDES = 2.0
"""z of the attacker on halves relative to that of all rows: a half has twice the share of each of
its persons, and half of what is known of the population is the other half."""
SPLITS = 20
SPLIT_ROWS = 30_000
"""Rows of all splits together; at least two splits are made."""


def wave_summary(
    table: pa.Table,
    schema: TableSchema,
    knowledge: Knowledge,
    *,
    strict: bool = False,
    earlier: WaveSummary | None = None,
    seed: int = 0,
) -> WaveSummary:
    """Return the summary of a clean table's waves and those of an earlier summary.

    knowledge: of the fit; the first 4 of its background columns with few levels are the banner
    unless the table states one. strict: whether the model is; earlier: what the customer handed
    back.
    """
    if schema.subject() is not None:
        return WaveSummary(waves=[], reason=LINKED)
    sample = sample_of(table, schema) or one_wave(table, schema, earlier)
    sample, carried, edges = restated(sample, earlier)
    asked = questions_of(sample, edges)
    named = {one.column.name: one for one in asked}
    few = schema.banner or [one.name for one in background_of(sample, knowledge)]
    few = [name for name in few if name in named and named[name].count <= BANNER_LEVELS]
    few = few[:MOST_BANNERS]
    cap = CAPS["strict" if strict else "standard"]
    rng = np.random.default_rng([seed, 43])
    waves, reason = [], FEW
    for at in np.flatnonzero(sample.rows() >= FEWEST_ROWS)[-MOST_WAVES:]:
        wave = rows_of_wave(sample, int(at), named)
        kept = sorted(few, key=lambda name: -strength(wave, name))
        while (found := attack(tables_of(wave, kept), rng)) > cap and kept:
            kept.pop()
        if found > cap:
            reason = TELLING.format(found=f"{found:.2f}", cap=cap)
            continue
        waves.append(told_wave(wave, [name for name in few if name in kept], found))
    column = schema.wave()
    name = label_of(schema, earlier)[0] if column is None else column.name
    if not waves or waves[-1].label != sample.levels[-1]:
        return WaveSummary(column=name, waves=[], reason=reason)
    return _of_size(WaveSummary(column=name, waves=[*carried, *waves][-MOST_WAVES:]))


def one_wave(table: pa.Table, schema: TableSchema, earlier: WaveSummary | None) -> Sample:
    """Return the sample of a table without waves: all rows are of one.

    Its label is that of `label_of`.
    """
    labels = [label_of(schema, earlier)[1]]
    return sample_in(table, schema, np.zeros(table.num_rows, np.int64), labels)


def background_of(sample: Sample, knowledge: Knowledge) -> list[ColumnSchema]:
    """Return confirmed and recognized background columns that say who was asked, at most 6."""
    schema = sample.schema
    names: Collection[str] = dict.fromkeys(
        chain(
            chain.from_iterable(knowledge.confirmed),
            (one.column for one in propose_background(schema) if one.group != "fielding"),
        )
    )
    columns = (one for one in map(schema.find, names) if one is not None)
    asked = filter(sample.has_question, columns)
    return [one for one in asked if not Question(sample, one).is_of_waves][:MOST_BACKGROUND]


def questions_of(sample: Sample, edges: Mapping[str, Sequence[float]]) -> list[Question]:
    """Return the questions of a summary; numbers have the given bands, else fifths with round ends.

    They are ordinary columns with 2 to 40 answers that do not tell the wave.
    """
    found = []
    for column in filter(sample.has_question, sample.schema.learned()):
        values = sample.table.column(column.name)
        ends = None
        if not pa.types.is_dictionary(values.type):
            ends = edges.get(column.name) or _round_fifths(as_floats(values.combine_chunks()))
        one = Question(sample, column, ends)
        if 1 < one.count <= MOST_LEVELS and not one.is_of_waves:
            found.append(one)
    return found


def _round_fifths(numbers: Floats) -> list[float]:
    """Return the ends of fifths, rounded to a hundredth of their spread: none is one person's."""
    known = numbers[~np.isnan(numbers)]
    if not known.size:
        return []
    ends = np.quantile(known, np.arange(1, CLASSES) / CLASSES)
    spread = float(ends[-1] - ends[0]) or 1.0
    step = 10.0 ** np.floor(np.log10(spread) - 1.0)
    if not np.any(known % 1):
        step = max(step, 1.0)
    return [float(f"{end:.12g}") for end in np.unique(np.round(ends / step) * step)]


def _of_size(summary: WaveSummary) -> WaveSummary:
    """Return the summary within its size: without the oldest banner tables, then waves."""
    while len(summary.content()) > MAX_CONTENT_BYTES:
        waves = list(summary.waves)
        with_tables = [at for at, wave in enumerate(waves) if wave.banner]
        if with_tables:
            at = with_tables[0]
            plain = [one.model_copy(update={"by": {}}) for one in waves[at].questions]
            waves[at] = waves[at].model_copy(update={"banner": [], "questions": plain})
        elif len(waves) > 1:
            waves = waves[1:]
        else:
            questions = waves[0].questions[: len(waves[0].questions) // 2]
            waves = [waves[0].model_copy(update={"questions": questions})]
        summary = summary.model_copy(update={"waves": waves})
    return summary


def attack(tables: Sequence[Cells], rng: np.random.Generator) -> float:
    """Return the strong attacker's AUC on the persons of these tables, 0.5..1.

    He knows a person's whole record and the population, and adds up the log ratios of the person's
    cells (Homer et al., 2008). Here one random half of the rows has been published and the other
    has not; each stands for the population to the other, so the tables of a half tell more than
    those of all rows.
    """
    rows = tables[0].cell.size if tables else 0
    if rows < 4:
        return 1.0
    splits = int(np.clip(SPLIT_ROWS // rows, 2, SPLITS))
    found = [_on_halves(tables, rng.permutation(rows) % 2 == 0) for _ in range(splits)]
    z = float(np.mean(ndtri(np.clip(found, 1e-6, 1.0 - 1e-6))))
    return float(ndtr(max(z, 0.0) / SIDES))


def _on_halves(tables: Sequence[Cells], published: Bools) -> float:
    score = np.zeros(published.size)
    for table in tables:
        size = table.told.size
        known = (table.cell >= 0) & table.told[table.cell]
        inside, outside = (
            np.bincount(table.cell[known & half], minlength=size) + PRIOR_COUNT
            for half in (published, ~published)
        )
        score[known] += np.log(inside / outside)[table.cell[known]]
    return auc(score[published], score[~published]).value + 0.5
