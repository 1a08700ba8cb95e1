"""Conditions on a column of several answers, in terms of its options' yes/no columns.

`{"media": {"TV": 0.5}}` is `{"media: TV": {"yes": 0.5}}`.
"""

from typing import TypeVar

from simulacra_schema.conditions import ConditionSet, level_in
from simulacra_schema.quotas import CellPart
from simulacra_schema.table import YES, TableSchema, part_name

P = TypeVar("P", bound=CellPart)


def expand_conditions(conditions: ConditionSet, schema: TableSchema) -> ConditionSet:
    """Return the conditions on the schema's own levels, and of "yes" for each named option."""
    shares: dict[str, dict[str, float]] = {}
    for name, levels in conditions.categorical.items():
        column = schema.find(name)
        known = [] if column is None else column.level_values()
        own = {level_in(level, known) or level: share for level, share in levels.items()}
        if column is None or column.kind != "multi":
            shares[name] = {**shares.get(name, {}), **own}
            continue
        for option, share in own.items():
            shares.setdefault(part_name(name, option), {})[YES] = share
    # Not validated again: one column of many options may be more conditions than a request has.
    quotas = [
        quota.model_copy(
            update={"where": dict(own_part(*at, schema) for at in quota.where.items())}
        )
        for quota in conditions.quotas
    ]
    return conditions.model_copy(update={"categorical": shares, "quotas": quotas})


def own_part(name: str, part: P, schema: TableSchema) -> tuple[str, P]:
    """Return a part of a cell on the schema's own levels; an option is "yes" of its column."""
    column = schema.find(name)
    if column is None or part.levels is None:
        return name, part
    known = column.level_values()
    own = [level_in(level, known) or level for level in part.levels]
    if column.kind == "multi":
        return part_name(name, own[0]), type(part)(levels=[YES])
    return name, type(part)(levels=own)
