"""What a schema says of the rows: ends by the curve of ranks, shares and counts with noise.

A schema is shown to whoever may use the dataset, so no figure of it is one person's, and none
counts one.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from simulacra_intake.rows_of_persons import (
    MIN_PERSONS,
    Ints,
    effective_persons,
    persons_in,
    rows_a_person,
)
from simulacra_intake.survey_weights import Floats, row_weights
from simulacra_schema.rules import StatedRule
from simulacra_schema.table import (
    YES,
    CleaningNote,
    ColumnSchema,
    LevelSchema,
    PublishedLevels,
    SpecialValue,
    TableSchema,
)
from simulacra_trainer.cell_keys import Keys, noise_of, person_keys, summed, text_key
from simulacra_trainer.segments.cells import level_codes

SECOND = 1e6
"""Microseconds, in which datetimes are learned; the schema has seconds."""


def shown_schema(table: pa.Table, schema: TableSchema) -> TableSchema:
    """Return the schema of a clean table as it may be shown.

    Smallest and largest numbers and dates are the ends of what is drawn (`families.curve`). Levels
    of whole numbers are of five persons or more. Shares and counts of rows have the noise of their
    persons (`cell_keys`); what no row or every row has stays exact. Counts of rows that the clean
    table does not tell apart have a noise that the secret decides.
    """
    figures = _Figures(
        table, person_keys(table, schema), persons_in(table, schema), row_weights(table, schema)
    )
    columns = [figures.column(column) for column in schema.columns]
    cleaning = [figures.note(note) for note in schema.cleaning]
    rules = [figures.rule(one) for one in schema.rules]
    update = {"columns": columns, "cleaning": cleaning, "rules": rules}
    return schema.model_copy(update=update)


@dataclass(frozen=True)
class _Figures:
    """The rows of a clean table, and the keys, persons and survey weights of each."""

    table: pa.Table
    keys: Keys
    persons: Ints | None
    weights: Floats | None

    def column(self, column: ColumnSchema) -> ColumnSchema:
        """Return a column with figures that may be shown."""
        update: dict[str, object] = {
            "specials": [self._special(one, column) for one in column.specials],
            "published": self._published(column),
        }
        if column.learned:
            gaps = [self.table.column(part.name).is_null().to_numpy() for part in column.parts()]
            update["missing_share"] = self._missing(np.asarray(np.all(gaps, axis=0), np.bool_))
            update["levels"] = self._levels(column)
        else:
            share = column.missing_share
            missing = self._told(f"{column.name} missing", share * self.rows) / max(self.rows, 1)
            update["missing_share"] = missing if 0.0 < share < 1.0 else share
        if column.minimum is not None:
            update |= dict(zip(("minimum", "maximum"), self._ends(column), strict=True))
        return column.model_copy(update=update)

    def note(self, note: CleaningNote) -> CleaningNote:
        """Return a note whose count has noise; 0, which says nothing, below five."""
        if note.column is None or note.count in (0, self.rows):
            return note
        count = self._told(f"{note.column} {note.action}", note.count)
        return note.model_copy(update={"count": count if count >= MIN_PERSONS else 0})

    def rule(self, stated: StatedRule) -> StatedRule:
        """Return a rule whose count of violations has noise; 0, which says nothing, below five."""
        if stated.violations in (0, self.rows):
            return stated
        count = self._told(f"rule {stated.rule.words()}", stated.violations)
        return stated.model_copy(update={"violations": count if count >= MIN_PERSONS else 0})

    @property
    def rows(self) -> int:
        """Rows of the table."""
        return int(self.table.num_rows)

    def _told(self, of: str, count: float) -> int:
        """Return a count of rows with a noise that the secret and the text decide, 1 to rows."""
        if not count:
            return 0
        noise = float(noise_of(text_key(self.table, of))[0]) * rows_a_person(self.persons)
        return int(np.clip(round(count + noise), 1, max(self.rows - 1, 1)))

    def _counts(self, codes: Ints, size: int) -> Floats:
        """Return how many rows each code has, with noise, float64 [size]; -1 is no code."""
        known = codes >= 0
        counts = np.bincount(codes[known], minlength=size).astype(np.float64)
        noise = noise_of(summed(self.keys[known], codes[known], size))
        noisy = np.maximum(counts + noise * rows_a_person(self.persons), 1.0)
        return np.where(counts > 0, noisy, 0.0)

    def _missing(self, gaps: npt.NDArray[np.bool_]) -> float:
        if gaps.all() or not gaps.any():
            return float(gaps.any())
        count = self._counts(np.where(gaps, 0, -1), 1)[0]
        return float(min(count, self.rows - 1) / self.rows)

    def _levels(self, column: ColumnSchema) -> list[LevelSchema]:
        """Return the levels with noisy shares; those of whole numbers that five persons have."""
        if not column.levels:
            return []
        levels = column.levels
        if column.kind == "multi":
            return [
                self._option(level, part)
                for level, part in zip(levels, column.parts(), strict=True)
            ]
        codes = level_codes(self.table, column.name, column.level_values())
        if column.kind == "integer":
            known = codes >= 0
            persons = None if self.persons is None else self.persons[known]
            weights = None if self.weights is None else self.weights[known]
            held = effective_persons(codes[known], persons, weights, len(levels)) >= MIN_PERSONS
            levels = [one for one, is_held in zip(levels, held, strict=True) if is_held]
            codes = np.append(np.where(held, np.cumsum(held) - 1, -1), -1)[codes]
        counts = self._counts(codes, len(levels))
        pooled = [one.pooled and self._told(f"{column.name} words", one.pooled) for one in levels]
        shares = counts / max(float(counts.sum()), 1.0)
        return [
            level.model_copy(update={"share": float(share), "pooled": words})
            for level, share, words in zip(levels, shares, pooled, strict=True)
        ]

    def _option(self, level: LevelSchema, part: ColumnSchema) -> LevelSchema:
        values = self.table.column(part.name).combine_chunks()
        answered = self.rows - values.null_count
        chosen = values.cast(pa.string()).fill_null("").to_numpy(zero_copy_only=False) == YES
        share = self._counts(np.where(chosen, 0, -1), 1)[0] / max(answered, 1)
        return level.model_copy(update={"share": min(float(share), 1.0)})

    def _ends(self, column: ColumnSchema) -> tuple[float | None, float | None]:
        """Return the smallest and largest value that is drawn; None where none is known.

        Of keys it is the largest number of their length, above which fresh ones are counted.
        """
        if column.kind == "identifier" and column.maximum is not None:
            return None, float(10 ** len(str(int(column.maximum))) - 1)
        if not column.learned:
            return None, None
        values = self.table.column(column.name)
        if values.null_count == self.rows:
            return None, None
        from simulacra_trainer.families.codec import place_column  # imports scipy

        codec, _ = place_column(values, column, self.persons, self.weights)
        unit = SECOND if column.kind == "datetime" else 1.0
        return codec.low / unit, codec.high / unit

    def _special(self, one: SpecialValue, column: ColumnSchema) -> SpecialValue:
        count = self._told(f"{column.name} {one.value}", one.share * self.rows)
        return one.model_copy(update={"share": count / max(self.rows, 1)})

    def _published(self, column: ColumnSchema) -> PublishedLevels | None:
        public = column.published
        if public is None or not public.single:
            return public
        single = self._told(f"{column.name} public", public.single)
        return public.model_copy(update={"single": min(single, len(public.words))})
