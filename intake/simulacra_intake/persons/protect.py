"""What protects persons in a cleaned table: keys and personal data are not learned, and a value of
few persons is not emitted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from simulacra_intake.arrow_values import highest_whole, level_values, parse_type
from simulacra_intake.columns.build import CleanColumn
from simulacra_intake.columns.identifiers import is_named_id
from simulacra_intake.description.statements import Statements
from simulacra_intake.personal_data import vocabulary
from simulacra_intake.personal_data.forms import INITIAL, form_of_people
from simulacra_intake.personal_data.numbers import is_short_number
from simulacra_intake.personal_data.patterns import find_personal_data, has_email
from simulacra_intake.personal_data.people import People, other_level
from simulacra_intake.persons.cells import Cells, Ints, cells_of, codes_of, large_numbers
from simulacra_intake.persons.coordinates import coarsened, is_coordinate
from simulacra_intake.persons.cross_sections import as_waves, ask_about_waves
from simulacra_intake.persons.masks import learn_masks, learn_number_masks
from simulacra_intake.persons.name_context import names_by_context
from simulacra_intake.persons.public_levels import check_public, with_public
from simulacra_intake.persons.rare_values import without_rare_values
from simulacra_intake.persons.real_values import RealValues, digest_real_values
from simulacra_intake.persons.renamed import settle_earlier
from simulacra_intake.persons.stated import StatedRoles, check_roles
from simulacra_intake.persons.subject import LOOKED_AT, Keys, find_subject
from simulacra_intake.persons.waves import with_wave
from simulacra_intake.raw_table import RawTable
from simulacra_intake.rows_of_persons import MIN_PERSONS
from simulacra_schema.table import ColumnRole, PersonalData

KEY_SHARE = 0.99
NOTES: dict[ColumnRole, str] = {
    "key": "the column identifies rows and is not learned; generated rows get fresh ones",
    "subject": "the column says which person a row belongs to; persons are counted, not rows, and "
    "generated rows get fresh ones",
    "foreign_key": "the column is a key of something else and is not learned; generated rows get "
    "fresh ones",
    "personal_data": "the column holds personal data ({kind}) and is not learned; generated rows "
    "get invented ones of the same form",
}
NOT_LEARNED: dict[str, object] = {
    **{"learned": False, "levels": [], "ordered": False, "prefix": None},
    **{"minimum": None, "maximum": None, "specials": [], "form": None},
}
"""Fields of a column without what a model would learn."""
ASK = (
    "{groups} groups of {rows} rows on average: persons, or sampling points? Describe it with the "
    "role cluster if they are sampling points, and foreign_key if they are something else"
)


@dataclass(frozen=True)
class ProtectedColumns:
    """The columns of a table after protection.

    real: digests of what must not be emitted; persons: how many there are, with a subject.
    """

    columns: list[CleanColumn]
    real: RealValues | None
    persons: int | None


def protect_persons(
    raw: pa.Table | RawTable, columns: Sequence[CleanColumn], statements: Statements
) -> ProtectedColumns:
    """Find keys, personal data and the subject, and keep them out of what is learned.

    columns: cleaned, in the order of the table.
    """
    found = [cells_of(raw, i, column) for i, column in enumerate(columns)]
    cells = [each for each in found if each is not None]
    stated = check_roles(cells, statements)
    data = {
        each.name: kind
        for each in cells
        if (kind := stated.data.get(each.name)) is not None
        or (each.name not in stated.ordinary and (kind := _personal_data(each)) is not None)
    }
    data |= {
        name: kind
        for name, kind in names_by_context(cells, data).items()
        if name not in stated.ordinary
    }
    codes = {
        column.schema.name: codes_of(column.values, each, min(raw.num_rows, LOOKED_AT))
        for column, each in zip(columns, found, strict=True)
    }
    values = {c.schema.name: c.values for c in columns if c.values is not None}
    keys = find_subject(cells, data, codes, values, stated)
    persons = next((_numbered(c.codes) for c in cells if c.name == keys.subject), None)
    if persons is None:
        columns = [as_waves(c, statements) if c.schema.name == stated.wave else c for c in columns]
    people = _people(columns, persons)
    result = [
        _protected(column, each, _role(each, data, keys, stated), data, keys, people, stated)
        for column, each in zip(columns, found, strict=True)
    ]
    check_public(result, statements)
    settle_earlier(result, statements)
    if persons is not None and stated.wave is None:
        result = with_wave(result, persons, stated.ordinary)
    if persons is None:
        ask_about_waves(result, statements)
    for column in result:
        if column.schema.name == stated.wave and persons is not None:
            column.update(role="wave", evidence=[])
    design = ("stratum", "cluster", "replicate_weight")
    unnamed = (None, *design, "wave" if persons is None else None)
    kept = [
        word
        for column, each in zip(result, found, strict=True)
        if each is not None
        and column.schema.role not in unnamed
        and column.schema.text_format != INITIAL
        for word in each.words
    ]
    count = None if persons is None else len(np.unique(persons))
    return ProtectedColumns(result, digest_real_values(kept) if kept else None, count)


def _numbered(codes: Ints) -> Ints:
    """Return the persons of all rows: a row that names none is a person of its own."""
    unknown = codes < 0
    return np.where(unknown, codes.max(initial=-1) + np.cumsum(unknown), codes)


def _people(columns: Sequence[CleanColumn], persons: Ints | None) -> People:
    heavy = next((c.values for c in columns if c.schema.kind == "weight"), None)
    weights = None if heavy is None else heavy.to_numpy(zero_copy_only=False)
    levels = (level for column in columns for level in column.schema.level_values())
    return People(persons, weights, other_level(levels))


def _personal_data(cells: Cells) -> PersonalData | None:
    """Return the kind of personal data that a column holds, by its name or else by its label.

    A label that is a question mentions persons for many reasons; for names it must say "name".
    """
    label = cells.column.schema.label
    if (kind := _data_under(cells.name, cells)) is not None or label is None:
        return kind
    kind = _data_under(label, cells)
    sure = vocabulary.is_short(label) or vocabulary.name_contains(label, vocabulary.NAME)
    return kind if kind != "name" or sure else None


def _data_under(name: str, cells: Cells) -> PersonalData | None:
    words = cells.words if cells.is_text else large_numbers(cells.words)
    if not words and is_short_number(name):
        width = max(map(len, cells.words), default=0)
        words = [word.zfill(width) for word in cells.words]  # a typed file has no leading zeros
    return find_personal_data(name, words)


def _role(
    cells: Cells | None, data: Mapping[str, PersonalData], keys: Keys, stated: StatedRoles
) -> ColumnRole | None:
    if cells is None:
        return None
    if cells.name in stated.ordinary:
        return None
    if cells.name in stated.roles:
        return stated.roles[cells.name]
    if cells.name == keys.subject:
        return "subject"
    if cells.name in data:
        return "personal_data"
    if cells.name in keys.foreign:
        return "foreign_key"
    if cells.column.schema.kind == "identifier":
        return "key"
    unique = len(cells.words) >= KEY_SHARE * cells.present and cells.present == len(cells.indices)
    if unique and (cells.is_coded or (not cells.is_text and is_named_id(cells.name))):
        return "key"
    return None


def _protected(
    column: CleanColumn,
    cells: Cells | None,
    role: ColumnRole | None,
    data: Mapping[str, PersonalData],
    keys: Keys,
    people: People,
    stated: StatedRoles,
) -> CleanColumn:
    if column.schema.kind == "constant" or column.schema.is_of_design:
        return column
    if role is not None and cells is not None:
        told = role in ("subject", "foreign_key") and cells.name in keys.evidence
        evidence = [keys.evidence[cells.name]] if told else []
        masked = cells.name in stated.masked
        kind = data.get(cells.name)
        result = _unlearned(column, cells, role, kind, evidence, people.persons, masked)
        if role == "subject" and not keys.is_sure:
            _ask_about_groups(result, cells)
        if role == "foreign_key" and evidence:
            result.note(f"{evidence[0]}: each row counts as a person of its own")
        return result
    is_stated = column.schema.name in stated.coordinates and column.schema.is_numeric
    if is_stated or (is_coordinate(column) and column.schema.name not in stated.ordinary):
        column = coarsened(column)
    if cells is not None and cells.is_text:
        column = _without_emails(column)
    kept = without_rare_values(column, people) or _of_few(column, cells)
    return with_public(kept, column, people, stated.public.get(column.schema.name))


def _ask_about_groups(column: CleanColumn, cells: Cells) -> None:
    column.update(to_confirm="groups")
    column.note(ASK.format(groups=len(cells.words), rows=round(cells.rows_a_value)))


def _of_few(column: CleanColumn, cells: Cells | None) -> CleanColumn:
    """Return a column whose values are all of few persons: fresh codes, or empty text."""
    has_words = column.schema.kind in ("categorical", "ordinal", "boolean", "multi")
    if (
        has_words
        and cells is not None
        and all(" " not in word and any(map(str.isdigit, word)) for word in cells.words)
    ):
        return _unlearned(column, cells, "foreign_key", None, [], None)
    schema = column.schema.model_copy(update={**NOT_LEARNED, "kind": "text"})
    result = CleanColumn(schema, None, [*column.notes])
    result.note(
        f"all its values are of fewer than {MIN_PERSONS} persons, so it is not learned; it is "
        "empty in generated rows"
    )
    return result


def _unlearned(
    column: CleanColumn,
    cells: Cells,
    role: ColumnRole,
    kind: PersonalData | None,
    evidence: list[str],
    persons: Ints | None,
    masked: bool = False,
) -> CleanColumn:
    highest = highest_whole(parse_type(column.schema.storage))
    above, form, masks = None, None if masked else form_of_people(kind, cells.words), []
    if kind is None and highest is not None and all(map(str.isdecimal, cells.words)):
        masks = learn_number_masks(cells.words, highest)
        above = None if masks else 10 ** max(map(len, cells.words)) - 1
    elif form is None:
        masks = learn_masks(cells.words)
    schema = column.schema.model_copy(
        update={
            **NOT_LEARNED,
            "kind": "identifier",
            "maximum": above,
            "role": role,
            "personal_data": kind,
            "evidence": evidence,
            "masks": masks,
            "text_format": form.text_format if form else column.schema.text_format,
            "locale": form.locale if form else None,
            "unit": None,
        }
    )
    values = pa.array(persons) if role == "subject" else None
    result = CleanColumn(schema, values)
    result.note(NOTES[role].format(kind=(kind or "").replace("_", " ")))
    return result


def _without_emails(column: CleanColumn) -> CleanColumn:
    """Set levels that are e-mail addresses, among other words, to missing."""
    values = column.values
    if values is None or not pa.types.is_dictionary(values.type):
        return column
    personal = np.array([has_email(level) for level in column.schema.level_values()])
    if not personal.any():
        return column
    codes = values.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    lost = np.append(personal, False)[codes]
    kept = np.cumsum(~personal) - 1
    codes = np.where(lost | (codes < 0), -1, kept[codes])
    schema = column.schema
    levels = [level for level, drop in zip(schema.levels, personal, strict=True) if not drop]
    values = level_values(codes, [level.value for level in levels])
    result = CleanColumn(schema.model_copy(update={"levels": levels}), values, column.notes)
    result.note("e-mail addresses among other words were set to missing", int(lost.sum()))
    return result
