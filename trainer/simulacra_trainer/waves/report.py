"""The part `waves` of a model's report: what moved, how surely, and whose answers moved it.

It is of the real rows alone: what rows a model draws keep of a move is no evidence of it.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from simulacra_intake.persons.cross_sections import FEWEST_ROWS
from simulacra_intake.persons.renamed import CONFIRM
from simulacra_intake.rows_of_persons import Ints
from simulacra_schema.questions.knowledge import Knowledge
from simulacra_schema.questions.segments import MoveVerdict
from simulacra_schema.table import ColumnSchema, TableSchema
from simulacra_schema.wave_summary import MOST_WAVES, SummaryWave, WaveSummary
from simulacra_trainer.cell_keys import noisy, summed
from simulacra_trainer.design import answer_codes
from simulacra_trainer.evidence import coarse, two_digits
from simulacra_trainer.report.comparison.marginals import level_label
from simulacra_trainer.waves.carried import carried_questions, has_margin, margin_of
from simulacra_trainer.waves.composition import Parts, split, split_one_way
from simulacra_trainer.waves.labels import label_of
from simulacra_trainer.waves.moves import earlier_waves, reach, verdicts
from simulacra_trainer.waves.shares import Estimate, Question, Sample, band_names, sample_of
from simulacra_trainer.waves.summary import background_of, one_wave
from simulacra_trainer.waves.words import sentence_of, summary_of

FIFTHS = ("lowest fifth", "second fifth", "middle fifth", "fourth fifth", "highest fifth")
Asked = tuple[Question, int]
"""A question, and the position of an answer."""


def waves_report(
    table: pa.Table,
    schema: TableSchema,
    knowledge: Knowledge,
    *,
    seed: int,
    earlier: WaveSummary | None = None,
) -> dict[str, Any] | None:
    """Return what moved in the newest wave; None without waves of repeated cross-sections.

    table: of all rows; knowledge: of the fit, whose confirmed columns are background; earlier:
    summary of earlier waves, which go before those of the table.
    """
    sample = sample_of(table, schema)
    carried: Sequence[SummaryWave] = () if earlier is None else earlier.waves
    if sample is None and carried:
        sample = one_wave(table, schema, earlier)
    if sample is None:
        return None
    own = sample.rows()
    rows = np.append([one.rows for one in carried], own).astype(np.int64)
    shown = np.arange(len(rows))[-MOST_WAVES:]
    told = noisy(own, summed(sample.keys, sample.wave, own.size), table.num_rows)
    told = np.append(rows[: len(carried)], told)
    tested = [int(at) for at in shown if rows[at] >= FEWEST_ROWS]
    levels = [*(one.label for one in carried), *sample.levels]
    column = getattr(schema.wave(), "name", None) or label_of(schema, earlier)[0]
    found: dict[str, Any] = {
        "column": str(column or ""),
        "waves": [
            {"wave": levels[at], "rows": int(told[at]), "tested": at in tested}
            for at in map(int, shown)
        ],
        "newest": None,
        "before": None,
        "background": [],
        "answers": [],
    }
    if len(tested) > 1:
        newest, before = tested[-1], tested[-2]
        found |= {"newest": levels[newest], "before": levels[before]}
        background = background_of(sample, knowledge)
        if earlier is None or not carried:
            asked = asked_in(sample)
        else:
            found |= {"carried": earlier.labels, "to_confirm": _to_confirm(schema)}
            asked = carried_questions(sample, earlier)
            if before < len(carried):  # of rows that are gone only margins are known
                known = {one.column.name for one in asked if has_margin(one, before)}
                background = [one for one in background if one.name in known]
        found["background"] = [column.name for column in background]
        waves = _Waves(sample, levels, len(carried), tested[::-1], shown)
        rng = np.random.default_rng([seed, 41])
        found["answers"] = _answers(waves, asked, background, rng)
    return found | {"sentence": summary_of(found)}


class _Waves(NamedTuple):
    """The newest rows and all waves.

    levels: of the waves, the earliest first; carried: how many of them are of a summary; tested:
    those that are compared, the latest first; shown: those of the lines.
    """

    sample: Sample
    levels: Sequence[str]
    carried: int
    tested: Sequence[int]
    shown: Ints


def _to_confirm(schema: TableSchema) -> list[str]:
    """Return which questions may be those of earlier waves: nothing compares them yet."""
    doubtful = {one.name for one in schema.columns if one.earlier and not one.earlier.stated}
    notes = (one for one in schema.cleaning if one.column in doubtful)
    return [f"{one.column} {one.action}" for one in notes if one.action.endswith(CONFIRM)]


def asked_in(sample: Sample) -> list[Question]:
    """Return the questions that are tested: ordinary columns that do not tell the wave."""
    columns = filter(sample.has_question, sample.schema.learned())
    found = (Question(sample, column) for column in columns)
    return [one for one in found if one.count > 1 and not one.is_of_waves]


def changes(
    questions: Sequence[Question], newest: int, before: int
) -> tuple[list[Asked], list[Estimate]]:
    """Return the answers that both waves show, and their changes.

    Of two answers the last stands for both.
    """
    asked = [
        (question, level)
        for question in questions
        for level in (range(question.count) if question.count > 2 else (1,))
        if question.shown[newest, level] and question.shown[before, level]
    ]
    of = {newest: 1.0, before: -1.0}
    return asked, [question.contrast(level, of) for question, level in asked]


def _answers(
    waves: _Waves,
    questions: Sequence[Question],
    background: Sequence[ColumnSchema],
    rng: np.random.Generator,
) -> list[dict[str, Any]]:
    """Return the tested answers, what moved first."""
    tested = waves.tested
    newest, before = tested[0], tested[1]
    asked, found = changes(questions, newest, before)
    earlier = [
        earlier_waves(question, level, [w for w in tested[1:] if question.shown[w, level]])
        for question, level in asked
    ]
    means = [
        question.contrast(level, {newest: 1.0, **dict.fromkeys(taken, -1.0 / len(taken))})
        for (question, level), taken in zip(asked, earlier, strict=True)
    ]
    words = zip(verdicts(found), verdicts(means), strict=True)
    answers = []
    for (question, level), change, mean, taken, (verdict, beside) in zip(
        asked, found, means, earlier, words, strict=True
    ):
        named = {"waves": [waves.levels[at] for at in sorted(taken)]}
        answers.append(
            {
                "column": question.column.name,
                "answer": answer_name(question, level),
                **_before(question.column),
                **_lines(question, level, waves.shown),
                **_interval(change, len(asked), verdict),
                "earlier": named | _interval(mean, len(asked), beside) if taken[1:] else None,
                "composition": None,
            }
        )
    names = {column.name for column in background}
    moved = [
        at
        for at, one in enumerate(answers)
        if one["verdict"] != "no sign" and one["column"] not in names
    ]
    if background and moved:
        both = _splits(waves, questions, background, [(*asked[at], found[at]) for at in moved], rng)
        for at, parts in zip(moved, both, strict=True):
            named_parts = zip(("composition", "answers"), parts, strict=True)
            answers[at]["composition"] = {name: _interval(one, 1) for name, one in named_parts}
    order = sorted(
        range(len(answers)),
        key=lambda at: (
            ("moved", "probably moved", "no sign").index(answers[at]["verdict"]),
            -abs(found[at].value) / found[at].error,
        ),
    )
    sorted_answers = [answers[at] for at in order]
    return [one | {"sentence": sentence_of(one, list(names))} for one in sorted_answers]


def _splits(
    waves: _Waves,
    questions: Sequence[Question],
    background: Sequence[ColumnSchema],
    moved: Sequence[tuple[Question, int, Estimate]],
    rng: np.random.Generator,
) -> list[Parts]:
    """Return composition and answers of each change, in one direction beside a summary."""
    sample, carried = waves.sample, waves.carried
    newest, before = waves.tested[0], waves.tested[1]
    of = [(question.known, question.hit(level)) for question, level, _ in moved]
    freedom = [change.freedom for _, _, change in moved]
    if before >= carried:
        codes = [answer_codes(sample.table, column)[0] for column in background]
        return split(sample, codes, (before - carried, newest - carried), of, freedom, rng)
    names = [column.name for column in background]
    margins = [margin_of(one, before) for one in questions if one.column.name in names]
    past = [question.contrast(level, {before: 1.0}) for question, level, _ in moved]
    return split_one_way(sample, margins, newest - carried, of, past, freedom, rng)


def answer_name(question: Question, level: int) -> str:
    """Return an answer in words; fifths of numbers, whose ends would be values of persons."""
    column = question.column
    values = question.values()
    if values is not None:
        return level_label(column, values[level])
    if question.edges is not None:
        return band_names(question.edges)[level]
    if question.count == len(FIFTHS):
        return FIFTHS[level]
    return f"group {level + 1} of {question.count}, lowest first"


def _before(column: ColumnSchema) -> dict[str, str]:
    """Return the name under which a question was asked before; nothing where it kept its name."""
    of = column.earlier
    is_other = of is not None and of.stated and of.question not in ("", column.name)
    return {"before": of.question} if of is not None and is_other else {}


def _lines(question: Question, level: int, shown: Ints) -> dict[str, Any]:
    """Return the share of each shown wave and half its 95 % interval; None for few persons."""
    shares: list[float | None] = []
    margins: list[float | None] = []
    for wave in map(int, shown):
        is_shown = bool(question.shown[wave, level])
        of = question.contrast(level, {wave: 1.0}) if is_shown else None
        shares.append(None if of is None else coarse(of.value, of.error))
        margins.append(None if of is None else two_digits(reach(of, 1)))
    return {"shares": shares, "margins": margins}


def _interval(of: Estimate, together: int, verdict: MoveVerdict | None = None) -> dict[str, Any]:
    """Return a change and the ends of its interval, in steps that hide single persons."""
    half = reach(of, together)
    ends = {"change": of.value, "low": of.value - half, "high": of.value + half}
    found: dict[str, Any] = {name: coarse(end, of.error) for name, end in ends.items()}
    return found if verdict is None else found | {"verdict": verdict}
