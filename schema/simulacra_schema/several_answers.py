"""Conditions on a column of several answers, in terms of its options' yes/no columns.

`{"media": {"TV": 0.5}}` is `{"media: TV": {"yes": 0.5}}`.
"""

from __future__ import annotations

from simulacra_schema.conditions import ConditionSet, level_in
from simulacra_schema.quotas import CellPart, Quota
from simulacra_schema.table import YES, TableSchema, part_name


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
    quotas = [_expanded(quota, schema) for quota in conditions.quotas]
    return conditions.model_copy(update={"categorical": shares, "quotas": quotas})


def _expanded(quota: Quota, schema: TableSchema) -> Quota:
    """Return a quota on the schema's own levels; an option is "yes" of its column."""
    where: dict[str, CellPart] = {}
    for name, part in quota.where.items():
        column = schema.find(name)
        if column is None or part.levels is None:
            where[name] = part
            continue
        known = column.level_values()
        own = [level_in(level, known) or level for level in part.levels]
        if column.kind == "multi":
            where[part_name(name, own[0])] = CellPart(levels=[YES])
        else:
            where[name] = CellPart(levels=own)
    return quota.model_copy(update={"where": where})
