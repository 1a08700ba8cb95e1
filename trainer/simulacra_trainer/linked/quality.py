"""What linked rows keep, measured on persons that a half-model has not seen.

Each row is compared together with the row before it. So relations within rows, between attributes
of persons and rows, and from one row to the next are all relations between columns, and they are
found and judged as those of ordinary rows are.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from simulacra_schema.table import ColumnSchema, TableSchema
from simulacra_schema.verdicts import LINKED_FIGURES
from simulacra_trainer.linked.history import MARK, Ints, last_name
from simulacra_trainer.linked.privacy import LinkedTrial, LinkedTuning
from simulacra_trainer.linked.tables import STEP, LinkedTables, first_rows, whole_numbers
from simulacra_trainer.report.attackers.membership import PersonRows
from simulacra_trainer.report.attackers.own_values import figures_of_values, own_values
from simulacra_trainer.report.comparison.columns import bin_codes, is_category, numbers
from simulacra_trainer.report.comparison.dependence import find_dependences, measured_ratio
from simulacra_trainer.report.comparison.discriminator import two_sample_auc
from simulacra_trainer.report.comparison.fidelity import fidelity
from simulacra_trainer.report.comparison.pair_tables import Coded, of_one_shape, tables_of_pairs
from simulacra_trainer.report.worth import figures_of

PERSON = f"{MARK}person"
PICKS = 4
"""Times that one row of each person is compared, because a single row leaves much to chance."""
EXPECTED = 20
"""Rows that chance would give a pair of answers whose absence counts as a rule."""
MAX_LEVELS = 12
MAX_COLUMNS = 90
"""About 4,000 pairs, a second."""


def linked_report(tuning: LinkedTuning, persons: float, *, seed: int) -> dict[str, Any]:
    """Return the part `linked` of a model's report; it names columns.

    persons: respondents behind the table.
    """
    tables = tuning.trials[0].seen
    schema = _schema(tables)
    names = [column.name for column in schema.learned()]
    weight = next((c.name for c in schema.columns if c.kind == "weight"), None)
    trials = [_compared(trial) for trial in tuning.trials]
    rng = np.random.default_rng([seed, 43])
    pairs = find_dependences(trials, schema, names, seed=seed, is_asked=_asked(tables), picks=PICKS)
    within = [name for name in names if not name.startswith(MARK)]
    aucs = [two_sample_auc(of, drawn, names, rng, weight, PERSON) for _, of, drawn in trials]
    errors = [fidelity(of, seen, drawn, within, rng, weight) for seen, of, drawn in trials]
    broken = np.mean([impossible_rows(*trial, within) for trial in trials], axis=0)
    known = [auc for auc in aucs if auc is not None]
    tested = [(_people(seen), _people(of), drawn) for seen, of, drawn in trials]
    columns = [column for column in schema.learned() if column.name in within]
    own = own_values(tested, columns, persons)
    listed = [one.to_json() for one in pairs]
    return tuning.to_json() | {
        "c2st_auc": float(np.mean(known)) if known else None,
        "ratio": measured_ratio(pairs, persons),
        "respondents": persons,
        "pairs": [one | {"columns": [_shown(n, tables) for n in one["columns"]]} for one in listed],
        "univariate": {
            key: float(np.mean([one["univariate"][key] for one in errors]))
            for key in ("error", "floor")
        },
        "impossible": {"generated": float(broken[0]), "unseen": float(broken[1])},
        "membership": own.to_json(),
    }


def linked_figures(found: Mapping[str, Any] | None) -> dict[str, float]:
    """Return the figures of linked rows without names, for a status."""
    if found is None:
        return {}
    keys = ("dcr_share", "exact_copies", "exact_base", "c2st_auc")
    figures = {key: float(found[key]) for key in keys if found[key] is not None}
    figures |= figures_of(found) | {"passes": float(found["passes"])}
    figures |= figures_of_values(found.get("membership"))
    return {f"{LINKED_FIGURES}{name}": round(value, 4) for name, value in figures.items()}


def _people(rows: pa.Table) -> PersonRows:
    return PersonRows(rows, np.unique(rows.column(PERSON).to_numpy(), return_inverse=True)[1])


def _compared(trial: LinkedTrial) -> tuple[pa.Table, pa.Table, pa.Table]:
    """Return rows of seen, unseen and drawn persons, each beside the row before it."""
    halves = [_rows(of, of.subjects, of.events, of.who) for of in (trial.seen, trial.unseen)]
    return halves[0], halves[1], _rows(trial.seen, trial.subjects, trial.events, trial.who)


def _rows(tables: LinkedTables, subjects: pa.Table, events: pa.Table, who: Ints) -> pa.Table:
    first = first_rows(who)
    before = tables.history.of_rows(events, first)
    of_person = subjects.select(tables.attributes).take(pa.array(who))
    columns = dict(zip(of_person.column_names, of_person.columns, strict=True))
    columns |= {name: events.column(name) for name in tables.varying}
    columns |= {last_name(name): before[last_name(name)] for name in _remembered(tables)}
    if tables.axis is not None:
        places = tables.axis.places(events.column(tables.axis.name))
        starts = first == np.arange(first.size)
        columns[STEP] = whole_numbers(np.where(starts, np.nan, np.diff(places, prepend=np.nan)))
    columns[PERSON] = pa.array(who)
    weights = [c.name for c in tables.event_schema.columns if c.kind == "weight"]
    columns |= {name: events.column(name) for name in weights if name in events.column_names}
    return pa.table(columns).combine_chunks()


def _schema(tables: LinkedTables) -> TableSchema:
    """Return the schema of compared rows, with the persons as subject."""
    known = {column.name: column for column in tables.event_schema.columns}
    remembered = [last_name(name) for name in _remembered(tables)]
    # Between waves all steps are 1.
    has_steps = tables.axis is not None and len(tables.events.column(STEP).unique()) > 2
    steps = [STEP] if has_steps else []
    names = [*tables.attributes, *tables.varying, *remembered, *steps]
    weights = [column for column in tables.event_schema.columns if column.kind == "weight"]
    person = ColumnSchema(
        name=PERSON, kind="identifier", storage="int64", role="subject", learned=False
    )
    columns = [*(known[name] for name in names), *weights, person]
    return TableSchema(rows=tables.who.size, columns=columns).without_codes()


def _remembered(tables: LinkedTables) -> list[str]:
    """Return the columns whose value one row before is compared; a time has its step instead."""
    axis = None if tables.axis is None else tables.axis.name
    return [name for name in tables.varying if name != axis]


def _asked(tables: LinkedTables) -> Callable[[str, str], bool]:
    """Return whether a pair is compared: the row before only with the row, not with a person."""
    remembered = {last_name(name) for name in tables.varying}
    varying = {*tables.varying, STEP}

    def is_asked(a: str, b: str) -> bool:
        old = [name in remembered for name in (a, b)]
        return not any(old) or (not all(old) and {a, b} & varying != set())

    return is_asked


def _shown(name: str, tables: LinkedTables) -> str:
    """Return a column's name for people."""
    if name == STEP and tables.axis is not None:
        return f"{tables.axis.name} (step)"
    return next((f"{of} (row before)" for of in tables.varying if last_name(of) == name), name)


