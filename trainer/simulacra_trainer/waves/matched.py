"""Questions that a summary of earlier waves may have under another name, or others under theirs."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from simulacra_intake.matching.match import Match, match_questions
from simulacra_intake.matching.questions import BY_CHANCE_OF_FEW, Question, quantiles_of_bands
from simulacra_intake.persons.renamed import LOOKS_LIKE, MAY_DIFFER
from simulacra_schema.table import CleaningNote, EarlierQuestion, TableSchema
from simulacra_schema.wave_summary import SummaryQuestion, WaveSummary
from simulacra_trainer.waves.restated import restated
from simulacra_trainer.waves.shares import sample_of
from simulacra_trainer.waves.summary import one_wave, questions_of
from simulacra_trainer.waves.told_tables import rows_of_wave, seen_in


def ask_about_earlier(table: pa.Table, schema: TableSchema, summary: WaveSummary) -> None:
    """Note in a schema which questions are to confirm before they are compared with a summary.

    Unasked are questions that kept name and levels and of which nothing speaks for another one.
    """
    sample = sample_of(table, schema) or one_wave(table, schema, summary)
    sample, waves, edges = restated(sample, summary)
    said = {one.name for one in schema.columns if one.earlier is not None}
    past: dict[str, Question] = {}
    for wave in waves:
        past |= {one.name: one for one in _questions(wave.questions, wave.rows)}
    named = {one.column.name: one for one in questions_of(sample, edges)}
    newest = rows_of_wave(sample, len(sample.levels) - 1, named)
    banner = [name for name in (waves[-1].banner if waves else ()) if name in named]
    now = _questions(seen_in(newest, banner), newest.rows.size)
    earlier = [one for name, one in past.items() if name not in said]
    found = match_questions(earlier, [one for one in now if one.name not in said and one.rows])
    sure = {one.newest for one in found.same if one.newest == one.earlier}
    asked = {one.newest: one for one in [*found.same, *found.ask] if one.newest not in sure}
    for place, column in enumerate(schema.columns):
        name = column.name
        if name in past and name in named and name not in said | sure:
            asked.setdefault(name, Match(name, name, "no question is like it"))
        if (match := asked.get(name)) is not None:
            of = EarlierQuestion(question=str(match.earlier), stated=False)
            update = {"earlier": of, "to_confirm": column.to_confirm or "earlier"}
            schema.columns[place] = column.model_copy(update=update)
            words = MAY_DIFFER if match.earlier == name else LOOKS_LIKE
            action = words.format(name=match.earlier, reason=match.reason)
            schema.cleaning.append(CleaningNote(column=name, action=action))


def _questions(questions: Sequence[SummaryQuestion], rows: float) -> list[Question]:
    """Return the questions of a wave of this many rows as they are matched."""
    last = max(len(questions) - 1, 1)
    return [_question(one, at / last, rows) for at, one in enumerate(questions)]


def _question(one: SummaryQuestion, place: float, rows: float) -> Question:
    shares = [(hits or 0.0) / max(one.respondents, 1.0) for hits in one.hits]
    is_number = one.edges is not None
    return Question(
        one.name,
        () if is_number else tuple(one.levels),
        () if is_number else tuple(shares),
        place,
        max(1.0 - one.respondents / max(rows, 1.0), 0.0),
        int(one.respondents),
        one.label,
        () if one.edges is None else quantiles_of_bands(one.edges, shares),
        BY_CHANCE_OF_FEW,
        {
            by: np.array([[hits or 0.0 for hits in row] for row in cells.hits]).T
            for by, cells in one.by.items()
        },
    )
