"""The rules of a description in the names of a clean table, and how many of its rows break them."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from simulacra_intake.arrow_values import words_of
from simulacra_intake.description.statements import Statements
from simulacra_intake.rows_of_persons import MIN_PERSONS, persons_a_group, persons_in
from simulacra_schema.description_parts import EXTENSION
from simulacra_schema.rule_checks import in_schema, rule_faults
from simulacra_schema.rules import MAX_COMBINATIONS, Rule, StatedRule
from simulacra_schema.table import RelationSchema, TableSchema
from simulacra_trainer.relations.pairs import Identity
from simulacra_trainer.rules.check import broken, keys_of

TOO_MANY = f"These columns have more than {MAX_COMBINATIONS:,} combinations; list those allowed."


def stated_rules(table: pa.Table, schema: TableSchema, statements: Statements) -> list[StatedRule]:
    """Return the rules of the description, with the rows of the upload that break each.

    Raises:
        InputError: a rule names no column or level of the table, or compares what has no order.
    """
    found = []
    for place, rule in enumerate(statements.problems.description.extension.rules or ()):
        path = (EXTENSION, "rules", place)
        faults = list(rule_faults(rule, schema))
        for at, detail in faults:
            statements.problems.add((*path, *at), detail)
        if faults:
            continue
        own = in_schema(rule, schema)
        if own.allowed is not None and own.combinations is None:
            own = _of_upload(own, table, schema)
            if len(own.combinations or ()) > MAX_COMBINATIONS:
                statements.problems.add((*path, "allowed"), TOO_MANY)
                continue
        is_present = set(own.columns()) <= set(table.column_names)  # keys are not
        count = int(broken(table, own).sum()) if is_present else 0
        is_own = rule.combinations is None and own.combinations is not None
        found.append(StatedRule(rule=own, violations=count, of_upload=is_own))
    statements.problems.raise_any()
    return found


def stated_sums(rules: Sequence[StatedRule]) -> list[Identity]:
    """Return the sums among the rules as identities: each column as the others give it."""
    return [_identity(one.rule) for one in rules if one.rule.sum is not None]


def of_sums(relation: RelationSchema, rules: Sequence[StatedRule]) -> bool:
    """Return whether a relation is a stated sum."""
    forms = [form for one in stated_sums(rules) for form in one.forms]
    return any(_parts(form) == _parts(relation) for form in forms)


def _parts(relation: RelationSchema) -> tuple[object, ...]:
    return relation.kind, relation.column, frozenset(relation.of), relation.constant


def _identity(rule: Rule) -> Identity:
    parts = rule.sum or []
    total = rule.equals
    forms = []
    if isinstance(total, str):
        forms.append(_linear(total, parts, [1.0] * len(parts)))
    constant = 0.0 if isinstance(total, str) else float(total or 0.0)
    for name in reversed(parts):
        others = [one for one in parts if one != name]
        of = [total, *others] if isinstance(total, str) else others
        signs = [1.0 if one == total else -1.0 for one in of]
        forms.append(_linear(name, of, signs, constant))
    return Identity(tuple(forms))


def _linear(
    column: str, of: Sequence[str], signs: Sequence[float], constant: float = 0.0
) -> RelationSchema:
    return RelationSchema(
        kind="linear", column=column, of=list(of), coefficients=list(signs), constant=constant
    )


def _of_upload(rule: Rule, table: pa.Table, schema: TableSchema) -> Rule:
    """Return a rule with the combinations of the table that five persons or more have."""
    names = rule.allowed or []
    key, known = keys_of(table, names)
    who = persons_in(table, schema)
    persons = persons_a_group(
        key[known], None if who is None else who[known], int(key.max(initial=0)) + 1
    )
    first = np.unique(key[known], return_index=True)
    rows = np.flatnonzero(known)[first[1]][persons[first[0]] >= MIN_PERSONS]
    words = [words_of(table.column(name).take(pa.array(rows))).to_pylist() for name in names]
    listed = [list(one) for one in zip(*words, strict=True)]
    return rule.model_copy(update={"combinations": listed})