def impossible_rows(
    seen: pa.Table, unseen: pa.Table, generated: pa.Table, names: Sequence[str]
) -> tuple[float, float]:
    """Return the shares of generated and of unseen rows that break a rule of the seen rows.

    seen: rows whose absent pairs of answers are the rules; unseen: their share is what chance
    breaks.
    """
    tables = [seen, unseen, generated]
    coded = [of for of in (_few(tables, name) for name in names) if of is not None][:MAX_COLUMNS]
    pairs = np.column_stack(np.triu_indices(len(coded), k=1))
    broken = [np.zeros(table.num_rows, np.bool_) for table in tables]
    for alike in of_one_shape(coded, pairs):
        counts = tables_of_pairs(coded, pairs[alike], 0)
        margins = counts.sum(axis=2, keepdims=True) * counts.sum(axis=1, keepdims=True)
        absent = (counts == 0) & (margins >= EXPECTED * max(seen.num_rows, 1))
        for at in np.flatnonzero(absent.any(axis=(1, 2))):
            i, j = pairs[alike][at]
            for of, left, right in zip(broken, coded[i][0], coded[j][0], strict=True):
                of |= absent[at][left, right]
    return float(broken[2].mean()), float(broken[1].mean())


def _few(tables: Sequence[pa.Table], name: str) -> Coded | None:
    """Return the codes of a column with few values; None for others."""
    if not is_category(tables[0], name):
        values = [numbers(table, name) for table in tables]
        known = np.unique(values[0][~np.isnan(values[0])])
        if known.size > MAX_LEVELS:
            return None
        codes = [np.where(np.isnan(of), 0, 1 + np.searchsorted(known, of)) for of in values]
        return codes, known.size + 2
    found, size = bin_codes(tables, name)
    return (found, size) if size <= MAX_LEVELS else None
