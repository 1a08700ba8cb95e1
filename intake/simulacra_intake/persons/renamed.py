"""Questions that a file, or a summary of earlier waves, has under another name: stated, or asked.

What a summary has is asked about in `simulacra_trainer.waves.matched`.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import product

import numpy as np
import pyarrow as pa

from simulacra_intake.columns.build import CleanColumn
from simulacra_intake.description.statements import Statement, Statements
from simulacra_intake.matching.levels import joined_levels
from simulacra_intake.matching.match import match_questions
from simulacra_intake.matching.questions import Rows, both_tabulated, few_values, spread
from simulacra_intake.rows_of_persons import Ints
from simulacra_schema.did_you_mean import closest
from simulacra_schema.table import EarlierQuestion
from simulacra_schema.wave_summary import SummaryQuestion

NO_WAVE = 'No column is the wave, so nothing is compared: state one by "role": "wave".'
ITSELF = "This is the column itself. Name the one that has its answers of earlier waves."
NO_SUCH = "The table has no such column.{near}"
NEITHER = "Neither the summary nor the table has this question.{near}"
NO_EARLIER = 'Say which question had these levels: "earlier".'
NO_QUESTION = "Only columns of levels or numbers are compared; {name} is read as {kind}."
OTHER_KIND = "One of both holds numbers, and the other words. Describe both alike, or leave it out."
NOT_EARLIER = "Answers of {name} must all be of waves before those of this column."
OTHER_LEVELS = (
    "The levels no longer overlap: confirm how {then} becomes {now}, "
    'by "levels", or leave it apart.'
)
NO_LEVEL = "{name} has no such level.{near}"
NOTE = "the question {name} of earlier waves: what moved compares both"
CONFIRM = "confirm it, or leave it"
LOOKS_LIKE = f"looks like the question {{name}} of earlier waves ({{reason}}): {CONFIRM}"
MAY_DIFFER = f"may be another question than {{name}} of earlier waves ({{reason}}): {CONFIRM}"
KINDS = ("categorical", "ordinal", "boolean", "integer", "numeric")
MOST_PAIRS = 40
"""Pairs of waves between which questions are sought."""
Spans = Mapping[str, tuple[int, int]]
"""The first and the last wave with answers, by column."""


def settle_earlier(columns: Sequence[CleanColumn], statements: Statements) -> None:
    """Set what questions were called in earlier waves, where stated, and ask about others.

    Problems go to the statements.
    """
    by_name = {column.schema.name: column for column in columns}
    waves = (c.values for c in columns if c.schema.role == "wave" and c.schema.kind == "ordinal")
    wave = next((values for values in waves if values is not None), None)
    codes = None if wave is None else wave.indices.to_numpy(zero_copy_only=False)
    spans = _spans(columns, codes)
    for name, statement in statements.columns.items():
        if name in by_name and statement.has("earlier", "levels"):
            _state(by_name, name, statement, spans, statements, is_one_wave=codes is None)
    if codes is not None:
        _ask(by_name, codes, spans, statements)


def _spans(columns: Sequence[CleanColumn], wave: Ints | None) -> Spans:
    found = {}
    for column in columns:
        schema, values = column.schema, column.values
        if values is None or schema.role is not None or schema.kind not in KINDS:
            continue
        codes = np.zeros(len(values), np.int64) if wave is None else wave
        asked = codes[values.is_valid().to_numpy(zero_copy_only=False)]
        if asked.size:
            found[schema.name] = int(asked.min()), int(asked.max())
    return found


def _state(
    by_name: Mapping[str, CleanColumn],
    name: str,
    statement: Statement,
    spans: Spans,
    statements: Statements,
    *,
    is_one_wave: bool,
) -> None:
    """Set the stated earlier question of a column, or note why it cannot be.

    A column of the file is meant where the file has its waves, else a question of the summary.
    """
    extension, add = statement.field.extension, statements.problems.add
    earlier, levels = extension.earlier, extension.levels or {}
    if not earlier:
        if levels:
            add(statement.at("levels"), NO_EARLIER)
        elif statements.earlier is not None:
            by_name[name].update(earlier=EarlierQuestion(question=""))
        return
    past = {} if statements.earlier is None else statements.earlier.questions()
    is_of_file = earlier != name and earlier in by_name and not is_one_wave
    of = None if is_of_file else past.get(earlier)
    problem = _problem(
        by_name, name, earlier, spans, past, is_one_wave=is_one_wave, is_carried=of is not None
    )
    if problem is not None:
        add(statement.at("earlier"), problem)
        return
    is_number = of is not None and of.edges is not None
    schema = by_name[name].schema
    labels = {} if of is None else {one.value: one.label or one.value for one in schema.levels}
    levels = {labels.get(level, level): names for level, names in levels.items()}
    new = [labels.get(level, level) for level in _levels(by_name[name], is_number)]
    old = _levels(by_name[earlier]) if of is None else [] if is_number else of.levels
    if bool(new) != bool(old):
        add(statement.at("earlier"), OTHER_KIND)
        return
    if new:
        unknown = [*_unknown_levels(name, earlier, levels, new, old)]
        for path, detail in unknown:
            add((*statement.at("levels"), *path), detail)
        if not unknown and joined_levels(new, old, levels) is None:
            detail = OTHER_LEVELS.format(then=_ends(old), now=_ends(new))
            add(statement.at("levels" if levels else "earlier"), detail)
    elif levels:
        add(statement.at("levels"), NO_QUESTION.format(name=name, kind="numbers"))
    by_name[name].update(earlier=EarlierQuestion(question=earlier, levels=levels))
    by_name[name].note(NOTE.format(name=earlier))


def _problem(
    by_name: Mapping[str, CleanColumn],
    name: str,
    earlier: str,
    spans: Spans,
    past: Mapping[str, SummaryQuestion],
    *,
    is_one_wave: bool,
    is_carried: bool,
) -> str | None:
    """Return why a column cannot be the earlier name of another; None if it can."""
    if not is_carried and (earlier == name or earlier not in by_name):
        near = closest(earlier, [one for one in dict.fromkeys([*past, *by_name]) if one != name])
        return (NEITHER if past else ITSELF if earlier == name else NO_SUCH).format(near=near)
    if not is_carried and is_one_wave:
        return NO_WAVE
    for one in (name,) if is_carried else (name, earlier):
        if one not in spans:
            return NO_QUESTION.format(name=one, kind=by_name[one].schema.kind)
    is_late = not is_carried and spans[earlier][1] >= spans[name][0]
    return NOT_EARLIER.format(name=earlier) if is_late else None


def _levels(column: CleanColumn, is_number: bool = False) -> list[str]:
    """Return the levels of a question, none of numbers; few whole ones are levels unless said."""
    assert column.values is not None, "it is a question"
    values = column.values if is_number else few_values(column.values)
    return values.dictionary.to_pylist() if pa.types.is_dictionary(values.type) else []


def _unknown_levels(
    name: str,
    earlier: str,
    levels: Mapping[str, Sequence[str]],
    now: Sequence[str],
    then: Sequence[str],
) -> Iterator[tuple[tuple[str | int, ...], str]]:
    for level, names in levels.items():
        if level not in now:
            yield (level,), NO_LEVEL.format(name=name, near=closest(level, now))
        for old in names:
            if old not in then:
                yield (level,), NO_LEVEL.format(name=earlier, near=closest(old, then))


def _ends(levels: Sequence[str]) -> str:
    return f"{levels[0]}..{levels[-1]}"


def _ask(
    by_name: Mapping[str, CleanColumn], wave: Ints, spans: Spans, statements: Statements
) -> None:
    """Note which columns look like questions that ended before these began."""
    said = {name for name, one in statements.columns.items() if one.has("earlier")}
    taken = {one.schema.earlier.question for one in by_name.values() if one.schema.earlier}
    last = int(wave.max())
    ended = {n: end for n, (_, end) in spans.items() if end < last and n not in taken}
    begun = {n: start for n, (start, _) in spans.items() if start > 0 and n not in said}
    waves = ((e, b) for e, b in product(set(ended.values()), set(begun.values())) if e < b)
    for end, start in sorted(waves, key=lambda pair: (pair[1] - pair[0], pair))[:MOST_PAIRS]:
        old = [name for name, at in ended.items() if at == end]
        new = [name for name, at in begun.items() if at == start]
        steady = spread([n for n, (a, z) in spans.items() if a <= end and z >= start])
        then, now = (
            _rows(by_name, [*names, *steady], wave == at)
            for names, at in ((old, end), (new, start))
        )
        found = match_questions(*both_tabulated(then, now))
        for earlier, newest, reason in [*found.same, *found.ask]:
            if earlier in old and newest in new:
                column = by_name[newest]
                column.update(
                    to_confirm="earlier", earlier=EarlierQuestion(question=earlier, stated=False)
                )
                column.note(LOOKS_LIKE.format(name=earlier, reason=reason))
                ended.pop(earlier, None)
                begun.pop(newest, None)


def _rows(by_name: Mapping[str, CleanColumn], names: Sequence[str], taken: Ints) -> Rows:
    """Return the questions of some columns and rows, in the order of the questionnaire."""
    mask = pa.array(np.asarray(taken, np.bool_))
    order = [column for name, column in by_name.items() if name in set(names)]
    columns = {c.schema.name: c.values.filter(mask) for c in order if c.values is not None}
    return Rows.of(columns, {column.schema.name: column.schema.label for column in order})
