"""The wave after the newest one of a tracker: what a question about it, or rows of it, may say."""

from collections.abc import Collection, Iterable, Iterator
from math import prod

from simulacra_schema.conditions import ConditionSet
from simulacra_schema.faults import Fault, Wrong, pointer
from simulacra_schema.quota_checks import check_targets
from simulacra_schema.table import ColumnSchema, TableSchema
from simulacra_schema.targets import TargetedShares

NEXT = "next"
"""Stands for a level of the wave column, unless it has a level of this name."""
LEAST_WAVES = 4
MOST_TARGETED = 2
MAX_CELLS = 150
"""Segments that are pooled at most, those of each wave counted: their matrix is inverted."""
_FEW = "fewer than 4 waves before the next one"
_PARTS = Wrong(
    "the next wave shared out", "All rows are of the next wave or none; give next the share 1."
)
NO_SHARES = Wrong(
    "rows of the next wave without its shares",
    "Nobody answered in the next wave. Ask for its shares (a segment estimate of the wave next, or"
    " `simulacra boost --segment WAVE=next --conditions-out FILE`), and give its conditions as they"
    " are.",
)
WITH_NEXT = Wrong(
    "rows of the next wave with something else that selects or changes rows",
    "Rows of the next wave take the conditions of its estimate alone; leave this out.",
)
_TARGETED = Wrong(
    "targets of more than 2 columns",
    f"Targets of the next wave name {MOST_TARGETED} columns at most; leave out others.",
)
_NO_LEVELS = Wrong(
    "targets of a column without levels",
    "A target of the next wave is a share of levels; name a category, or bands of a number.",
)
_TAKEN = Wrong(
    "targets of the wave or of a question",
    "Targets say who is asked; name other columns than the wave and the questions.",
)
_BOUNDS = Wrong("a target without one share", "A target is one share; give share, not min or max.")


def next_wave(name: str, levels: Collection[str], schema: TableSchema) -> ColumnSchema | None:
    """Return the wave column if levels of a column ask for the wave after the newest."""
    wave = schema.wave()
    if wave is None or wave.name != name or NEXT in wave.level_values():
        return None
    return wave if NEXT in levels else None


def few_waves(wave: ColumnSchema) -> Wrong | None:
    """Return why there is no next wave of a column, None if there is one."""
    count = len(wave.levels or ())
    if count >= LEAST_WAVES:
        return None
    return Wrong(
        _FEW,
        f"The column has {count} waves, and the next one needs {LEAST_WAVES} at least. Add the rows"
        " of earlier waves to the file; a summary of them does not count.",
    )


def target_faults(
    targets: TargetedShares, taken: Iterable[str], schema: TableSchema
) -> Iterator[Fault]:
    """Yield what the schema says against targets of the next wave, by pointers below /targets.

    taken: the wave and the questions.
    """
    found = []
    columns = [schema.find(name) for name in targets.columns()]
    for path, fault in check_targets(targets, schema):
        found.append(fault.model_copy(update={"pointer": pointer("targets", *path)}))
    if set(targets.columns()) & set(taken):
        found.append(_TAKEN.at("targets"))
    elif any(one is not None and (one.kind == "multi" or not one.levels) for one in columns):
        found.append(_NO_LEVELS.at("targets"))
    elif len(columns) > MOST_TARGETED:
        found.append(_TARGETED.at("targets"))
    elif (cells := prod(len(one.levels) for one in columns if one is not None)) > MAX_CELLS:
        detail = f"The columns have {cells} pairs of levels; the limit is {MAX_CELLS}. Name others."
        found.append(Wrong(f"targets of more than {MAX_CELLS} cells", detail).at("targets"))
    for at, quota in enumerate(targets.quotas):
        if quota.share is None:
            found.append(_BOUNDS.at("targets", "quotas", at))
    yield from found


def of_known_waves(
    conditions: ConditionSet, schema: TableSchema
) -> tuple[ConditionSet, list[Fault]]:
    """Return conditions with the newest wave instead of the next, and what is wrong with that."""
    for name, shares in conditions.categorical.items():
        if (wave := next_wave(name, shares, schema)) is None:
            continue
        at = ("conditions", "categorical", name)
        newest = {wave.level_values()[-1]: 1.0}
        known = conditions.model_copy(
            update={"categorical": conditions.categorical | {name: newest}}
        )
        if wrong := few_waves(wave):
            return known, [wrong.at(*at)]
        if [*shares.values()] != [1.0]:
            return known, [_PARTS.at(*at)]
        if len(conditions.categorical) < 2:
            return known, [NO_SHARES.at(*at)]
        return known, [WITH_NEXT.at("conditions", "numeric")] if conditions.numeric else []
    return conditions, []
