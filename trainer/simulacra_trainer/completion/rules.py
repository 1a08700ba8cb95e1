"""Relations of the table in filled cells: given cells stay, drawn ones follow."""

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa

from simulacra_intake.arrow_values import as_floats
from simulacra_schema.table import COMPUTED, TRANSFORMED, RelationSchema, TableSchema
from simulacra_trainer.completion.cells import Booleans, Cells, Indices
from simulacra_trainer.families.codec import Floats
from simulacra_trainer.relations.compute import breaks, computed_values
from simulacra_trainer.relations.decided import broken, with_decided
from simulacra_trainer.relations.different import among, repeated
from simulacra_trainer.relations.groups import members_of
from simulacra_trainer.relations.transforms import inverse


class Rules:
    """The relations between the columns of some cells."""

    def __init__(self, cells: Cells, schema: TableSchema) -> None:
        self.cells, self.schema = cells, schema
        self.place = {codec.name: j for j, codec in enumerate(cells.codecs)}
        self.computed = {self.place[one.column]: one for one in schema.computed()}
        self.of = {j: self._touching(j) for j in range(len(cells.codecs))}
        self.rank = {j: i for i, j in enumerate(self.order(cells.targets))}

    def members(self, relation: RelationSchema) -> list[int]:
        """Return the places of a relation's columns."""
        return sorted({self.place[name] for name in members_of(relation)})

    def parts(self, column: int) -> list[int]:
        """Return the places of what a computed column follows from."""
        return [self.place[name] for name in self.computed[column].of]

    def hidden_from(self, column: int) -> set[int]:
        """Return columns that tell a column's value only because it was drawn before.

        A total that was computed from it, and other parts that a given total leaves open.
        """
        gaps, found = self.cells.gaps, set()
        for total, relation in self.computed.items():
            parts = [self.place[name] for name in relation.of]
            if column not in parts:
                continue
            if (gaps[column] & gaps[total]).any():
                found.add(total)
            for other in parts:
                if other != column and (gaps[column] & gaps[other] & ~gaps[total]).any():
                    found.add(other)
        return found

    def order(self, targets: Sequence[int]) -> list[int]:
        """Return targets with computed columns behind their parts."""
        out = [j for j in targets if j not in self.computed]
        return out + [j for j in self.computed if j in targets]

    def compute(self, column: int, values: Sequence[Floats], rows: Indices) -> Floats:
        """Return what a computed column is in some rows, float64 [rows]."""
        relation = self.computed[column]
        table = self.cells.table([self.place[name] for name in relation.of], values, rows)
        return as_floats(computed_values(table, relation, self.schema))

    def rest(self, column: int, values: Sequence[Floats], rows: Indices) -> Floats:
        """Return what a given total leaves to its last missing part, NaN where none does."""
        found = np.full(rows.size, np.nan)
        # What a rounded logarithm leaves is less exact than a sum.
        totals = sorted(self.computed.items(), key=lambda one: one[1].kind in TRANSFORMED)
        for total, relation in totals:
            parts = self.parts(total)
            if column in parts and relation.kind != "picked" and not relation.missing_as_zero:
                left = _inverse(relation, parts, column, values[total][rows], values, rows)
                is_open = np.isnan(found) | (relation.kind not in TRANSFORMED)
                found = np.where(self._is_last(total, column, rows) & is_open, left, found)
        decimals = self.cells.codecs[column].decimals
        return found if decimals is None else np.round(found, decimals)

    def drawn_beside(self, column: int) -> list[int]:
        """Return the earlier parts of a total that are drawn again if no rest is possible."""
        found: list[int] = []
        for total in self.computed:
            if column in self.parts(total):
                found += [k for k in self.parts(total) if self.rank.get(k, -1) >= 0]
        return [k for k in dict.fromkeys(found) if self.rank[k] < self.rank[column]]

    def broken(self, column: int, values: Sequence[Floats], rows: Indices) -> Booleans:
        """Return the rows in which a value breaks a relation or a skip, bool [rows]."""
        wrong = np.zeros(rows.size, np.bool_)
        for relation in self.of[column]:
            table = self.cells.table(self.members(relation), values, rows)
            if relation.kind == "decided":
                decided = self.place[relation.column]
                follows = self.cells.gaps[decided, rows] & (decided != column)
                wrong |= broken(table, relation)[0] & ~follows
            elif relation.kind == "all_different":
                # Others that were given alike are not this column's fault.
                uncounted = relation.model_copy(update={"constant": 0.0})
                name = self.cells.codecs[column].name
                others = {*table.column_names} - {name}
                wrong |= repeated(table, uncounted, self.schema, others)[1][-1]
            elif relation.kind not in COMPUTED:
                known = [~np.isnan(values[k][rows]) for k in self.members(relation)]
                wrong |= breaks(table, relation, self.schema) & np.all(known, axis=0)
            else:
                last = self._is_last(self.place[relation.column], column, rows)
                wrong |= self._off(relation, table, rows) & last
        for j, skip in self.cells.skips.items():
            if skip.filter == column:  # a skipped question has no given answer
                answered = ~self.cells.gaps[j, rows] & ~np.isnan(values[j][rows])
                wrong |= skip.rows(values[column][rows]) & answered
        return wrong

    def decided(self, column: int, values: Sequence[Floats], rows: Indices) -> Iterator[Floats]:
        """Yield what each relation that decides a column makes of its values, float64 [rows]."""
        for relation in self.of[column]:
            if relation.kind == "decided" and self.place[relation.column] == column:
                table = self.cells.table(self.members(relation), values, rows)
                after = with_decided(table, relation).column(relation.column)
                yield self.cells.codecs[column].values(after)

    def following(
        self, column: int, values: Sequence[Floats], rows: Indices
    ) -> Iterator[tuple[int, Indices, Floats]]:
        """Yield the gaps in other columns that a column decides: place, rows and values."""
        for relation in self.of[column]:
            decided = self.place[relation.column]
            at = rows[self.cells.gaps[decided, rows]]
            if relation.kind == "decided" and decided != column and at.size:
                table = self.cells.table(self.members(relation), values, at)
                after = with_decided(table, relation).column(relation.column)
                yield decided, at, self.cells.codecs[decided].values(after)

    def on_bound(self, column: int, values: Sequence[Floats], rows: Indices) -> Floats:
        """Return the bound of a number in some rows, NaN where it has none."""
        found = np.full(rows.size, np.nan)
        for relation in self.of[column]:
            if relation.kind == "not_above":
                names = (relation.column, relation.of[0])
                other = names[1] if self.place[names[0]] == column else names[0]
                found = values[self.place[other]][rows].copy()
        return found

    def _is_last(self, total: int, column: int, rows: Indices) -> Booleans:
        """Return where a total is given, and no part behind the column is missing, bool [rows]."""
        gaps, rank = self.cells.gaps, self.rank
        last = ~gaps[total, rows] & ~np.isnan(self.cells.values[total][rows])
        for k in self.parts(total):
            if k != column and rank.get(k, -1) > rank.get(column, -1):
                last &= ~gaps[k, rows]
        return np.asarray(last)

    def _off(self, relation: RelationSchema, table: pa.Table, rows: Indices) -> Booleans:
        """Return where a given computed column differs from what its parts give."""
        at = self.place[relation.column]
        expected = as_floats(computed_values(table, relation, self.schema))
        real = as_floats(table.column(relation.column))
        codec = self.cells.codecs[at]
        step = 10.0 ** -(codec.decimals or 0) if codec.decimals is not None else 1e-6
        off = np.abs(expected - real) > 0.51 * step + 1e-9 * np.abs(real)
        return np.asarray(off & ~self.cells.gaps[at, rows])

    def _touching(self, column: int) -> list[RelationSchema]:
        """Return the relations that a value of a column may break."""
        drawn = [name for name, place in self.place.items() if place not in self.computed]
        return [
            one
            for one in (among(one, drawn) for one in self.schema.relations)
            if column in self.members(one)
            and not (one.kind in COMPUTED and (one.implied or self.place[one.column] == column))
        ]


def _inverse(
    relation: RelationSchema,
    parts: Sequence[int],
    column: int,
    total: Floats,
    values: Sequence[Floats],
    rows: Indices,
) -> Floats:
    """Return the part that gives a total with the other parts, float64 [rows]; maybe infinite."""
    at, others = parts.index(column), [values[k][rows] for k in parts if k != column]
    with np.errstate(divide="ignore", invalid="ignore"):
        if relation.kind == "product":
            left = total / (relation.factor * others[0])
        elif relation.kind in TRANSFORMED:
            left = inverse(relation, total)
        elif relation.kind == "ratio":
            first = total * others[0] / relation.factor
            left = first if at == 0 else relation.factor * others[0] / total
        else:
            weights = np.array(relation.coefficients)
            known = sum((w * v for w, v in zip(np.delete(weights, at), others, strict=True)), 0.0)
            left = ((total - relation.constant) / relation.factor - known) / weights[at]
    return np.where(np.isfinite(left), left, np.nan)
